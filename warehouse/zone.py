"""When a day of a time zone begins, in the hours at rest: at the UTC hour that holds its local midnight.

Where midnight is skipped by a clock that goes forward, the day begins with the first moment after it; where it comes
twice, with the first; a date that a country left out has no hour. Nothing else in the house turns zones into UTC.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from warehouse.errors import WarehouseError

UTC_NAME = "UTC"
# Offsets reach from -12 to +14 hours, and a date may have been left out.
_AROUND = timedelta(days=2)


def checked(name: str) -> str:
    """The name of a zone as the tz database has it, such as Europe/Berlin; WarehouseError for any other text."""
    known = available_timezones()
    found = next((zone for zone in (name, name.strip()) if zone in known), None)
    if found is None:
        raise WarehouseError(
            "that is no time zone of the tz database: give one such as Europe/Berlin, Asia/Kolkata or UTC"
        )
    return found


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def day_start(name: str, day: date) -> datetime:
    """The UTC hour (naive) with which a local day begins; that of the next where the date was left out."""
    zone = _zone(name)
    # In a skipped midnight this reads the clock as it was before, which is the very moment it went forward.
    moment = datetime.combine(day, time.min, zone).astimezone(UTC)
    # Where the skip began earlier in the evening the day had begun with it already.
    while (moment - timedelta(minutes=15)).astimezone(zone).date() >= day:
        moment -= timedelta(minutes=15)
    return moment.replace(tzinfo=None, minute=0, second=0, microsecond=0)


def days(name: str, first: datetime, last: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    """The local days that hold the UTC hours from `first` to `last`: each with its first hour and that of the next.

    A date that was left out is not among them.
    """
    day, stop = (first - _AROUND).date(), (last + _AROUND).date()
    starts = day_start(name, day)
    while day <= stop:
        ends = day_start(name, day + timedelta(days=1))
        if starts < ends:
            yield day, starts, ends
        day, starts = day + timedelta(days=1), ends


def is_off_the_hour(name: str, day: date) -> bool:
    """Whether a local day begins within a UTC hour, so that its figures begin up to an hour early."""
    offset = datetime.combine(day, time.min, _zone(name)).utcoffset() or timedelta(0)
    return bool(offset % timedelta(hours=1))
