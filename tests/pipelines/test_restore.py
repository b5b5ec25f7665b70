"""Restoring: the same totals, nobody who was erased since, and a home that stays as it was where anything is wrong."""

import json
import resource
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.backups import restore, swap
from pipelines.backups.errors import BackupError
from pipelines.cli import cli
from pipelines.materialization.landed import missing_loads
from retention import audit_anchor, erase, tombstone_ledger, verify_receipt
from tests.faults.offers import INBOXES
from tests.pipelines.backed_up_world import ANNE, BELA, World, quiet, worlds
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention.erased_world import NOW, begin, erased
from warehouse import conservation, database, publication, withholding
from warehouse.control import audit, token
from warehouse.control import erasure as erasures
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

_SPEND = "SELECT * FROM mart.spend_daily ORDER BY ALL"
_LATER = NOW + timedelta(hours=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Calls of two accounts, and a backup."""
    yield from worlds(tmp_path_factory.mktemp("backed-up"))


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of its own."""
    return made.copied(tmp_path / "world").enter(monkeypatch)


def _restored(world: World, home: Home | None = None, now: datetime = _LATER, **named: Any) -> restore.Restored:
    return restore.restore(home or world.home, str(world.target), None, now, quiet, **named)


def _bytes(home: Home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.root)): path.read_bytes()
        for path in sorted(home.root.rglob("*"))
        if path.is_file() and not path.is_symlink() and not path.name.startswith("control.sqlite")
    }


def _beside(home: Home) -> list[str]:
    return [path.name for path in home.root.parent.iterdir() if path.name.startswith(".")]


def test_a_restore_drill_adds_up(world: World, tmp_path: Path) -> None:
    """Into a fresh folder: every row of spend, the settings, and a pass goes on from there without a word."""
    before = query(world.home, _SPEND)
    fresh = Home(tmp_path / "fresh")
    done = _restored(world, fresh)
    # Rows whose day is sealed by now went before anybody saw them; the sums are what they were.
    assert (done.erased_again, done.set_aside, done.version, done.expired > 0) == (0, None, 2, True)
    assert query(fresh, _SPEND) == before
    assert (fresh.root / "policy.toml").read_text() == "[kept_days]\nR-client = 29\n"
    assert publication.is_build(fresh)
    put(fresh, "more.jsonl", BELA.lines([1], request_id="b-later"))
    take_in(fresh, _LATER)
    with database.read_only(fresh.build_file) as build, database.control(fresh) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
        # What was revoked since the backup would open again.
        assert token.listed(control) == []
    with database.control(world.home) as control:
        assert len(token.listed(control)) == 1
    assert query(fresh, "SELECT sum(requests) FROM mart.spend_daily") == [(13,)]
    assert _beside(fresh) == []


