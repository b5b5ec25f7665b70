"""The audit chain: acts follow from one another, and what was changed, taken out or cut off is noticed."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime

import pytest

from warehouse import database
from warehouse.control import audit
from warehouse.control.audit import Anchor
from warehouse.errors import WarehouseError
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 - naive moments are UTC in the store
_MADE_UP = "'2026-11-21T22:00:00.000000Z', 'retention.run', 7, 9, ''"


@pytest.fixture
def control(home: Home) -> Iterator[sqlite3.Connection]:
    """A control store with five acts."""
    with database.control(home) as opened:
        for number in range(1, 6):
            audit.note(opened, "retention.run", NOW, actor_no=7, object_no=number, detail=f"clauses={number}")
        yield opened


@pytest.mark.clause("AL-5.3")
def test_acts_follow_from_one_another(control: sqlite3.Connection) -> None:
    """A whole chain has nothing wrong, and an anchor of any of its acts holds."""
    rows = control.execute("SELECT audit_no, chain FROM audit").fetchall()
    assert len({chain for _, chain in rows}) == 5
    assert audit.wrong(control, [Anchor("version 1", *row) for row in rows]) == []
    assert [act.object_no for act in audit.acts(control, NOW, NOW.replace(hour=23))] == [1, 2, 3, 4, 5]
    assert audit.acts(control, NOW.replace(hour=23), NOW.replace(day=22)) == []


@pytest.mark.clause("AL-5.3")
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE audit SET object_no = 9 WHERE audit_no = 3", "act 3 was changed, or one before it"),
        ("UPDATE audit SET act = 'disclosure.made' WHERE audit_no = 1", "act 1 was changed, or one before it"),
        ("UPDATE audit SET detail = '' WHERE audit_no = 5", "act 5 was changed, or one before it"),
        ("DELETE FROM audit WHERE audit_no = 3", "act 4 was changed, or one before it"),
        ("DELETE FROM audit WHERE audit_no < 3", "the acts before 3 are gone, and no receipt says that they expired"),
        ("DELETE FROM audit WHERE audit_no > 3", "5 acts were written down and the newest that is there is 3"),
        ("DELETE FROM audit", "5 acts were written down and the newest that is there is 0"),
        # Put in: at the end under a chain of its own, at the end with the newest act's, and between two.
        (f"INSERT INTO audit VALUES (6, {_MADE_UP}, 'c0ffee')", "act 6 was changed, or one before it"),
        (
            f"INSERT INTO audit SELECT 6, {_MADE_UP}, chain FROM audit WHERE audit_no = 5",
            "act 6 was changed, or one before it",
        ),
        (
            f"""UPDATE audit SET audit_no = audit_no + 100 WHERE audit_no > 2;
                INSERT INTO audit SELECT 3, {_MADE_UP}, chain FROM audit WHERE audit_no = 2;
                UPDATE audit SET audit_no = audit_no - 99 WHERE audit_no > 100""",
            "act 3 was changed, or one before it",
        ),
        # Put in another order, with their chains and without.
        (
            """UPDATE audit SET audit_no = 100 WHERE audit_no = 2; UPDATE audit SET audit_no = 2 WHERE audit_no = 4;
               UPDATE audit SET audit_no = 4 WHERE audit_no = 100""",
            "act 2 was changed, or one before it",
        ),
        (
            "UPDATE audit SET object_no = 6 - object_no, detail = 'clauses=' || (6 - object_no)",
            "act 1 was changed, or one before it",
        ),
        # Cut, and the store's own count put back to what is left but one.
        (
            "DELETE FROM audit WHERE audit_no > 2; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'",
            "3 acts were written down and the newest that is there is 2",
        ),
    ],
)
def test_what_was_changed_put_in_or_taken_out_is_noticed(control: sqlite3.Connection, sql: str, said: str) -> None:
    """Anywhere in the chain, its beginning and its end."""
    control.executescript(sql)
    assert any(one.startswith(said) for one in audit.wrong(control, []))


@pytest.mark.clause("AL-5.3")
def test_a_tail_that_was_cut_with_every_trace_is_told_by_its_anchor(control: sqlite3.Connection) -> None:
    """Whoever takes the newest acts and the store's own count with them, and goes on from there, meets the anchor."""
    number, chain = audit.tail(control) or (0, "")
    control.execute("DELETE FROM audit WHERE audit_no > 3")
    control.execute("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'")
    assert audit.wrong(control, []) == []
    anchors = [Anchor("version 8", number, chain)]
    assert audit.wrong(control, anchors) == ["version 8 tells of act 5, which is gone: the end was cut off"]
    for _ in range(2):
        audit.note(control, "retention.run", NOW)
    assert audit.wrong(control, anchors) == ["version 8 tells of another act 5 than the one that is there"]


def test_an_act_goes_with_the_transaction_it_tells_of(control: sqlite3.Connection) -> None:
    """What did not happen is not written down, and leaves no gap."""
    control.execute("BEGIN")
    audit.note(control, "account.made", NOW)
    control.execute("ROLLBACK")
    audit.note(control, "account.made", NOW)
    assert audit.wrong(control, []) == []
    assert (audit.tail(control) or (0, ""))[0] == 6


@pytest.mark.parametrize(("act", "detail"), [("tea.made", ""), ("account.made", "ada@team.example"), ("x", "Ada")])
def test_nothing_personal_is_ever_written_down(control: sqlite3.Connection, act: str, detail: str) -> None:
    """An act that is none, or a detail that somebody may have typed, is refused."""
    with pytest.raises(WarehouseError, match=re.escape("our own words and numbers")):
        audit.note(control, act, NOW, detail=detail)
    assert (audit.tail(control) or (0, ""))[0] == 5
