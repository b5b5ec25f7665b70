"""Rows that are carried through the build leave memory to what they are made into."""

import duckdb
import pytest

from warehouse import build_memory, database
from warehouse.home import Home


def _settings(connection: duckdb.DuckDBPyConnection) -> tuple[float, int]:
    """What DuckDB may take, in MB as it rounds it, and by how many threads."""
    query = "SELECT current_setting('memory_limit'), current_setting('threads')"
    limit, threads = connection.execute(query).fetchall()[0]
    number, unit = limit.split()
    assert unit == "MiB"
    return float(number) * 2**20 / 10**6, int(threads)


def _fails(connection: duckdb.DuckDBPyConnection) -> None:
    with build_memory.carrying(connection, one_thread=True):
        limit, threads = _settings(connection)
        assert limit == pytest.approx(build_memory.CARRIED_MB, abs=1)
        assert threads == 1
        connection.execute("FROM nothing")


def test_less_is_kept_meanwhile_and_as_much_as_before_afterwards(home: Home) -> None:
    """After an error, too."""
    with database.held(home.build_lock), database.build(home) as connection:
        before = _settings(connection)
        assert before[0] == pytest.approx(build_memory.USUAL_MB, abs=1)
        with pytest.raises(duckdb.CatalogException):
            _fails(connection)
        assert _settings(connection) == before
        with build_memory.carrying(connection):
            assert _settings(connection)[1] == before[1]


def test_rows_that_go_have_room(home: Home) -> None:
    """Which rows of a build are gone DuckDB keeps while it is open: the room for that stays until then."""
    with database.held(home.build_lock), database.build(home) as connection:
        with build_memory.carrying(connection, deleted_rows=30_000_000):
            assert _settings(connection)[0] == pytest.approx(build_memory.CARRIED_MB + 300, abs=1)
        assert _settings(connection)[0] == pytest.approx(build_memory.USUAL_MB + 300, abs=1)