@pytest.mark.soak
def test_the_home_that_was_there_is_set_aside(world: World) -> None:
    """It lies in the new one for a day; a log that waits is carried over, and what landed since is said to be lost."""
    put(world.home, "since.jsonl", BELA.lines([1], request_id="b-since"))
    take_in(world.home, _LATER)
    waiting = put(world.home, "waits.jsonl", BELA.lines([2], request_id="b-waits"))
    with database.control(world.home) as control:
        audit.note(control, "selfaudit.run", _LATER)
        assert audit_anchor.keep(world.home, control, _LATER)
        control.execute("INSERT INTO throttle VALUES (x'01', 1, '2026-11-21T00:00:00.000000Z', NULL)")
    before = _bytes(world.home)
    done = _restored(world)
    assert done.lost_loads == 1
    assert done.set_aside is not None
    old = _bytes(Home(done.set_aside))
    waits = str(waiting.relative_to(world.home.root))
    assert {name: old.get(name) for name in before if name != waits} == {n: b for n, b in before.items() if n != waits}
    assert waiting.read_bytes() == before[waits]
    assert query(world.home, "SELECT sum(requests) FROM mart.spend_daily") == [(12,)]
    with database.control(world.home) as control:
        # An older chain that says so is whole; cut, it is not.
        assert audit_anchor.wrong(world.home, control) == []
        back = audit.last(control, audit_anchor.RESTORED)
        assert back is not None
        assert back.detail == f"from={done.backup.made_at:%Y-%m-%d} anchors of the home before=1"
        control.execute("BEGIN")
        control.execute("DELETE FROM audit WHERE audit_no >= ?", (back.audit_no,))
        control.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", (back.audit_no - 1,))
        assert len(audit_anchor.wrong(world.home, control)) == 3
        control.execute("ROLLBACK")
    take_in(world.home, _LATER)
    assert query(world.home, "SELECT sum(requests) FROM mart.spend_daily") == [(13,)]


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize(
    "known", ["beside", *(pytest.param(each, marks=pytest.mark.soak) for each in ("machine", "home"))]
)
def test_whoever_was_erased_since_does_not_come_back(world: World, tmp_path: Path, known: str) -> None:
    """Whichever of the three that know of it is left: the ledger beside the backup, the machine's own, the home."""
    erased(world.home, "account", ANNE.account, now=NOW + timedelta(hours=1))
    if known != "machine":
        shutil.rmtree(world.keys / "tombstones")
    with database.control(world.home) as control:
        (told,) = erasures.receipts(control)
    home = world.home if known == "home" else Home(tmp_path / "fresh")
    done = _restored(world, home)
    assert done.erased_again == 1
    assert ANNE.found(home) == {}
    assert query(home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(BELA.account, 6)]
    assert not withholding.is_withheld(home)
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert erase.wrong(build, control) == []
        receipts = erasures.receipts(control)
        assert receipts[0] == told
        # Its chain is shorter than what the receipt tells of, and says why; so does a line outside.
        assert audit_anchor.wrong(home, control) == []
        assert audit.last(control, audit_anchor.RESTORED)
        assert verify_receipt.broken(receipts) == []
        again = json.loads(receipts[1][0])
        assert (again["found_in"], again["searched"]["for"] > 3) == ({}, True)
        # The one who stays, and whoever owns the installation and made a token.
        assert control.execute("SELECT count(*) FROM data_key").fetchone() == (2,)
        operators = "SELECT count(*) FROM data_key JOIN account USING (account_no) WHERE is_operator = 1"
        assert control.execute(operators).fetchone() == (1,)
    # Offered again it is known still; what is dated after the erasure is somebody new.
    put(home, "again.jsonl", ANNE.lines())
    for number, (gateway, tell) in enumerate(INBOXES.values()):
        put(home, f"offer-{number}.jsonl", [tell(ANNE, number, 1)], gateway)
    assert sum(one.rows for one in take_in(home, _LATER).ingested) == 0
    assert ANNE.found(home) == {}


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_restored_twice_they_are_erased_once_each_time(world: World) -> None:
    """What the first restore erased anew is in the ledger, too, and is no second subject."""
    erased(world.home, "account", ANNE.account, now=NOW + timedelta(hours=1))
    for receipts in (2, 3):
        assert _restored(world, now=_LATER + timedelta(hours=receipts)).erased_again == 1
        assert ANNE.found(world.home) == {}
        with database.control(world.home) as control:
            told = erasures.receipts(control)
        assert (len(told), verify_receipt.broken(told)) == (receipts, [])


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_who_waits_to_be_erased_is_not_set_aside(world: World) -> None:
    """An erasure that was begun in the home there is: it is done in the restored one, and the old bytes go."""
    begin(world.home, "account", ANNE.account, now=NOW + timedelta(hours=1))
    done = _restored(world)
    assert (done.erased_again, done.set_aside) == (1, None)
    assert ANNE.found(world.home) == {}


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_home_that_was_put_back_by_hand_brings_nobody_back(world: World, tmp_path: Path) -> None:
    """Store and all, as from a snapshot of the disk: the next pass erases anew; a copy elsewhere is left alone."""
    snapshot = tmp_path / "snapshot"
    shutil.copytree(world.home.root, snapshot, symlinks=True)
    erased(world.home, "account", ANNE.account, now=NOW + timedelta(hours=1))
    shutil.rmtree(world.home.root)
    shutil.copytree(snapshot, world.home.root, symlinks=True)
    take_in(world.home, _LATER)
    assert ANNE.found(world.home) == {}
    assert query(world.home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(BELA.account, 6)]
    with database.control(world.home) as control:
        assert len(erasures.receipts(control)) == 2
    take_in(Home(snapshot), _LATER)
    assert query(Home(snapshot), "SELECT sum(requests) FROM mart.spend_daily") == [(12,)]


