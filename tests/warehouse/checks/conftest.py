"""A published version of the real line, whose rows a test may spoil."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.warehouse.checks.planted_line import Line
from warehouse.checks.batch import newest_day
from warehouse.home import Home


@pytest.fixture(scope="session")
def copied_version(sandbox_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published version as a file that may be written."""
    path = tmp_path_factory.mktemp("checks") / "warehouse.duckdb"
    shutil.copyfile(sandbox_home.people_file, path)
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        yield connection


@pytest.fixture
def line(copied_version: duckdb.DuckDBPyConnection) -> Iterator[Line]:
    """The version; what a test plants is taken back."""
    day = newest_day(copied_version, "model.requests")
    assert day is not None
    copied_version.execute("BEGIN")
    yield Line(copied_version, day)
    copied_version.execute("ROLLBACK")


@pytest.fixture
def version_file(sandbox_home: Home, tmp_path: Path) -> Path:
    """A copy of the version for one test alone."""
    path = tmp_path / "planted.duckdb"
    shutil.copyfile(sandbox_home.people_file, path)
    path.chmod(0o600)
    return path
