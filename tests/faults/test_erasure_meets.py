"""An erasure that meets a kill, a mail, an export, a thousand files of before: what is to go is nowhere afterwards."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import erasing, object_store
from pipelines.alerts import budget_state, postman
from pipelines.exports import export
from tests.conftest import MASTER_KEY
from tests.faults.healed import assert_published
from tests.faults.offers import INBOXES
from tests.pipelines.gateway_log import put, query, take_in
from tests.pipelines.mail_trap import TAKEN, Trap
from tests.retention.erased_world import NOW, Canary, begin, erased, lived
from tests.retention.people_world import People, moved_in, rows_of
from warehouse import database, withholding
from warehouse.control import budget
from warehouse.control import erasure as erasures
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

_ANNE, _BELA = Canary(1), Canary(2)
_MOMENT = NOW.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, People]:
    """Two accounts' calls; one account's people."""
    home = Home(tmp_path_factory.mktemp("meets") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        lived(home, [_ANNE, _BELA])
        return home, moved_in(home, _ANNE)


@pytest.fixture
def ours(made: tuple[Home, People], tmp_path: Path, master_key: str) -> tuple[Home, People]:
    """A copy of them."""
    assert master_key
    return _copy(made[0], tmp_path / "own"), made[1]


def _copy(home: Home, root: Path) -> Home:
    shutil.copytree(home.root, root, symlinks=True)
    return Home(root)


def _run(home: Home, step: int, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.erasing", str(home.root), NOW.isoformat(), str(step), *names]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def _assert_gone(home: Home, people: People) -> None:
    assert _ANNE.found(home) == {}
    assert rows_of(home, people) == {}
    assert query(home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(_BELA.account, 6)]
    with database.control(home) as control:
        assert erasures.pending(control) == []
        assert len(erasures.receipts(control)) == 1
    assert not withholding.is_withheld(home)
    assert_published(home, database.current_version(home) or 0)


def _killed(
    made: tuple[Home, People], tmp_path: Path, steps: list[int], again: Callable[[], int] | None = None
) -> None:
    """Killed at each of these steps: no session lives once it is written down, and the next pass ends it.

    `again` draws the step at which the run that takes it up is killed, too.
    """
    people = made[1]
    for step in steps:
        home = _copy(made[0], tmp_path / f"step-{step}")
        killed = _run(home, step, str(people.account_no))
        assert killed.returncode == -9, killed.stderr
        with database.control(home) as control:
            begun = bool(control.execute("SELECT 1 FROM erasure").fetchone())
        assert people.signed_in(home) == (["operator"] if begun else [*people.tokens])
        if begun and again:
            assert _run(home, again()).returncode in {0, -9}
            assert people.signed_in(home) == ["operator"]
        take_in(home)
        if not begun:
            erased(home, "account", str(people.account_no))
        _assert_gone(home, people)
        shutil.rmtree(home.root)


def _steps(made: tuple[Home, People], tmp_path: Path) -> int:
    home = _copy(made[0], tmp_path / "whole")
    whole = _run(home, -1, str(made[1].account_no))
    assert whole.returncode == 0, whole.stderr
    _assert_gone(home, made[1])
    shutil.rmtree(home.root)
    return int(whole.stdout)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_people_whose_erasure_is_killed_are_gone_all_the_same(
    made: tuple[Home, People], tmp_path: Path, master_key: str
) -> None:
    """Once in the middle, when rows are gone and files are not; every step of it is the soak's."""
    assert master_key
    _killed(made, tmp_path, [20])


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("seed", range(20))
def test_people_whose_erasure_is_killed_at_each_step(
    made: tuple[Home, People], tmp_path: Path, master_key: str, seed: int
) -> None:
    """Every step, twenty times over; each time the run that takes it up is killed at a step drawn by chance, too."""
    assert master_key
    drawn, last = random.Random(seed), _steps(made, tmp_path)  # noqa: S311 (repeatable, not secret)
    _killed(made, tmp_path, list(range(1, last + 1)), lambda: drawn.randint(1, last))


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("moment", ["receiver", "end of the mail"])
def test_an_alert_under_way_leaves_nothing(
    ours: tuple[Home, People], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Begun before the mail itself is handed over, it is not sent; begun after, it was; either way nothing is left."""
    home, people = ours
    with database.control(home) as control:
        vault = Vault(control, NOW)
        place = budget.scope(control, _ANNE.account, None)
        budget.put(control, vault, place, budget.amount("0.0001"), (50,), people.first, NOW)
    assert budget_state.evaluate(home, NOW) == 1
    trap, begun = Trap(), iter([True])

    def meets() -> str:
        if next(begun, False):
            begin(home, "account", str(people.account_no))
        return TAKEN

    if moment == "receiver":
        trap.receive = meets
    else:
        trap.answer = meets
    with trap.up() as address:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{address}&tls=none")
        postman.deliver(home, lambda: NOW)
        assert len(trap.mails) == (moment != "receiver")
        assert budget_state.evaluate(home, NOW) == 0
        erasing.resume(home, NOW, lambda *_: None)
        assert postman.deliver(home, lambda: NOW).sent == 0
    assert len(trap.mails) == (moment != "receiver")
    _assert_gone(home, people)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_export_under_way_is_not_called_whole(
    ours: tuple[Home, People], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first file is written when the erasure begins: it breaks off without a manifest; a new one has nobody."""
    home, people = ours
    written, begun = object_store.put, iter([True])

    def meets(system: Any, path: str, body: bytes) -> None:
        written(system, path, body)
        if next(begun, False):
            begin(home, "account", str(people.account_no))

    monkeypatch.setattr(object_store, "put", meets)
    target = tmp_path / "export"
    with pytest.raises(Exception, match="being erased"):
        export.marts(home, str(target), _MOMENT)
    assert not (target / export.MANIFEST).exists()
    erasing.resume(home, NOW, lambda *_: None)
    export.marts(home, str(target), _MOMENT)
    assert _ANNE.found(Home(target)) == {}
    assert _BELA.found(Home(target)) != {}
    _assert_gone(home, people)


def _offered(home: Home, older: bytes, count: int, now: datetime) -> int:
    """Offer what was erased so many times on every road; how many records of it were counted as late."""
    dice, late = random.Random(count), 0  # noqa: S311 (repeatable, not secret)
    for start in range(0, count, 10):
        for number in range(start, min(start + 10, count)):
            road = dice.choice(["short", "wide", "packed", "broken", "restore", *INBOXES])
            lines = _ANNE.lines([number % 6], request_id=f"offer-{number}")
            if road == "wide":
                lines = [_ANNE._line(1, request_id=f"offer-{number}-{n}", pad="x" * 2_000) for n in range(600)]
            if road == "broken":
                lines.append("{")
            if road == "restore":
                home.build_file.write_bytes(older)
                erasing.resume(home, now, lambda *_: None, restored=True)
            gateway = "gateway_jsonl"
            if road in INBOXES:
                gateway, told = INBOXES[road]
                lines = [told(_ANNE, number, number % 6)]
            put(home, f"offer-{number}.jsonl{'.gz' if road == 'packed' else ''}", lines, gateway)
        late += sum(one.late_rows for one in take_in(home, now).ingested)
    return late


def _offer(ours: tuple[Home, People], count: int) -> None:
    home, people = ours
    older = home.build_file.read_bytes()
    erased(home, "account", str(people.account_no))
    late = _offered(home, older, count, _MOMENT)
    assert late >= count // 2
    with database.read_only(home.build_file) as build:
        rows = build.execute("SELECT count(*) FROM model.requests").fetchall()
        names = build.execute("SELECT label FROM model.account").fetchall()
    assert rows == [(6,)]
    assert sorted(names) == [("own",), (_BELA.account,)]
    assert _ANNE.found(home) == {}
    assert rows_of(home, people) == {}
    print(f"offered {count} times, {late} records counted as late, 0 landed")


@pytest.mark.clause("AL-4.2")
def test_what_was_erased_is_offered_ten_times_and_never_lands(ours: tuple[Home, People]) -> None:
    """In each gateway's files, on both roads, packed, with a line that is none, and by putting the older build back."""
    _offer(ours, 10)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_what_was_erased_is_offered_a_thousand_times_and_never_lands(ours: tuple[Home, People]) -> None:
    """The same a thousand times."""
    _offer(ours, 1_000)
