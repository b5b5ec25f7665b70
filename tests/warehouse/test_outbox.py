"""The outbox: a mail is one sender's at a time, is never forgotten, and its alert row is made once."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.pipelines.spend_version import known, limited
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.control import outbox
from warehouse.control.budget import Budget
from warehouse.control.outbox import PATIENCE, Usage
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 (naive moments are UTC here)
START = date(2026, 11, 1)


@pytest.fixture
def budget(home: Home, master_key: str) -> Budget:
    """A budget of 100 USD for one project."""
    assert master_key
    known(home, NOW, "web")
    return limited(home, NOW, "web")


@pytest.fixture
def control(home: Home, budget: Budget) -> Iterator[sqlite3.Connection]:
    """The control store with that budget."""
    assert budget
    with database.control(home) as connection:
        yield connection


def used(budget: Budget, spent: str, start: date = START) -> list[Usage]:
    """The use of a budget."""
    return [Usage(budget, start, Decimal(spent), 0, 7)]


def state(control: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Every mail: its state, its tries, and whether it may be a repeat."""
    return control.execute("SELECT state, tries, may_repeat FROM mail ORDER BY mail_no").fetchall()


@pytest.mark.clause("AL-2.2")
def test_thresholds_crossed_at_once_are_one_mail_and_a_row_each(control: sqlite3.Connection, budget: Budget) -> None:
    """From nothing to 85 %: two rows, one mail; on to 100 %: one more of each; then nothing, whatever happens."""
    spends = ["10", "85", "85", "30", "85", "100", "99", "1000", "0"]
    assert [outbox.enqueue(control, used(budget, spent), NOW) for spent in spends] == [0, 1, 0, 0, 0, 1, 0, 0, 0]
    rows = control.execute("SELECT threshold_percent, mail_no FROM alert ORDER BY threshold_percent").fetchall()
    assert rows == [(50, 1), (80, 1), (100, 2)]
    assert outbox.enqueue(control, used(budget, "60", date(2026, 12, 1)), NOW) == 1


def test_a_budget_changed_meanwhile_is_left_to_its_new_version(
    home: Home, control: sqlite3.Connection, budget: Budget
) -> None:
    """What was asked of the version before makes no row once another is in force; the new one may tell again."""
    assert outbox.enqueue(control, used(budget, "60"), NOW) == 1
    changed = limited(home, NOW, "web", monthly="110")
    assert outbox.enqueue(control, used(budget, "100"), NOW) == 0
    assert outbox.enqueue(control, used(changed, "60"), NOW) == 1
    (first, second) = control.execute("SELECT message_id FROM mail").fetchall()
    assert first != second


def test_a_leased_mail_is_nobody_elses_until_the_lease_ends(control: sqlite3.Connection, budget: Budget) -> None:
    """A second sender finds nothing; a sender that died is followed by another, under the same Message-ID."""
    outbox.enqueue(control, used(budget, "60"), NOW)
    first = outbox.take(control, NOW)
    assert first
    assert outbox.take(control, NOW + PATIENCE.lease - timedelta(seconds=1)) is None
    second = outbox.take(control, NOW + PATIENCE.lease)
    assert second
    assert (second.message_id, second.lease_no, second.may_repeat) == (first.message_id, 2, False)
    assert not outbox.hand_over(control, first, NOW)
    assert outbox.hand_over(control, second, NOW)
    outbox.put_off(control, first, NOW, "late")
    assert state(control) == [("sending", 2, 0)]


def test_a_mail_that_was_given_and_not_marked_is_flagged_as_a_repeat(
    control: sqlite3.Connection, budget: Budget
) -> None:
    """Only between the hand-over and the mark can a repeat be; nowhere else is one supposed."""
    outbox.enqueue(control, used(budget, "60"), NOW)
    first = outbox.take(control, NOW)
    assert first
    assert outbox.hand_over(control, first, NOW)
    second = outbox.take(control, NOW + PATIENCE.lease)
    assert second
    assert second.may_repeat
    outbox.sent(control, first, NOW)
    assert state(control) == [("sent", 2, 1)]
    assert not outbox.hand_over(control, second, NOW)
    assert outbox.take(control, NOW + timedelta(days=400)) is None


def test_waits_double_and_the_last_try_ends_it(control: sqlite3.Connection, budget: Budget) -> None:
    """Half a minute, a minute, up to six hours; after the last it is dead until a person asks."""
    outbox.enqueue(control, used(budget, "60"), NOW)
    now, waits = NOW, []
    while lease := outbox.take(control, now):
        outbox.put_off(control, lease, now, "the mail server does not answer", unreachable=True)
        (next_at,) = control.execute("SELECT next_at FROM mail").fetchone()
        waits.append(database.moment(next_at) - now)
        now = max(database.moment(next_at), now + timedelta(seconds=1))
    assert waits[:3] == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert max(waits) == timedelta(hours=6)
    assert len(waits) == PATIENCE.tries
    assert outbox.unsent(control) == {"dead": (1, "the mail server does not answer, 18 times")}
    assert outbox.revive(control, now) == 1
    lease = outbox.take(control, now)
    assert lease
    assert lease.tries == 1


def test_what_waited_for_a_silent_server_goes_once_it_answers(
    home: Home, control: sqlite3.Connection, budget: Budget
) -> None:
    """The first mail that gets through frees those that found nobody, and not one that was refused itself."""
    known(home, NOW, "search", "batch")
    for project in ("search", "batch"):
        limited(home, NOW, project)
    listed = budgets.current(control)
    outbox.enqueue(control, [usage for one in listed for usage in used(one, "60")], NOW)
    leases = [outbox.take(control, NOW) for _ in range(3)]
    assert all(leases)
    silent, refused, through = leases
    assert silent
    assert refused
    assert through
    outbox.put_off(control, silent, NOW, "the mail server does not answer", unreachable=True)
    outbox.put_off(control, refused, NOW, "the mail server answered 450 to the receiver")
    outbox.sent(control, through, NOW)
    freed = outbox.take(control, NOW)
    assert freed
    assert freed.mail_no == silent.mail_no
    assert outbox.take(control, NOW) is None
    assert budget


def test_a_clock_that_ran_ahead_holds_nothing_back(control: sqlite3.Connection, budget: Budget) -> None:
    """What was put off or leased by a clock a year ahead is due as soon as the clock is right again."""
    outbox.enqueue(control, used(budget, "60"), NOW)
    ahead = NOW + timedelta(days=365)
    lease = outbox.take(control, ahead)
    assert lease
    again = outbox.take(control, NOW)
    assert again
    # A clock a little behind the other's is a wait for the store's lock, and nothing more.
    assert outbox.take(control, NOW - timedelta(seconds=30)) is None
    outbox.put_off(control, again, ahead, "x")
    assert outbox.take(control, NOW)
