"""Numbers for the eye: tokens, counts, shares, ages and changes; money is shown by `warehouse.money.shown`."""

from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

NOT_NAMED = "not named"
_STEPS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def count(number: int) -> str:
    """A count with its thousands apart: 1,204."""
    return f"{number:,}"


def counted(number: int, one: str) -> str:
    """A count and what is counted: 1 row, 1,204 rows."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def tokens(number: int) -> str:
    """A large count in three digits: 12.3 M, 950, 4.56 B."""
    for index, (step, unit) in enumerate(_STEPS):
        if abs(number) < step:
            continue
        scaled = _three_digits(Decimal(number) / step)
        return f"1.00 {_STEPS[index - 1][1]}" if scaled == 1000 and index else f"{scaled} {unit}"
    return str(number)


def size(number: int) -> str:
    """Bytes in three digits, by powers of a thousand: 12.1 MB, 15.0 GB, 950 bytes."""
    if number < 1000:
        return counted(number, "byte")
    return f"{tokens(number)}B".replace(" BB", " GB")


def _three_digits(number: Decimal) -> Decimal:
    whole = len(str(abs(int(number))))
    rounded = number.quantize(Decimal(1).scaleb(-max(0, 3 - whole)), rounding=ROUND_HALF_EVEN)
    return rounded.quantize(Decimal(1)) if abs(rounded) >= 100 else rounded


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """A part of a whole in per cent: 12.3%; an em dash where the whole is nothing, <0.1% for what is not quite none."""
    if not whole:
        return "—"
    percent = Decimal(part) * 100 / Decimal(whole)
    if 0 < percent < Decimal("0.1"):
        return "<0.1%"
    return f"{percent.quantize(Decimal('0.1'), rounding=ROUND_HALF_EVEN)}%"


def change(current: Decimal, before: Decimal) -> str | None:
    """How much more or less than before: +12.3%, -4.0%, 14 times; None where there is nothing to compare with."""
    if before <= 0:
        return None
    percent = (current - before) * 100 / before
    if percent >= 1000:
        return f"{(current / before).quantize(Decimal(1))} times"
    rounded = percent.quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN)
    return f"{rounded:+}%"


def age(then: datetime, now: datetime) -> str:
    """How long ago: 12 s ago, 3 min ago, 5 h ago, 4 days ago; a moment ahead of the clock is "just now"."""
    seconds = int((now - then).total_seconds())
    if seconds < 0:
        return "just now"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size} {unit} ago"
    return f"{seconds // 86400} days ago"


def duration(latency_ms: int | None) -> str:
    """A latency: 840 ms, 1.24 s, 75 s; an em dash where none was logged."""
    if latency_ms is None:
        return "—"
    if latency_ms < 1000:
        return f"{latency_ms} ms"
    return f"{_three_digits(Decimal(latency_ms) / 1000)} s"


def moment(at: datetime) -> str:
    """A UTC moment to the second, with its zone: 2026-11-21 20:57:03 UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def days(start: date, end: date) -> str:
    """A stretch of days with an en dash, within a month or across two; a single day by itself: Nov 21.

    The year of `end` is left to the caller; that of `start` is told where it is another.
    """
    if start.year != end.year:
        return f"{start:%b} {start.day}, {start.year} – {end:%b} {end.day}"  # noqa: RUF001 - an en dash joins a range
    if start == end:
        return f"{start:%b} {start.day}"
    if start.month == end.month:
        return f"{start:%b} {start.day}–{end.day}"  # noqa: RUF001 - an en dash joins a range
    return f"{start:%b} {start.day} – {end:%b} {end.day}"  # noqa: RUF001 - an en dash joins a range
