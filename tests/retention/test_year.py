"""A year with a pass a day and an expiry a night: sums as if nothing were deleted, and no expired byte anywhere."""

import re
from datetime import date, timedelta

import pytest

from pipelines.orchestration import retain
from retention import hunter
from tests.pipelines.gateway_log import one
from tests.retention import byte_scan
from tests.retention.gateway_days import (
    FIRST,
    Days,
    calls_by_day,
    days,
    hours_by_day,
    months,
    night_of,
    sealed_clients,
)
from warehouse import database
from warehouse.home import Home

# A call's id and a tag, each with its day; and what a sealed IP address or user agent begins with.
_MARKS = re.compile(rb"(?:call|tag)-(\d{4}-\d\d-\d\d)|v1\.([A-Za-z0-9+/]{32})")
_KEPT_CALLS, _KEPT_HOURS, _KEPT_PEOPLE, _KEPT_DAYS, _KEPT_CLIENTS = 10, 20, 25, 31, 5


def _expired_bytes(home: Home, tomorrow: date, clients: dict[bytes, date]) -> tuple[list[str], set[str]]:
    """What is found of expired calls, tags and clients in any file; and the files where younger ones were found."""
    expired, alive = [], set()
    for name, data in byte_scan.contents(home.root):
        for day, sealed in set(_MARKS.findall(data)):
            dated = date.fromisoformat(day.decode()) if day else clients.get(sealed)
            kept = _KEPT_CALLS if day else _KEPT_CLIENTS
            if dated is not None and dated < tomorrow - timedelta(days=kept):
                expired.append(f"{name}: {(day or sealed).decode()}")
            elif dated is not None:
                alive.add(f"{'call' if day else 'client'} in {name}")
    return expired, alive


def _assert_sums(home: Home, lived: Days, tomorrow: date) -> None:
    """Every grain against the truth, to the pico-dollar, from the first day that it still has."""
    assert months(home) == lived.truth
    first_day = (tomorrow - timedelta(days=_KEPT_DAYS)).replace(day=1)
    for held, since in (
        (days(home), first_day),
        (hours_by_day(home), tomorrow - timedelta(days=_KEPT_HOURS)),
        (calls_by_day(home), tomorrow - timedelta(days=_KEPT_CALLS)),
    ):
        assert held == {key: sums for key, sums in lived.by_day.items() if key[0] >= since}


def _lived(home: Home, how_long: int, calls_a_day: int, pass_every: int = 1, searched_every: int = 1) -> None:
    """Live through days, and hold each night against the truth, some against each byte in the home.

    A gateway may send several days at once: `pass_every` days. The nights between find what has expired since.
    """
    lived, clients = Days(calls_a_day), dict[bytes, date]()
    for number in range(how_long):
        today = FIRST + timedelta(days=number)
        tomorrow = today + timedelta(days=1)
        if number % pass_every == 0:
            lived.live(home, today, closed_after=_KEPT_CALLS, days=pass_every if number else 1)
            for day, texts in sealed_clients(home).items():
                clients |= {text.removeprefix(b"v1.")[:32]: date.fromisoformat(day) for text in texts}
        night_of(home, today, looked_at=False)
        _assert_sums(home, lived, tomorrow)
        if number % searched_every == 0:
            expired, alive = _expired_bytes(home, tomorrow, clients)
            assert expired == []
            # Positive control, each time: what has not expired is found in the very same way.
            assert {"call in build/warehouse.duckdb read", "client in control.sqlite"} <= alive
    with database.control(home) as control:
        assert control.execute("SELECT sum(late_rows) FROM load").fetchone() == (lived.too_late,)
    assert hunter.offences(home, retain.policy_of(home)) == []
    people = "SELECT min(day) FROM model.usage_daily WHERE key_no IS NOT NULL OR user_no IS NOT NULL"
    assert one(home, people) == tomorrow - timedelta(days=_KEPT_PEOPLE)
    with database.read_only(home.build_file) as build:
        query = "SELECT min(requested_at)::DATE FROM raw_gateway_jsonl.calls"
        assert build.execute(query).fetchall() == [(tomorrow - timedelta(days=3),)]


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
@pytest.mark.clause("VA-6.1")
@pytest.mark.usefixtures("plain_bytes")
def test_a_month_adds_up_as_if_nothing_were_deleted(short: Home) -> None:
    """Late lines, lines again and lines far too late included; every fourth night no expired byte is in any file."""
    _lived(short, 34, 2, pass_every=3, searched_every=4)


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_a_year_adds_up_as_if_nothing_were_deleted(short: Home) -> None:
    """The same for 365 nights, in the file as it is, compressed."""
    _lived(short, 365, 12, pass_every=3)


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
@pytest.mark.usefixtures("plain_bytes")
def test_a_year_of_plain_bytes_adds_up_as_if_nothing_were_deleted(short: Home) -> None:
    """The same where DuckDB compresses nothing, so that what is left anywhere is seen."""
    _lived(short, 365, 12, pass_every=3)
