"""A restore that is killed at any step: at the next start the home is the old one or the restored one, and whole."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines import passage
from tests.faults.healed import assert_published
from tests.pipelines.backed_up_world import ANNE, BELA, World, worlds
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention.erased_world import NOW, erased
from warehouse import database
from warehouse.home import PROJECT

_LATER = NOW + timedelta(hours=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A backup of two accounts; since then one was erased, and a log waits."""
    for world in worlds(tmp_path_factory.mktemp("backed-up")):
        erased(world.home, "account", ANNE.account, now=NOW + timedelta(hours=1))
        put(world.home, "waits.jsonl", BELA.lines([2], request_id="b-waits"))
        (world.home.root / "fx.csv").write_text("2026-11-01,EUR,1.1,only in the old one\n")
        yield world


def _run(world: World, step: int | str) -> subprocess.CompletedProcess[str]:
    told = [str(world.home.root), str(world.target), _LATER.isoformat(), str(step)]
    command = [sys.executable, "-m", "tests.faults.restoring", *told]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def _assert_whole(world: World, *, restored: bool | None = None) -> bool:
    home = world.home
    passage.make_home(home, _LATER)
    is_old = (home.root / "fx.csv").exists()
    assert restored in {None, not is_old}
    assert [path.name for path in home.root.parent.iterdir() if path.name.startswith(".")] == []
    take_in(home, _LATER)
    assert query(home, "SELECT account, sum(requests) FROM mart.spend_daily GROUP BY 1") == [(BELA.account, 7)]
    # Old or new, whoever was erased is in neither; what was set aside may be searched, too.
    assert ANNE.found(home) == {}
    assert_published(home, database.current_version(home) or 0)
    return is_old


def _killed_at(made: World, folder: Path, steps: Iterable[int | str], monkeypatch: pytest.MonkeyPatch) -> set[bool]:
    found = set()
    for step in steps:
        world = made.copied(folder / str(step)).enter(monkeypatch)
        killed = _run(world, step)
        assert killed.returncode == -9, killed.stderr
        found.add(_assert_whole(world))
    return found


def _steps(made: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    world = made.copied(folder / "whole").enter(monkeypatch)
    whole = _run(world, -1)
    assert whole.returncode == 0, whole.stderr
    _assert_whole(world, restored=True)
    return int(whole.stdout)


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_restore_killed_between_its_renames_is_ended(
    made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no home at all then: the next start puts the restored one in its place."""
    assert _killed_at(made, tmp_path, [".own.restored"], monkeypatch) == {False}


@pytest.mark.soak
@pytest.mark.clause("AL-4.2")
def test_a_restore_killed_at_any_step_is_ended(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at every step there is."""
    steps = _steps(made, tmp_path, monkeypatch)
    assert steps > 20
    assert _killed_at(made, tmp_path, range(1, steps + 1), monkeypatch) == {True, False}
