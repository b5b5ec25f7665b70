"""Readers that query all through loads: no error on either side, and never a version that is half another."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pytest

from pipelines.passage import run_pass
from tests.benchmarks import contract_rows
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from tests.faults.reader import AnotherProcess, Seen, careless, reading
from tests.faults.whole_pass import NOW
from warehouse import database, publication
from warehouse.home import Home

# nobody, here and on most systems; any number without rights would do.
ORDINARY_USER = 65534


def _pass(home: Home, truth: Truth, calls: dict[int, int]) -> None:
    number = len(calls) + 1
    truth.drop(home, number)
    assert run_pass(home, NOW, lambda *_: None).version == number
    calls[number] = len(truth.calls)


def _load_while_read(home: Home, stop: Path, loads: int, pages: int, people: int) -> Seen:
    truth, calls = Truth(), dict[int, int]()
    _pass(home.make(GATEWAYS), truth, calls)
    with reading(home, stop, pages=pages, people=people) as seen:
        for _ in range(loads):
            _pass(home, truth, calls)
    assert_healed(home, truth)
    assert seen.errors == []
    assert seen.versions == {version: {(calls[version],) * 3} for version in seen.versions}
    assert max(seen.versions) == loads + 1
    return seen


@pytest.mark.usefixtures("master_key")
def test_readers_see_whole_versions_all_through_two_loads(home: Home, tmp_path: Path) -> None:
    """Two as pages are and one as people are; each connection sees one version, whose sums agree."""
    seen = _load_while_read(home, tmp_path / "stop", loads=2, pages=2, people=1)
    assert len(seen.versions) >= 2


@pytest.mark.soak
@pytest.mark.usefixtures("master_key")
def test_twenty_readers_see_whole_versions_all_through_ten_loads(home: Home, tmp_path: Path) -> None:
    """Fourteen as pages are and six as people are."""
    seen = _load_while_read(home, tmp_path / "stop", loads=10, pages=14, people=6)
    print(f"{seen.queries} queries of {len(seen.versions)} versions, 0 errors")
    assert len(seen.versions) >= 8


def _rewrite(pipe: Connection, home: Home) -> None:
    """What removes deleted bytes: every row into a new file, which takes the build's name; then a version."""
    target = home.build_file.with_name("rewritten.duckdb")
    began = time.monotonic()
    with database.held(home.build_lock):
        with database.build(home) as connection:
            connection.execute("CHECKPOINT")
            connection.execute(f"ATTACH '{target}' AS rewritten")
            connection.execute("COPY FROM DATABASE warehouse TO rewritten")
            connection.execute("CHECKPOINT rewritten")
            connection.execute("DETACH rewritten")
        target.replace(home.build_file)
        with database.build(home) as connection:
            publication.publish(home, connection, NOW)
    pipe.send(time.monotonic() - began)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """A folder that an ordinary user can reach, too: pytest's own is for its owner alone."""
    del tmp_path
    folder = Path(tempfile.mkdtemp(prefix="apiledger-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.soak
@pytest.mark.usefixtures("master_key")
@pytest.mark.parametrize("user", [None, ORDINARY_USER], ids=["who runs the tests", "an ordinary user"])
def test_a_careless_writer_among_twenty_readers_of_ten_million_rows(world: Path, user: int | None) -> None:
    """Load, rewrite, publish; he blocks those who share his file at most, and they read on with the next version."""
    if user is not None and os.geteuid() != 0:
        pytest.skip("who runs the tests is an ordinary user: the other case is this one")
    rows = int(os.environ.get("APILEDGER_SOAK_ROWS", "10000000"))
    home = Home(world / "home").make(GATEWAYS)
    first_day = datetime(2026, 10, 1)  # noqa: DTZ001 (as everywhere, UTC)
    contract_rows.write(home.inbox / "gateway_jsonl" / "rows.jsonl", rows, first_day=first_day)
    began = time.monotonic()
    assert run_pass(home, NOW, lambda *_: None).version == 1
    loaded_s = time.monotonic() - began
    if user is not None:
        for path in (home.root, *home.root.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)
    with reading(home, world / "stop", pages=14, people=0, user=user) as pages:
        writer = AnotherProcess(careless, home, user=user)
        # A file of 0400 opens for writing for root alone.
        said = writer.pipe.recv()
        assert said == "open" if os.geteuid() == 0 and user is None else "denied" in said
        rewriting = AnotherProcess(_rewrite, home, user=user)
        rewritten_s = rewriting.pipe.recv()
        rewriting.end()
        # He still holds his own, and the next one is everybody's.
        with reading(home, world / "stop-people", pages=0, people=6, user=user) as people:
            time.sleep(3)
        writer.end()
    print(f"{rows} rows: pass {loaded_s:.0f} s, rewrite and publish {rewritten_s:.0f} s, {pages.queries} queries")
    assert pages.errors == people.errors == []
    assert {sums for each in (pages, people) for found in each.versions.values() for sums in found} == {(rows,) * 3}
    assert set(people.versions) == {2}
    assert set(pages.versions) == {1, 2}
    with duckdb.connect(str(home.people_file), read_only=True) as connection:
        assert connection.execute("SELECT version FROM mart.published").fetchall() == [(2,)]
