"""A pull that is killed at any step, or finds no room: the next pass heals alone, no line lost and none doubled."""

import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from pipelines.bills.biller import billers
from pipelines.passage import run_pass
from tests.faults import whole_pass
from tests.faults.healed import assert_published
from tests.pipelines.billed_world import KEYS, World, world
from warehouse import database
from warehouse.home import Home

BOTH = ("openai", "anthropic")


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A home that has its log and half of its bills, with the other half, and a lower first one, to be pulled."""
    assert master_key
    with world(tmp_path, monkeypatch, days=10, calls=300, ends=datetime(2026, 11, 20, 12, tzinfo=UTC)) as made:
        for provider in BOTH:
            made.apis[provider].billed_until = made.truth.calls["requested_at"].dt.date().sort()[150]
        run_pass(made.home, whole_pass.NOW.replace(day=20), lambda *_: None)
        for provider in BOTH:
            made.apis[provider].billed_until = None
        yield made


@pytest.fixture
def copies(billed: World, tmp_path: Path) -> Iterator[Home]:
    """As many copies of the home as a test asks for, each removed when the next is asked for."""

    def fresh() -> Iterator[Home]:
        while True:
            shutil.copytree(billed.home.root, tmp_path / "copy", symlinks=True)
            yield Home(tmp_path / "copy")
            shutil.rmtree(tmp_path / "copy")

    return fresh()


def environment(made: World) -> dict[str, str]:
    """What a process of its own needs to reach the providers of this world."""
    return {
        "OPENAI_ADMIN_KEY": KEYS["openai"],
        "ANTHROPIC_ADMIN_KEY": KEYS["anthropic"],
        "APILEDGER_OPENAI_API": made.apis["openai"].address,
        "APILEDGER_ANTHROPIC_API": made.apis["anthropic"].address,
    }


def assert_healed(home: Home, made: World) -> None:
    """Hold bills, receipts and folders of a home against the truth after one more pass."""
    assert whole_pass.ended(whole_pass.start(home, environment=environment(made))) == 0
    with database.published(home) as connection:
        billed = dict(
            connection.execute(
                """SELECT provider, sum(amount_usd) FROM model.bill_day
                   JOIN model.connection USING (connection_no) GROUP BY provider"""
            ).fetchall()
        )
        (calls,) = connection.execute("SELECT count(*) FROM model.requests").fetchone() or (None,)
        (version,) = connection.execute("SELECT version FROM mart.published").fetchone() or (None,)
    assert billed == {provider: made.billed(provider) for provider in BOTH}
    assert calls == made.truth.calls.height
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert control.execute("SELECT count(*) FROM pull WHERE completed_at IS NULL").fetchone() == (0,)
        assert control.execute("SELECT count(*) FROM connection").fetchone() == (2,)
        signed = control.execute("SELECT DISTINCT pull_no FROM pull").fetchall()
        told = sum(rows for (rows,) in control.execute("SELECT rows FROM report_day"))
        stored = 0
        listed = build.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
        reports = [report.table.full_name for provider in BOTH for report in billers()[provider].reports]
        for table in (name for name in reports if (name,) in listed):
            numbers = build.execute(f"SELECT DISTINCT pull_no FROM {table}").fetchall()
            assert {tuple(number) for number in numbers} <= set(signed), "rows without a receipt"
            newest = f"""SELECT count(*) FROM (
                SELECT * FROM {table} QUALIFY pull_no = max(pull_no) OVER (PARTITION BY connection_no, day))"""
            stored += (build.execute(newest).fetchone() or (0,))[0]
        assert stored == told
    assert list(home.dlt.iterdir()) == []
    assert list(home.tmp.iterdir()) == []
    assert_published(home, version)


def _steps(home: Home, made: World) -> int:
    counted = whole_pass.counter()
    process = whole_pass.start(home, steps=counted, environment=environment(made), what="pull")
    assert whole_pass.ended(process) == 0
    return int(counted.value)


def _kill_at_steps(made: World, copies: Iterator[Home], steps: list[int]) -> None:
    for home, step in zip(copies, steps, strict=False):
        process = whole_pass.start(home, kill_at=step, environment=environment(made), what="pull")
        assert whole_pass.ended(process) == -9
        assert_healed(home, made)


@pytest.mark.soak
def test_a_pull_killed_before_a_step_is_healed_by_the_next_pass(billed: World, copies: Iterator[Home]) -> None:
    """One step at every commit, every one in `make soak`."""
    every = _steps(next(copies), billed)
    assert every > 20
    _kill_at_steps(billed, copies, [random.Random(20261122).randint(1, every)])  # noqa: S311 (not secret)


@pytest.mark.soak
def test_a_kill_before_every_step_of_a_pull_loses_and_doubles_nothing(billed: World, copies: Iterator[Home]) -> None:
    """Each rename, removal, folder and file opened for writing by two providers' pulls, dlt's among them."""
    every = _steps(next(copies), billed)
    print(f"{every} steps")
    _kill_at_steps(billed, copies, list(range(1, every + 1)))


def _no_larger_than(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.soak
@pytest.mark.parametrize(
    "share", [pytest.param(0.0005, marks=pytest.mark.soak), 0.1, pytest.param(1.0, marks=pytest.mark.soak)]
)
def test_a_pull_without_room_says_so_and_the_next_pass_heals(
    billed: World, copies: Iterator[Home], share: float
) -> None:
    """No room for a part, for dlt's files, for the build to grow: the version before stands, nothing is lost."""
    home = next(copies)
    before = database.current_version(home)
    limit: Callable[[], None] = partial(_no_larger_than, int(home.build_file.stat().st_size * share))
    process = whole_pass.start(home, limit=limit, environment=environment(billed), what="pull")
    assert whole_pass.ended(process) == 1
    assert database.current_version(home) == before
    assert_healed(home, billed)
