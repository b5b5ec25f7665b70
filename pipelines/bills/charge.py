"""A line of a bill's file -> sums by UTC day: when it counts, and how a long period is spread without losing a pico.

Hours add up to their day. Usage of more than a day is spread over its days by their length, exactly; a purchase, a tax,
a credit or an adjustment counts once, on its first day.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipelines.bills.odd_row import OddRow
from warehouse import money
from warehouse.errors import MoneyError

_DAY = timedelta(days=1)
_GROUPED = re.compile(r"-?\$?-?\d{1,3}(,\d{3})+(\.\d+)?")
# Of a line; so that no sum of many lines leaves the column it is stored in.
_MOST = Decimal(10**18)
# What one line may be spread over, and when any bill is of.
_LONGEST = timedelta(days=3 * 366)
_YEARS = range(2000, 2100)
# Days that one line may lack in; what is longer is marked by its first days.
_MOST_ODD_DAYS = 62
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})( 0?0:00(:00)?)?")


class ChargeError(ValueError):
    """A row that is no charge; the message is the reason kept in quarantine and repeats no value."""


# What a row of JSON with something else in its fields raises.
NO_CHARGE = (ValueError, TypeError, AttributeError, KeyError, ArithmeticError)


@dataclass(frozen=True)
class Charge:
    """What a row says: who bills whom, from when to when (UTC), in which part of the bill, which words and amounts.

    `words` are the raw table's columns that are no amount, equal ones are added up; `amounts` the ones that are.
    """

    provider: str
    bill_account: str
    starts: datetime
    ends: datetime
    part: str
    words: tuple[tuple[str, Any], ...]
    amounts: dict[str, Decimal | None]
    spreads: bool = False

    def shares(self) -> Iterator[tuple[date, dict[str, Decimal | None]]]:
        """Each day with its share; the shares of a day add up to the whole, to the pico."""
        if not self.spreads or self.ends - self.starts <= _DAY:
            yield self.starts.date(), self.amounts
            return
        whole = _seconds(self.ends - self.starts)
        given = {name: Decimal(0) for name in self.amounts}
        day = self.starts.date()
        while datetime.combine(day, datetime.min.time()) < self.ends:
            until = min(datetime.combine(day, datetime.min.time()) + _DAY, self.ends)
            passed = _seconds(until - self.starts)
            share: dict[str, Decimal | None] = {}
            for name, amount in self.amounts.items():
                if amount is None:
                    share[name] = None
                    continue
                reached = money.usd(money.CONTEXT.divide(money.CONTEXT.multiply(money.usd(amount), passed), whole))
                share[name] = money.CONTEXT.subtract(reached, given[name])
                given[name] = reached
            yield day, share
            day += _DAY


# Who bills, the payer's own account there, and from when to when, as a row that is no charge writes them.
Whose = tuple[str, str, Any, Any]


@dataclass
class DaySums:
    """Charges added up by who bills, day and words, exactly; a part's days are remembered with it.

    `odd` are the days of rows that are no charges, each with what stands for the row.
    """

    sums: dict[tuple[str, str], dict[tuple[date, str, tuple[tuple[str, Any], ...]], dict[str, Decimal | None]]] = field(
        default_factory=dict
    )
    odd: dict[tuple[str, str], list[tuple[date | None, OddRow]]] = field(default_factory=dict)

    def add(self, charge: Charge) -> None:
        """Add one charge; an amount that one line of a sum does not say, the sum does not say either.

        ChargeError where it would be spread over more than any bill's usage is of.
        """
        if charge.spreads and charge.ends - charge.starts > _LONGEST:
            raise ChargeError("a charge period longer than three years")
        for day, share in charge.shares():
            self._add(charge.provider, charge.bill_account, (day, charge.part, charge.words), share)

    def hold_back(self, whose: Whose, reason: str) -> None:
        """Remember of which days of whose bill a row is no charge; of each of its days where the row says none.

        It is counted on the first of them.
        """
        provider, account, starts, ends = whose
        days: list[date | None] = [None]
        try:
            first = moment(starts).date()
            last = moment(ends).date() - timedelta(days=1) if ends else first
            days = [first + timedelta(days=n) for n in range(min(max((last - first).days + 1, 1), _MOST_ODD_DAYS))]
        except (ChargeError, OverflowError):
            pass
        odd = [(day, OddRow(reason, counts=number == 0)) for number, day in enumerate(days)]
        self.odd.setdefault((provider, account), []).extend(odd)

    def merge(self, other: "DaySums") -> None:
        """Add what another file gave."""
        for bill, odd in other.odd.items():
            self.odd.setdefault(bill, []).extend(odd)
        for (provider, account), sums in other.sums.items():
            for key, amounts in sums.items():
                self._add(provider, account, key, amounts)

    def first_day(self) -> date | None:
        """The first day that is told of; None where none is."""
        return min((day for sums in self.sums.values() for day, _, _ in sums), default=None)

    def begin(self, first: date) -> None:
        """Leave out what is told of days before the first."""
        for payer, sums in list(self.sums.items()):
            self.sums[payer] = {key: amounts for key, amounts in sums.items() if key[0] >= first}
            if not self.sums[payer]:
                del self.sums[payer]
        for payer, odd in self.odd.items():
            self.odd[payer] = [(day, one) for day, one in odd if day is None or day >= first]

    def _add(
        self,
        provider: str,
        account: str,
        key: tuple[date, str, tuple[tuple[str, Any], ...]],
        amounts: dict[str, Decimal | None],
    ) -> None:
        sums = self.sums.setdefault((provider, account), {})
        known = sums.get(key)
        if known is None:
            sums[key] = dict(amounts)
            return
        for name, amount in amounts.items():
            before = known[name]
            known[name] = None if amount is None or before is None else money.CONTEXT.add(before, amount)

    def days(
        self, provider: str, account: str, *, gaps: bool
    ) -> dict[date, tuple[list[dict[str, Any]], frozenset[str]]]:
        """The days of one bill with their rows and the parts told of them.

        With `gaps` a day between a part's first and last has no charge where it has no row; else it is not told at all.
        """
        told: dict[date, tuple[list[dict[str, Any]], set[str]]] = {}
        spans: dict[str, tuple[date, date]] = {}
        for (day, part, words), amounts in self.sums[provider, account].items():
            rows, parts = told.setdefault(day, ([], set()))
            rows.append({**dict(words), **{n: None if a is None else money.usd(a) for n, a in amounts.items()}})
            parts.add(part)
            first, last = spans.get(part, (day, day))
            spans[part] = (min(first, day), max(last, day))
        if gaps:
            for part, (first, last) in spans.items():
                for number in range((last - first).days + 1):
                    told.setdefault(first + timedelta(days=number), ([], set()))[1].add(part)
        return {day: (rows, frozenset(parts)) for day, (rows, parts) in sorted(told.items())}

    def held_back(self, provider: str, account: str, told: Iterable[date]) -> dict[date, list[OddRow]]:
        """What stands for rows of days of one bill that are no charges; `told` are the days that it has charges of."""
        found: dict[date, list[OddRow]] = {}
        for day, one in self.odd.get((provider, account), ()):
            for number, each in enumerate(sorted(told)) if day is None else ((0, day),):
                found.setdefault(each, []).append(one if number == 0 else OddRow(one.reason, counts=False))
        return found


def moment(value: Any) -> datetime:
    """A time as a bill writes it, as naive UTC: ISO 8601, `... UTC`, epoch seconds, a spreadsheet's month/day/year."""
    found = _moment(value)
    if found.year not in _YEARS:
        raise ChargeError("a time that is none")
    return found


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 (UTC at rest is naive)
    text = str(value or "").strip()
    try:
        if american := _US_DAY.fullmatch(text):
            month, day, year = (int(part) for part in american.groups()[:3])
            return datetime(year + 2000 if year < 100 else year, month, day)  # noqa: DTZ001 (UTC at rest is naive)
        if text.isascii() and text.isdigit() and len(text) == 10:
            return datetime.fromtimestamp(int(text), UTC).replace(tzinfo=None)
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise ChargeError("a time that is none") from None


def amount(value: Any) -> Decimal | None:
    """An amount as a bill writes it, exactly: a decimal, `$1,000.00`, or None; ChargeError where it is none of them."""
    if value is None:
        return None
    text: Any = value
    if isinstance(value, str):
        text = value.strip()
        if _GROUPED.fullmatch(text) or text.lstrip("-").startswith("$"):
            text = text.replace(",", "").replace("$", "")
    # Python reads other digits, and underscores between them.
    if isinstance(text, str) and (not text.isascii() or "_" in text):
        raise ChargeError("an amount that is no number")
    try:
        # For its bounds; what is added up is the literal itself, rounded once at the end.
        is_bounded = money.usd(text).copy_abs() < _MOST
    except MoneyError:
        is_bounded = False
    if not is_bounded:
        raise ChargeError("an amount that is no number")
    return Decimal(text)


def _seconds(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(seconds=1))
