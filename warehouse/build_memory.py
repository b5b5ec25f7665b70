"""How much memory DuckDB may take of a build, and how that changes with what is done to its rows.

DuckDB keeps in memory which rows of a group are gone, eight bytes a row of the whole group, and neither spills nor lets
go of it while the file is open: at thirteen million calls the usual limit was less than that, and nobody was erased.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

USUAL_MB = 256
# What goes on beside needs memory, too, and rows that are carried through are looked at once.
CARRIED_MB = 96
# Eight bytes and their vector's head: 8.9 at 13 million calls with DuckDB 1.5.5.
DELETED_BYTES = 10
# Two columns of a row, as they were and as they are, until the transaction ends: 21.
BLANKED_BYTES = 24


def make_room(connection: duckdb.DuckDBPyConnection, bytes_a_row: int = DELETED_BYTES) -> None:
    """Raise the limit by what a change all over every table would take: deletions from 13 million calls, 0.3 GB."""
    query = "SELECT coalesce(sum(estimated_size), 0)::BIGINT FROM duckdb_tables() WHERE NOT internal"
    ((rows,),) = connection.execute(query).fetchall()
    connection.execute(f"SET memory_limit = '{USUAL_MB + rows * bytes_a_row // 10**6}MB'")


@contextmanager
def carrying(
    connection: duckdb.DuckDBPyConnection, *, deleted_rows: int = 0, one_thread: bool = False
) -> Iterator[None]:
    """While rows are only carried through the build, DuckDB keeps less of them: what they are made into is elsewhere.

    `deleted_rows` go meanwhile, and that they are gone is kept until the build is closed. `one_thread` where runs of
    rows are inserted: of two threads each leaves a row group half full, and whole ones are written once. The build is
    one for which nobody made room.
    """
    deleted_mb = deleted_rows * DELETED_BYTES // 10**6
    connection.execute(f"SET memory_limit = '{CARRIED_MB + deleted_mb}MB'")
    if one_thread:
        connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute("RESET threads")
        connection.execute(f"SET memory_limit = '{USUAL_MB + deleted_mb}MB'")