@pytest.mark.clause("AL-4.2")
def test_without_a_ledger_nothing_is_put_back(world: World, tmp_path: Path) -> None:
    """Somebody took it away: it is refused unless a person says that nobody was erased."""
    (ledger,) = world.target.glob("*.tombstones")
    ledger.unlink()
    with pytest.raises(BackupError, match="no ledger of tombstones"):
        _restored(world, Home(tmp_path / "fresh"))
    assert not (tmp_path / "fresh").exists()
    assert _restored(world, Home(tmp_path / "fresh"), without_ledger=True).version == 2


@pytest.mark.parametrize("fault", ["cut", "changed", "backup key", "master key", "another backup"])
def test_a_home_stays_as_it_was_where_the_backup_is_wrong(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the byte, with nothing left beside it."""
    path = world.target / world.made.name
    raised: tuple[type[Exception], str] = (BackupError, "take another copy")
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-1000])
    elif fault == "changed":
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(body)
    elif fault == "backup key":
        monkeypatch.setenv("APILEDGER_BACKUP_KEY", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=")
        raised = (BackupError, "another backup key")
    elif fault == "master key":
        monkeypatch.setenv("APILEDGER_MASTER_KEY", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=")
        raised = (KeyUnavailableError, "another master key")
    else:
        (ledger,) = world.target.glob("*.tombstones")
        # Sealed by the right key, and another file.
        path.write_bytes(ledger.read_bytes())
        raised = (BackupError, "cannot be read")
    before = _bytes(world.home)
    with pytest.raises(raised[0], match=raised[1]):
        _restored(world)
    assert _bytes(world.home) == before
    assert _beside(world.home) == []


def test_without_room_the_home_stays_as_it_was(world: World) -> None:
    """No file may grow as large as the build: it is said, and nothing is left beside the home."""
    before = _bytes(world.home)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (world.home.build_file.stat().st_size // 2, hard))
    try:
        with pytest.raises(BackupError, match="make room"):
            _restored(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert _bytes(world.home) == before
    assert _beside(world.home) == []


def test_a_link_is_not_renamed(world: World) -> None:
    """Nor a disk of its own: it is said before anything is unpacked."""
    link = world.home.root.with_name("link")
    link.symlink_to(world.home.root)
    with pytest.raises(BackupError, match="cannot be renamed"):
        _restored(world, Home(link))


def test_it_is_one_command(world: World) -> None:
    """With a question where a home is there; everybody is signed out, and what waited to be mailed is withdrawn."""
    arguments = ["backup", "restore", str(world.target), "--home", str(world.home.root)]
    runner = CliRunner()
    assert runner.invoke(cli, arguments, input="n\n").exit_code == 1
    done = runner.invoke(cli, [*arguments, "--yes"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"Restored {world.made.name}" in done.output
    assert "the one before" in done.output


def test_another_restore_and_running_services_are_waited_for(world: World) -> None:
    """Both are said; nothing is touched."""
    with swap.alone(world.home), pytest.raises(BackupError, match="under way"):
        _restored(world)
    from pipelines.services.supervisor import held

    with held(world.home), pytest.raises(BackupError, match="apiledger stop"):
        _restored(world)


def test_the_ledger_only_grows(world: World) -> None:
    """What one copy lacks it takes from the other; a line that is none is refused by its number."""
    erased(world.home, "account", ANNE.account)
    with database.control(world.home) as control:
        name, known = tombstone_ledger.home_id(control), tombstone_ledger.of_control(control)
        assert tombstone_ledger.lacking(world.home, control) == 0
        assert tombstone_ledger.parsed(tombstone_ledger.text(known)) == known
        assert tombstone_ledger.merged([{}, known]) == known == tombstone_ledger.here(name)
        tombstone_ledger.path(world.home, name).unlink()
        assert tombstone_ledger.lacking(world.home, control) == len(next(iter(known.values())).stones) > 0
        assert tombstone_ledger.keep(world.home, control)
        assert tombstone_ledger.lacking(world.home, control) == 0
    text = tombstone_ledger.path(world.home, name).read_text()
    assert "zq001" not in text
    with pytest.raises(Exception, match="line 2 of the ledger"):
        tombstone_ledger.parsed(text + '{"erasure_no": 1}\n')
