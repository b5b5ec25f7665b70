"""Dated exchange rates that the owner keeps in <home>/fx.csv: what a unit of a currency was worth in USD on a day.

The rate of a day is the last known one up to it, never a later one. Columns: date, currency, usd_per_unit, source.
"""

import csv
import io
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from warehouse import money
from warehouse.errors import FxError, MoneyError
from warehouse.home import Home

FILE = "fx.csv"
HEADER = ("date", "currency", "usd_per_unit", "source")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, order=True)
class Rate:
    """What one unit of a currency was worth in USD on a day, and who says so."""

    currency: str
    day: date
    usd_per_unit: Decimal
    source: str = ""

    def convert(self, amount: Decimal) -> Decimal:
        """An amount of this currency in USD, exact, then half-even at 12 places."""
        return money.usd(money.CONTEXT.multiply(amount, self.usd_per_unit))


class FxRates:
    """Rates by currency and day."""

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._rates: dict[str, list[Rate]] = {}
        for rate in sorted(rates):
            self._rates.setdefault(rate.currency, []).append(rate)

    def __iter__(self) -> Iterator[Rate]:
        """Every rate, by currency and day."""
        for rates in self._rates.values():
            yield from rates

    def of(self, currency: str, day: date) -> Rate | None:
        """The last known rate up to a day; None where there is none."""
        rates = self._rates.get(currency, [])
        at = bisect_right(rates, day, key=lambda rate: rate.day)
        return rates[at - 1] if at else None

    @staticmethod
    def load(home: Home) -> "FxRates":
        """The rates of a home's file, none where there is no file; FxError names the line that cannot be read."""
        try:
            text = (home.root / FILE).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return FxRates()
        rates: dict[tuple[str, date], Rate] = {}
        for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
            if not row or (number == 1 and tuple(field.strip() for field in row) == HEADER):
                continue
            try:
                made = rate(*(field.strip() for field in row))
            except (TypeError, FxError) as error:
                why = error if isinstance(error, FxError) else "it needs date,currency,usd_per_unit,source"
                raise FxError(f"line {number} of {home.root / FILE}: {why}") from None
            if (made.currency, made.day) in rates:
                raise FxError(f"line {number} of {home.root / FILE}: {made.currency} has a rate of {made.day} already")
            rates[made.currency, made.day] = made
        return FxRates(rates.values())


def rate(day: str, currency: str, usd_per_unit: str, source: str = "") -> Rate:
    """Read a rate as people write it: 2026-10-01, CNY, 0.1405; FxError says what is wrong with it."""
    try:
        when = date.fromisoformat(day)
    except ValueError:
        raise FxError("its date has to look like 2026-10-01") from None
    if not _CURRENCY.fullmatch(currency) or currency == "USD":
        raise FxError("its currency has to be three capital letters, such as CNY, and not USD")
    try:
        worth = money.usd(usd_per_unit)
    except MoneyError:
        worth = Decimal(0)
    if worth <= 0:
        raise FxError("its rate has to be a decimal number above 0: what one unit is worth in USD")
    if worth != Decimal(usd_per_unit):
        raise FxError("its rate has more than 12 decimal places")
    return Rate(currency, when, worth, source)


def set_rate(home: Home, new: Rate) -> Path:
    """Write a rate into the home's file in place of the day's old one, whole or not at all, 0600; returns the file."""
    kept = [old for old in FxRates.load(home) if (old.currency, old.day) != (new.currency, new.day)]
    target, working = home.root / FILE, home.root / f".{FILE}.part"
    with os.fdopen(
        os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(HEADER)
        lines.writerows((r.day, r.currency, plain(r.usd_per_unit), r.source) for r in sorted([*kept, new]))
        file.flush()
        os.fsync(file.fileno())
    working.replace(target)
    return target


def plain(worth: Decimal) -> str:
    """A rate without the zeros that nobody wrote."""
    text = f"{worth:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
