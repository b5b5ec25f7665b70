"""Items of an answer -> days: what says no day is held back of every day that may be its own, and the others land.

A row may be of any day that its answer is of; a bucket is a whole day, so it is one of those that no other bucket is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from pipelines.bills.odd_row import NO_ROW, OddRow, OddRowError, why
from pipelines.errors import ProviderError


def day(value: object) -> date:
    """The UTC day that a text begins with; OddRowError where it begins with none."""
    try:
        return date.fromisoformat(value[:10] if isinstance(value, str) else "")
    except ValueError:
        raise OddRowError("a day that cannot be read") from None


def rows(
    what: str, items: Iterable[Any], day_of: Callable[[Any], date], first: date, after: date
) -> dict[date, list[Any]]:
    """Rows by day, every day of `[first, after)` with a list; one of none of them is held back of all of them.

    ProviderError where there are several and none of them says such a day: the answer is to another question.
    """
    days: dict[date, list[Any]] = {each: [] for each in _days(first, after)}
    undated: list[str] = []
    is_dated = False
    for item in items:
        try:
            found = day_of(item)
            if found not in days:
                raise OddRowError("another day than was asked for")
        except NO_ROW as error:
            undated.append(_day_missing(error))
            continue
        days[found].append(item)
        is_dated = True
    if len(undated) > 1 and not is_dated:
        raise ProviderError(f"{what}: none of its rows is of a day that was asked for; nothing was stored")
    for number, of_day in enumerate(days.values()):
        of_day += [OddRow(reason, counts=number == 0) for reason in undated]
    return days


def buckets(
    what: str, items: Iterable[Any], day_of: Callable[[dict[str, Any]], date], first: date, after: date
) -> Iterator[tuple[date, list[Any]]]:
    """Buckets as (day, their results); the results of one whose day cannot be read are held back of the untold days.

    ProviderError where there are several and none says its day.
    """
    told: set[date] = set()
    undated: list[str] = []
    for item in items:
        results = item.get("results") if isinstance(item, dict) else None
        try:
            found = day_of(item)
        except NO_ROW as error:
            undated += [_day_missing(error)] * max(len(results) if isinstance(results, list) else 1, 1)
            continue
        told.add(found)
        yield found, results if isinstance(results, list) else [OddRow("a day without its list of rows")]
    if undated and not told and (after - first).days > 1:
        raise ProviderError(f"{what}: none of its buckets is a UTC day; nothing was stored")
    for number, untold in enumerate([one for one in _days(first, after) if one not in told] if undated else ()):
        yield untold, [OddRow(reason, counts=number == 0) for reason in undated]


def _days(first: date, after: date) -> Sequence[date]:
    return [first + timedelta(days=number) for number in range((after - first).days)]


def _day_missing(error: Exception) -> str:
    return why(error) if isinstance(error, OddRowError) else "a day that cannot be read"
