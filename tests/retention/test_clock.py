"""The clock: what goes by a wrong one is gone before its time, so it is believed only where something bears it out."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from pipelines.orchestration import retain
from retention import clock
from retention.errors import ClockError
from tests.pipelines.gateway_log import line, one, put, take_in
from tests.retention.gateway_days import reading
from warehouse import database
from warehouse.home import Home

_START = datetime(2026, 1, 31, 2, 40)  # noqa: DTZ001 (naive moments are UTC here)
_DAY = timedelta(days=1)


@pytest.fixture
def control(home: Home) -> Iterator[sqlite3.Connection]:
    """A control store whose clock was believed at _START."""
    with database.control(home) as connection:
        clock.remember(connection, reading(_START))
        yield connection


def test_a_clock_beside_its_uptime_is_believed(control: sqlite3.Connection) -> None:
    """A night, or a year, that the machine was up for is a night, or a year."""
    for days in (1, 365):
        clock.believe(control, reading(_START + days * _DAY))


@pytest.mark.parametrize("ahead", [timedelta(hours=2), _DAY, 365 * _DAY])
def test_a_jump_is_not_believed(control: sqlite3.Connection, ahead: timedelta) -> None:
    """Two hours more than the machine has been up are a jump; it says how far and what to do."""
    with pytest.raises(ClockError, match=r"hours ahead of the last run.*--clock-is-right"):
        clock.believe(control, reading(_START + _DAY, ahead=ahead))


def test_a_jump_does_not_become_true_by_being_repeated(control: sqlite3.Connection) -> None:
    """Night after night the same wrong clock is refused, and once it is put right it is believed."""
    for night in range(1, 5):
        with pytest.raises(ClockError):
            clock.believe(control, reading(_START + night * _DAY, ahead=365 * _DAY))
    clock.believe(control, reading(_START + 5 * _DAY))


def test_a_step_back_is_believed_and_forgets_nothing(control: sqlite3.Connection) -> None:
    """By an earlier clock nothing goes early; the highest moment stays the one that is known."""
    clock.believe(control, reading(_START, ahead=-_DAY))
    clock.remember(control, reading(_START, ahead=-_DAY))
    with pytest.raises(ClockError):
        clock.believe(control, reading(_START, ahead=_DAY))


def test_after_a_reboot_a_night_is_believed_and_a_week_is_not(control: sqlite3.Connection) -> None:
    """Without uptime to go by, 36 hours pass unseen; more needs a call of the last two hours, or a person."""
    clock.believe(control, reading(_START + _DAY, boot="two"))
    with pytest.raises(ClockError):
        clock.believe(control, reading(_START + 7 * _DAY, boot="two"))


def test_a_gateway_bears_the_clock_out(home: Home, master_key: str) -> None:
    """A call that a gateway says was an hour ago is a second clock; one of the year 2099 is none."""
    assert master_key
    put(home, "a.jsonl", [line(ts="2026-02-07T02:00:00Z")])
    put(home, "b.jsonl", [line(request_id="b", ts="2099-01-01T00:00:00Z")])
    take_in(home, _START)
    with database.control(home) as control:
        clock.remember(control, reading(_START))
        clock.believe(control, reading(_START + 7 * _DAY, boot="two"))
        with pytest.raises(ClockError):
            clock.believe(control, reading(_START + 30 * _DAY, boot="two"))


@pytest.mark.clause("VA-6.1")
@pytest.mark.parametrize("ahead", [_DAY, 365 * _DAY])
def test_a_clock_that_jumps_and_comes_back_deletes_nothing_early(home: Home, master_key: str, ahead: timedelta) -> None:
    """A run by the wrong clock changes no row; the run after it takes what is due by the right one."""
    assert master_key
    days = [f"2026-01-{day:02}" for day in range(1, 31)]
    put(home, "a.jsonl", [line(request_id=day, ts=f"{day}T10:00:00Z", ip="203.0.113.1") for day in days])
    take_in(home, datetime(2026, 1, 30, 12))  # noqa: DTZ001 (naive moments are UTC here)
    retain.expire_home(home, reading(_START), lambda *_: None)

    def clients() -> int:
        with database.control(home) as control:
            return int(control.execute("SELECT count(*) FROM client").fetchone()[0])

    assert clients() == 30
    with pytest.raises(ClockError):
        retain.expire_home(home, reading(_START + timedelta(hours=1), ahead=ahead), lambda *_: None)
    assert clients() == 30
    assert one(home, "SELECT count(*) FROM model.requests") == 30
    retain.expire_home(home, reading(_START + _DAY), lambda *_: None)
    assert clients() == 29
