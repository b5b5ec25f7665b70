"""The audit chain's anchor outside the home: what was cut, rewritten or replaced is told; what was restored says so."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.commands import anchor_health
from retention import audit_anchor
from warehouse import database
from warehouse.control import audit
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22)  # noqa: DTZ001 - naive moments are UTC in the store


def _act(control: sqlite3.Connection, number: int) -> None:
    audit.note(control, "retention.run", NOW, object_no=number)


@pytest.fixture
def control(home: Home) -> Iterator[sqlite3.Connection]:
    """A chain of five acts, the third and the fifth of which are anchored outside on two days."""
    with database.control(home) as opened:
        for number in range(1, 6):
            _act(opened, number)
            if number in {3, 5}:
                assert audit_anchor.keep(home, opened, NOW + timedelta(days=number))
        yield opened


def _rewritten(control: sqlite3.Connection) -> None:
    """Every hash anew, from what the rows say: a chain that is whole in itself."""
    before = ""
    rows = control.execute("SELECT audit_no, at, act, actor_no, object_no, detail FROM audit ORDER BY 1").fetchall()
    for number, *said in rows:
        before = audit.link(before, tuple(said))
        control.execute("UPDATE audit SET chain = ? WHERE audit_no = ?", (before, number))


@pytest.mark.clause("AL-5.3")
def test_it_grows_by_a_line_a_day_and_tells_of_nobody(home: Home, control: sqlite3.Connection) -> None:
    """Once a day however often it is asked, with a number, a hash and a moment; a line that was broken off is none."""
    assert audit_anchor.wrong(home, control) == []
    place = audit_anchor.path(home, control)
    assert not place.is_relative_to(home.root)
    assert place.stat().st_mode & 0o777 == 0o600
    before = place.read_bytes()
    _act(control, 6)
    assert audit_anchor.keep(home, control, NOW + timedelta(days=5, hours=1))
    assert place.read_bytes() == before
    place.write_bytes(before + b'{"at": "2026-11-')
    assert audit_anchor.wrong(home, control) == []
    assert audit_anchor.keep(home, control, NOW + timedelta(days=6))
    assert place.read_bytes().startswith(before)
    said = [json.loads(line) for line in place.read_text().splitlines()]
    assert [one["audit_no"] for one in said] == [3, 5, 6]
    assert {frozenset(one) for one in said} == {frozenset({"at", "audit_no", "chain"})}


@pytest.mark.clause("AL-5.3")
@pytest.mark.parametrize(
    ("acts", "said"),
    [
        # The newest acts, with the store's own count of them.
        (
            ["DELETE FROM audit WHERE audit_no > 4", "UPDATE sqlite_sequence SET seq = 4 WHERE name = 'audit'"],
            "the anchor of 2026-11-26 outside the home tells of act 5, which is gone: the end was cut off",
        ),
        # One act says something else, and all that follow are linked to it anew.
        (
            ["UPDATE audit SET object_no = 9 WHERE audit_no = 2"],
            "the anchor of 2026-11-24 outside the home tells of another act 3 than the one that is there",
        ),
        # The last two change places.
        (
            ["UPDATE audit SET object_no = 9 - object_no WHERE audit_no > 3"],
            "the anchor of 2026-11-26 outside the home tells of another act 5 than the one that is there",
        ),
        # One is put in between, and all that follow move on.
        (
            [
                "UPDATE audit SET audit_no = audit_no + 100 WHERE audit_no > 3",
                "INSERT INTO audit VALUES (4, '2026-11-21T22:00:00.000000Z', 'retention.run', NULL, 8, '', '')",
                "UPDATE audit SET audit_no = audit_no - 99 WHERE audit_no > 100",
            ],
            "the anchor of 2026-11-26 outside the home tells of another act 5 than the one that is there",
        ),
    ],
    ids=["truncated", "edited", "reordered", "inserted"],
)
def test_a_chain_that_was_made_whole_again_is_told(
    home: Home, control: sqlite3.Connection, acts: list[str], said: str
) -> None:
    """By itself nothing is wrong with it; the lines outside know better, and go on knowing as it grows."""
    for sql in acts:
        control.execute(sql)
    _rewritten(control)
    assert audit.wrong(control, []) == []
    assert said in audit_anchor.wrong(home, control)
    for number in range(3):
        _act(control, number)
    assert audit_anchor.keep(home, control, NOW + timedelta(days=9))
    assert audit_anchor.wrong(home, control) != []


@pytest.mark.clause("AL-5.3")
def test_a_store_that_took_the_place_of_the_newer_one_is_told(home: Home, tmp_path: Path) -> None:
    """An older copy of the whole file is whole in every way but that it ends too soon."""
    with database.control(home) as control:
        _act(control, 1)
        assert audit_anchor.keep(home, control, NOW - timedelta(days=1))
        control.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(home.control_file, tmp_path / "older")
        _act(control, 2)
        assert audit_anchor.keep(home, control, NOW)
    for file in home.control_file.parent.glob("control.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "older", home.control_file)
    with database.control(home) as control:
        assert audit.wrong(control, []) == []
        assert audit_anchor.wrong(home, control) == [
            "the anchor of 2026-11-21 outside the home tells of act 2, which is gone: the end was cut off"
        ]


@pytest.mark.clause("AL-5.3")
def test_lines_that_are_gone_or_written_over_are_told(home: Home, control: sqlite3.Connection) -> None:
    """A home that was copied elsewhere has none of its own there, and misses none."""
    place = audit_anchor.path(home, control)
    kept = place.read_text()
    place.write_text(kept.replace("audit_no", "number", 1))
    assert audit_anchor.wrong(home, control) == [f"line 1 of {place} cannot be read: it is none of apiledger's"]
    place.unlink()
    assert audit_anchor.wrong(home, control) == [f"the audit chain was anchored in {place}, and that file is gone"]
    assert audit_anchor.wrong(Home(home.root.parent / "elsewhere"), control) == []


@pytest.mark.clause("AL-5.3")
def test_an_older_home_is_said_to_be_one_and_held_to_its_own(home: Home, control: sqlite3.Connection) -> None:
    """Restored twice, to before and to beside the first: a dated act each, no false word, and a cut is told as ever."""

    def cut(after: int) -> None:
        control.execute("DELETE FROM audit WHERE audit_no > ?", (after,))
        control.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", (after,))

    whole = control.execute("SELECT * FROM audit").fetchall()
    cut(4)
    assert audit_anchor.wrong(home, control) != []
    assert audit_anchor.restored(home, control, NOW + timedelta(days=6), "2026-11-20") == 1
    assert audit_anchor.wrong(home, control) == []
    told = audit.last(control, audit_anchor.RESTORED)
    assert told
    assert (told.audit_no, told.detail) == (5, "from=2026-11-20 anchors of the home before=1")
    _act(control, 6)
    assert audit_anchor.keep(home, control, NOW + timedelta(days=6), always=True)
    cut(5)
    assert "act 6, which is gone" in audit_anchor.wrong(home, control)[0]
    # The first restore is taken back with all it made: the line outside counts no more, and act 5 is the old one.
    cut(0)
    control.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", whole)
    assert "act 6, which is gone" in audit_anchor.wrong(home, control)[0]
    assert audit_anchor.restored(home, control, NOW + timedelta(days=7), "elsewhere") == 1
    assert audit_anchor.wrong(home, control) == []
    assert audit_anchor.keep(home, control, NOW + timedelta(days=7), always=True)
    cut(2)
    assert len([each for each in audit_anchor.wrong(home, control) if "the end was cut off" in each]) == 4


def test_doctor_asks_for_an_anchor_that_is_missing(home: Home, control: sqlite3.Connection) -> None:
    """After some days without one; not where nothing was done since the last."""
    assert list(anchor_health.findings(home, NOW + timedelta(days=40))) == []
    _act(control, 6)
    assert list(anchor_health.findings(home, NOW + timedelta(days=8))) == []
    (found,) = anchor_health.findings(home, NOW + timedelta(days=10))
    assert "last anchored outside the home on 2026-11-26" in found.what
    audit_anchor.path(home, control).unlink()
    (found,) = anchor_health.findings(home, NOW + timedelta(days=10))
    assert "is not anchored in" in found.what
