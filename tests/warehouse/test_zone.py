"""A day of a zone begins at the UTC hour that holds local midnight, and every hour belongs to one day."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import zone
from warehouse.errors import WarehouseError

# Clocks that turn forward at midnight, back at it, by half an hour, by 45 minutes, by a day; and some that never do.
ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul",
    "America/New_York", "America/Los_Angeles", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/St_Johns", "America/Sao_Paulo", "America/Havana", "America/Santiago", "America/Asuncion",
    "America/Caracas", "America/Scoresbysund", "America/Nuuk", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran",
    "Asia/Kabul", "Asia/Yangon", "Asia/Beirut", "Asia/Amman", "Asia/Gaza", "Asia/Tokyo", "Asia/Shanghai",
    "Asia/Pyongyang", "Australia/Sydney", "Australia/Adelaide", "Australia/Eucla", "Australia/Lord_Howe",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Kwajalein", "Africa/Monrovia", "Africa/Cairo",
    "Africa/Casablanca", "Antarctica/Troll",
)  # fmt: skip
HOUR = timedelta(hours=1)


def test_there_are_forty_zones() -> None:
    """At least forty, each once."""
    assert len(set(ZONES)) == len(ZONES) >= 40


def _turns(name: str, first: int, last: int) -> list[date]:
    """The local dates around which a zone's clock is turned, found by looking at every noon."""
    info, found = ZoneInfo(name), []
    day = datetime(first, 1, 1, 12, tzinfo=UTC)
    before = day.astimezone(info).utcoffset()
    while day.year < last:
        day += timedelta(days=1)
        after = day.astimezone(info).utcoffset()
        if after != before:
            found.append(day.date())
        before = after
    return found


# At each commit every fourth; in the soak all of them.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if number % 4 == 0 else pytest.mark.soak) for number, name in enumerate(ZONES)]
)
def test_days_around_every_turn_of_the_clock_hold_each_hour_once(name: str) -> None:
    """From 1970 to 2100, around every turn, 29 February and the ends of months: days follow without gap or overlap."""
    turns = _turns(name, 1970, 2100)
    ends = [date(year, month, 1) for year in range(1970, 2101, 10) for month in (1, 3, 12)]
    leaps = [date(year, 2, 29) for year in range(1972, 2100, 4)]
    for near in (*turns, *ends, *leaps):
        around = datetime(near.year, near.month, near.day)  # noqa: DTZ001 (naive moments are UTC here)
        found = list(zone.days(name, around - timedelta(days=2), around + timedelta(days=2)))
        for (day, _, until), (following, begins, _) in pairwise(found):
            assert (until, day) == (begins, min(day, following))
        assert found[0][1] <= around - timedelta(days=2)
        assert found[-1][2] > around + timedelta(days=2)
        for day, begins, until in found:
            _holds_midnight(name, day, begins)
            assert begins < until


def _holds_midnight(name: str, day: date, begins: datetime) -> None:
    """The day's first moment lies in the hour it begins with: looked for minute by minute, by another road."""
    info, aware = ZoneInfo(name), begins.replace(tzinfo=UTC)
    dates = [(aware + timedelta(minutes=minute)).astimezone(info).date() for minute in range(-1, 61)]
    assert dates[0] < day
    assert max(dates) >= day


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), st.datetimes(datetime(1970, 1, 3), datetime(2100, 12, 28)), st.integers(1, 80))  # noqa: DTZ001 (naive moments are UTC here)
def test_sums_over_days_are_sums_over_hours(name: str, first: datetime, count: int) -> None:
    """Whatever the zone and the stretch of hours: each is in one day, so the days' sums are the hours' sum."""
    first = first.replace(minute=0, second=0, microsecond=0)
    hours = {first + n * HOUR: n * n + 1 for n in range(count)}
    sums: dict[date, int] = {}
    for day, begins, until in zone.days(name, min(hours), max(hours)):
        sums[day] = sum(value for hour, value in hours.items() if begins <= hour < until)
    assert sum(sums.values()) == sum(hours.values())


@pytest.mark.parametrize(
    ("name", "day", "begins", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", 23),
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00", 25),
        ("Asia/Kolkata", date(2024, 2, 29), "2024-02-28T18:00", 24),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", 24),
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", 24),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", 0),
    ],
)
def test_a_day_begins_where_its_people_say(name: str, day: date, begins: str, hours: int) -> None:
    """Days of 23 and 25 hours, midnights that are skipped or come twice, half hours, and a day that never was."""
    start = zone.day_start(name, day)
    assert start == datetime.fromisoformat(begins)
    assert (zone.day_start(name, day + timedelta(days=1)) - start) / HOUR == hours


def test_a_zone_off_the_full_hour_is_told() -> None:
    """India begins its days at half past; Berlin does not."""
    assert zone.is_off_the_hour("Asia/Kolkata", date(2026, 1, 1))
    assert not zone.is_off_the_hour("Europe/Berlin", date(2026, 7, 1))


@pytest.mark.parametrize("name", ["Berlin", "../etc/passwd", "", "Europe/berlin "])
def test_what_is_no_zone_is_refused(name: str) -> None:
    """Only a name of the tz database is a zone."""
    with pytest.raises(WarehouseError, match="no time zone"):
        zone.checked(name)
