"""An erasure that is killed at each of its steps, finds no room, or meets a load: nobody is served what is to go."""

import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from pipelines import erasing
from pipelines.exports import close
from pipelines.materialization.landed import missing_loads
from pipelines.passage import run_pass
from retention import erase
from retention.errors import RetentionError
from tests.faults.healed import assert_published
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention.erased_world import NOW, Canary, begin, erased, lived
from tests.templates import Templates
from warehouse import conservation, database, withholding
from warehouse.control import erasure as erasures
from warehouse.errors import WarehouseError
from warehouse.home import PROJECT, Home

_ANNE, _BELA = Canary(1), Canary(2)


def _full(home: Home) -> None:
    lived(home, [_ANNE, _BELA])
    close.close(home, NOW.date().replace(day=1), NOW, provisional=True)


@pytest.fixture
def full(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with the calls of two accounts, whose month is closed."""
    assert master_key
    return templates.once(home, _full)


def _run(home: Home, step: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.erasing", str(home.root), NOW.isoformat(), str(step), _ANNE.account]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def _assert_erased(home: Home) -> None:
    assert _ANNE.found(home) == {}
    assert query(home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(_BELA.account, 6)]
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
        assert control.execute("SELECT count(*) FROM erasure_receipt").fetchone() == (1,)
        assert erasures.pending(control) == []
        assert control.execute("SELECT count(*) FROM erased_load").fetchone() == (0,)
        (rows, cost) = control.execute("SELECT sum(rows), sum(logged_cost_usd) FROM load").fetchone()
        assert (rows, round(cost, 4)) == (6, round(6 * 0.0123, 4))
    assert close.wrong(home) == []
    assert not withholding.is_withheld(home)
    assert_published(home, database.current_version(home) or 0)


def _killed_at(full: Home, tmp_path: Path, chosen: range | list[int]) -> None:
    for step in chosen:
        broken = Home(tmp_path / f"step-{step}")
        shutil.copytree(full.root, broken.root, symlinks=True)
        killed = _run(broken, step)
        assert killed.returncode == -9, killed.stderr
        with database.control(broken) as control:
            begun = bool(control.execute("SELECT 1 FROM erasure").fetchone())
        try:
            shown = query(broken, "SELECT DISTINCT account FROM mart.spend_daily ORDER BY 1")
        except WarehouseError:
            shown = []
        # Whoever looks sees them before it was written down, and never after.
        assert not (begun and (_ANNE.account,) in shown), step
        # A pass is what comes next: it takes the erasure up before it does anything else.
        put(broken, "again.jsonl", _ANNE.lines([1, 2]) if begun else [])
        take_in(broken)
        if not begun:
            erased(broken, "account", _ANNE.account)
        _assert_erased(broken)
        shutil.rmtree(broken.root)


def _steps(full: Home, tmp_path: Path) -> int:
    copy = Home(tmp_path / "whole")
    shutil.copytree(full.root, copy.root, symlinks=True)
    whole = _run(copy, -1)
    assert whole.returncode == 0, whole.stderr
    _assert_erased(copy)
    shutil.rmtree(copy.root)
    return int(whole.stdout)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_erasure_killed_at_some_steps_is_taken_up(full: Home, tmp_path: Path) -> None:
    """At a few steps: nobody sees the erased, and the next pass leaves no byte and one receipt."""
    steps = _steps(full, tmp_path)
    assert steps > 25
    _killed_at(full, tmp_path, range(2, steps + 1, 30))


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_erasure_killed_at_each_step_is_taken_up(full: Home, tmp_path: Path) -> None:
    """The same at every step there is."""
    _killed_at(full, tmp_path, range(1, _steps(full, tmp_path) + 1))


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_an_erasure_killed_at_any_moment_is_taken_up(full: Home, tmp_path: Path) -> None:
    """Twice in a row, at steps drawn by chance, twenty times: the one that takes up is killed, too."""
    steps = _steps(full, tmp_path)
    for seed in range(20):
        drawn = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        broken = Home(tmp_path / f"seed-{seed}")
        shutil.copytree(full.root, broken.root, symlinks=True)
        assert _run(broken, drawn.randint(8, steps)).returncode == -9
        code = "from tests.faults.erasing import main; main()"
        command = [sys.executable, "-c", code, str(broken.root), NOW.isoformat(), str(drawn.randint(1, steps // 2))]
        subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
        take_in(broken)
        with database.control(broken) as control:
            begun = bool(control.execute("SELECT 1 FROM erasure").fetchone())
        if not begun:
            erased(broken, "account", _ANNE.account)
        _assert_erased(broken)
        shutil.rmtree(broken.root)


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("shares", [(0.3,), pytest.param((0.001, 0.3, 0.7), marks=pytest.mark.soak)])
def test_an_erasure_without_room_serves_nobody_until_it_is_done(
    full: Home, tmp_path: Path, shares: tuple[float, ...]
) -> None:
    """No file may grow beyond a share of the build: nothing is shown, and with room the next pass ends it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = {}
    # A full disk refuses growth and never a block that is there, which a limit in its middle would cut in two.
    for share in shares:
        copy = Home(tmp_path / f"full-{share}")
        shutil.copytree(full.root, copy.root, symlinks=True)
        begin(copy, "account", _ANNE.account)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(full.build_file.stat().st_size * share), hard))
        try:
            erasing.resume(copy, NOW, lambda *_: None)
        except (RetentionError, WarehouseError, duckdb.Error, sqlite3.Error) as error:
            said[share] = str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if share in said:
            with pytest.raises(WarehouseError, match="being erased"):
                query(copy, "SELECT 1")
        take_in(copy)
        _assert_erased(copy)
        shutil.rmtree(copy.root)
    assert 0.3 in said, said


@pytest.mark.parametrize("read", [1, pytest.param(0, marks=pytest.mark.soak)])
@pytest.mark.clause("AL-4.2")
def test_a_load_under_way_brings_nothing_back(full: Home, read: int) -> None:
    """Rows of the erased that a load numbers before or after the erasure is written down are gone with it."""
    put(full, "more.jsonl", [*_ANNE.lines([2], request_id="late-1"), *_BELA.lines([3], request_id="b-late")])
    begun = threading.Event()

    def tell(what: str, done: int, total: int) -> None:
        # What was looked up of tombstones before is what this load goes by.
        if what == "reading gateway_jsonl" and (done, total) == (read, 1) and not begun.is_set():
            begun.set()
            begin(full, "account", _ANNE.account)

    run_pass(full, NOW, tell)
    assert begun.is_set()
    erasing.resume(full, NOW, lambda *_: None)
    assert _ANNE.found(full) == {}
    assert query(full, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(_BELA.account, 7)]
    with database.control(full) as control:
        assert control.execute("SELECT count(*) FROM outside_id WHERE kind = 'account'").fetchone() == (1,)


def test_a_pass_under_way_opens_no_version_to_people(full: Home) -> None:
    """It publishes what it has made, and neither pages nor the name people open get it before the erasure is done."""
    put(full, "more.jsonl", _BELA.lines([3], request_id="b-late"))
    begin_at = iter([True])

    def tell(what: str, _done: int, _total: int) -> None:
        if what == "publishing" and next(begin_at, False):
            begin(full, "account", _ANNE.account)

    run_pass(full, NOW, tell)
    assert not full.people_file.exists()
    assert erase.is_pending(full)
    erasing.resume(full, NOW, lambda *_: None)
    assert _ANNE.found(full) == {}
    assert_published(full, database.current_version(full) or 0)
