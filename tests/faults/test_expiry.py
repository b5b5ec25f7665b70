"""An expiry that is killed at each of its steps, or finds no room: the next one heals, and the sums are equal."""

import resource
import shutil
import sqlite3
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.orchestration import retain
from retention.errors import RetentionError
from tests.conftest import MASTER_KEY
from tests.faults.healed import assert_published
from tests.retention import byte_scan
from tests.retention.gateway_days import FIRST, SHORT, Days, days_by_month, months, night_of, reading
from warehouse import database
from warehouse.errors import WarehouseError
from warehouse.home import PROJECT, Home

_TODAY = FIRST + timedelta(days=22)
_NOW = datetime(2026, 1, 24, 2, 40)  # noqa: DTZ001 (naive moments are UTC here)
_CALL = rb"call-(\d{4}-\d\d-\d\d)-"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Days]:
    """A home with three weeks of calls, whose first expiry is due: every clause has something to take."""
    home, days = Home(tmp_path_factory.mktemp("lived") / "own").make(), Days(4)
    (home.root / "policy.toml").write_text(SHORT.replace("20", "15").replace("25", "18"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        for number in range(0, 23, 2):
            days.live(home, FIRST + timedelta(days=number), closed_after=99)
    return home, days


@pytest.fixture
def lived(once: tuple[Home, Days], master_key: str) -> tuple[Home, Days]:
    """The same with its key; tests work on copies."""
    assert master_key
    return once


def _run(home: Home, step: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.expiry", str(home.root), _NOW.isoformat(), str(step)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def _assert_expired(home: Home, days: Days) -> None:
    assert months(home) == days.truth
    assert days_by_month(home) == days.truth
    oldest = {min(each) for each in byte_scan.found(home.root, _CALL).values()}
    assert min(date.fromisoformat(day.decode()) for day in oldest) >= _NOW.date() - timedelta(days=10)
    with database.control(home) as control:
        assert control.execute("SELECT min(day) >= '2026-01-19' FROM client").fetchone() == (1,)
        assert control.execute("SELECT 1 FROM setting WHERE name = 'rewrite_due'").fetchone() is None
    assert sorted(path.name for path in home.build_file.parent.iterdir()) == ["inbox-lock", "lock", "warehouse.duckdb"]
    assert_published(home, database.current_version(home) or 0)


def _killed_at(lived: tuple[Home, Days], tmp_path: Path, every: int) -> None:
    home, days = lived
    copy = Home(tmp_path / "whole")
    shutil.copytree(home.root, copy.root, symlinks=True)
    whole = _run(copy, -1)
    assert whole.returncode == 0, whole.stderr
    _assert_expired(copy, days)
    steps = int(whole.stdout)
    assert steps > 20
    for step in range(1, steps + 1, every):
        broken = Home(tmp_path / f"step-{step}")
        shutil.copytree(home.root, broken.root, symlinks=True)
        assert _run(broken, step).returncode == -9
        with database.published(broken) as connection:
            (requests,) = connection.execute("SELECT sum(requests) FROM model.usage_monthly").fetchone() or (0,)
        assert requests == sum(counted["requests"] for counted in days.truth.values())
        night_of(broken, _TODAY)
        _assert_expired(broken, days)
        shutil.rmtree(broken.root)


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_an_expiry_killed_at_some_steps_is_taken_up(lived: tuple[Home, Days], tmp_path: Path) -> None:
    """At some steps: whoever reads meanwhile reads whole sums, and the next expiry leaves no expired byte."""
    _killed_at(lived, tmp_path, 64)


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_an_expiry_killed_at_each_step_is_taken_up(lived: tuple[Home, Days], tmp_path: Path) -> None:
    """The same at every step there is."""
    _killed_at(lived, tmp_path, 1)


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_an_expiry_without_room_is_clean(lived: tuple[Home, Days], tmp_path: Path) -> None:
    """No file may grow beyond a share of the build: it fails, readers go on, and with room it is finished."""
    said = _without_room(lived, tmp_path, (0.001, 0.34))
    assert said.keys() == {0.001, 0.34}
    assert "make room" in said[0.34]


@pytest.mark.soak
@pytest.mark.clause("VA-6.3")
def test_an_expiry_without_room_for_any_of_its_files_is_clean(lived: tuple[Home, Days], tmp_path: Path) -> None:
    """From no room for a log of the control store to none for the last copy."""
    said = _without_room(lived, tmp_path, (0.001, 0.02, 0.1, 0.34, 0.6, 0.8))
    assert {0.001, 0.34} <= said.keys(), said


def _without_room(lived: tuple[Home, Days], tmp_path: Path, shares: tuple[float, ...]) -> dict[float, str]:
    """What was said at each share of the build's size that a file may have; each is healed with room."""
    home, days = lived
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = {}
    for share in shares:
        full = Home(tmp_path / f"full-{share}")
        shutil.copytree(home.root, full.root, symlinks=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(home.build_file.stat().st_size * share), hard))
        try:
            retain.expire_home(full, reading(_NOW), lambda *_: None, clock_is_right=True)
        except (RetentionError, WarehouseError, duckdb.Error, sqlite3.Error) as error:
            said[share] = f"{type(error).__name__}: {error}"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert months(full) == days.truth
        night_of(full, _TODAY)
        _assert_expired(full, days)
        shutil.rmtree(full.root)
    return said
