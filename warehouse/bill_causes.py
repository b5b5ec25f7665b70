"""What a provider billed minus what its counts cost at list price, split into causes that add up to it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from warehouse import money
from warehouse.causes import (
    APART,
    CREDIT,
    DISCOUNT,
    FEE,
    PRICE,
    ROUNDING,
    TAX,
    TOOL,
    UNEXPLAINED,
    UNPRICED,
    Difference,
)

_NOTHING = Decimal(0)
_CENT, _HALF_CENT, _HALF_MICRO = Decimal("0.01"), Decimal("0.005"), Decimal("0.0000005")
# A price that differs has the same share on most days; below three days nobody can tell.
_DAYS_TO_TELL, _SHARE_APART = 3, Decimal("0.005")


@dataclass(frozen=True)
class BillLine:
    """One kind of line of a bill: its amount, the amount at list where the bill says it, and what kind it is.

    `count` is how many lines of the bill it adds up, each of which may have been rounded. `counted_usd` is what the
    provider's own count of a tool's uses costs at list price, where the line is for these.
    """

    amount_usd: Decimal
    list_amount_usd: Decimal | None = None
    charge_category: str = "Usage"
    is_tokens: bool = True
    count: int = 1
    counted_usd: Decimal | None = None


@dataclass
class _Tools:
    """A day's uses of tools: what they cost at list, what was billed beyond that, how far rounding may reach."""

    counted: Decimal = _NOTHING
    beyond: Decimal = _NOTHING
    rounding: Decimal = _NOTHING


def of_bill(
    expected: Mapping[date, Decimal],
    lines: Mapping[date, Sequence[BillLine]],
    unpriced: Iterable[date] = (),
    apart: Mapping[date, Decimal] | None = None,
) -> list[Difference]:
    """Split bill minus what was expected, by day; `expected` is what was counted (or logged) at list price.

    `unpriced` are days with tokens of models without a known price; `apart` is what the tokens cost that are in
    `expected` and in a tier that the bill leaves out.
    """
    without_price, left_out = set(unpriced), apart or {}
    found: list[Difference] = []
    rest: dict[date, Decimal] = {}
    due = {day: expected.get(day, _NOTHING) - left_out.get(day, _NOTHING) for day in {*expected, *left_out, *lines}}
    tools = {day: _tools(told) for day, told in lines.items()}
    for day, told in sorted(lines.items()):
        parts = dict.fromkeys((DISCOUNT, CREDIT, TAX, TOOL, FEE), _NOTHING)
        parts[TOOL] = tools[day].counted
        for line in told:
            cause = _line_cause(line)
            if cause is not None:
                parts[cause] += line.amount_usd
            elif line.list_amount_usd is not None:
                parts[DISCOUNT] += line.amount_usd - line.list_amount_usd
        parts[APART] = -left_out.get(day, _NOTHING)
        found += [Difference(day, cause, amount) for cause, amount in parts.items()]
        billed = sum((line.amount_usd for line in told), _NOTHING)
        rest[day] = billed - expected.get(day, _NOTHING) - sum(parts.values())
    rounded = {day for day, amount in rest.items() if abs(amount) <= _rounding(lines[day])}
    even = [(due[day], _rounding(lines[day])) for day in rounded]
    of_tokens = {day: amount - tools[day].beyond for day, amount in rest.items()}
    share = _share({day: usd for day, usd in due.items() if day in rest.keys() - rounded}, of_tokens, even)
    for day, amount in rest.items():
        by_price = money.usd((due[day] + tools[day].counted) * share)
        # A fee that is not the list's, and not by the share that all is: it says nothing of tokens.
        other_fee = tools[day].beyond - money.usd(tools[day].counted * share)
        if abs(amount) <= _rounding(lines[day]) or abs(other_fee) <= tools[day].rounding:
            other_fee = _NOTHING
        found.append(Difference(day, FEE, other_fee))
        found += _bill_rest(day, amount - other_fee, by_price, lines[day], is_unpriced=day in without_price)
    return [difference for difference in found if difference.amount_usd]


def _tools(told: Sequence[BillLine]) -> _Tools:
    found = _Tools()
    counted = [line for line in told if line.counted_usd is not None and _line_cause(line) is None]
    for line in counted:
        found.counted += line.counted_usd or _NOTHING
        found.beyond += (line.amount_usd if line.list_amount_usd is None else line.list_amount_usd) - (
            line.counted_usd or _NOTHING
        )
    found.rounding = _rounding(counted)
    return found


def _line_cause(line: BillLine) -> str | None:
    if line.charge_category == "Tax":
        return TAX
    # What is taken back, in whatever words, is no price.
    if line.charge_category == "Credit" or line.amount_usd < 0:
        return CREDIT
    is_counted = line.is_tokens or line.counted_usd is not None
    return None if is_counted and line.charge_category == "Usage" else FEE


def _rounding(lines: Sequence[BillLine]) -> Decimal:
    """The most that rounding line by line can make: half a cent each where every amount is in whole cents."""
    in_cents = all(line.amount_usd % _CENT == 0 for line in lines)
    return sum(line.count for line in lines) * (_HALF_CENT if in_cents else _HALF_MICRO)


def _share(
    expected: Mapping[date, Decimal], rest: Mapping[date, Decimal], even: Sequence[tuple[Decimal, Decimal]]
) -> Decimal:
    """The share of the list price that the bill is more, or less, on most days; 0 where there is none.

    `even` are the other days: what was expected of each, and how much rounding may hide of a share.
    """
    shares = {day: rest[day] / usd for day, usd in expected.items() if usd}
    if len(shares) < _DAYS_TO_TELL:
        return _NOTHING
    middle = sorted(shares.values())[len(shares) // 2]
    agreeing = [day for day, share in shares.items() if abs(share - middle) <= _SHARE_APART]
    against = len(shares) - len(agreeing) + sum(1 for usd, most in even if abs(usd * middle) > most)
    if abs(middle) <= _SHARE_APART or len(agreeing) <= against:
        return _NOTHING
    # Of all of them together, so that rounding by line cancels out.
    return sum((rest[day] for day in agreeing), _NOTHING) / sum((expected[day] for day in agreeing), _NOTHING)


def _bill_rest(
    day: date, amount: Decimal, by_price: Decimal, lines: Sequence[BillLine], *, is_unpriced: bool
) -> Iterator[Difference]:
    most = _rounding(lines)
    if abs(amount) <= most:
        by_price = Decimal(0)
    left = amount - by_price
    yield Difference(day, PRICE, by_price)
    yield Difference(day, ROUNDING if abs(left) <= most else UNPRICED if is_unpriced else UNEXPLAINED, left)
