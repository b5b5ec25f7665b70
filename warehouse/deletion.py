"""How much memory a build may take while rows are deleted or blanked, and until it is written anew without them.

DuckDB keeps in memory which rows of a group are gone, eight bytes a row of the whole group, and neither spills nor lets
go of it while the file is open: at thirteen million calls the usual limit was less than that, and nobody was erased.
"""

import duckdb

# Eight bytes and their vector's head: 8.9 at 13 million calls with DuckDB 1.5.5.
DELETED_BYTES = 10
# Two columns of a row, as they were and as they are, until the transaction ends: 21.
BLANKED_BYTES = 24


def make_room(connection: duckdb.DuckDBPyConnection, usual_mb: int, bytes_a_row: int = DELETED_BYTES) -> None:
    """Raise the limit by what a change all over every table would take: deletions from 13 million calls, 0.3 GB."""
    query = "SELECT coalesce(sum(estimated_size), 0)::BIGINT FROM duckdb_tables() WHERE NOT internal"
    ((rows,),) = connection.execute(query).fetchall()
    connection.execute(f"SET memory_limit = '{usual_mb + rows * bytes_a_row // 10**6}MB'")
