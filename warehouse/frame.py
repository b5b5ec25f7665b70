"""How a Polars frame is handed to DuckDB: in batches that its threads share."""

from collections.abc import Mapping, Sequence

import duckdb
import polars as pl
import pyarrow as pa

# Half of one of DuckDB's row groups; a frame in one batch is read by one thread alone.
_BATCH_ROWS = 61_440


def insert(
    connection: duckdb.DuckDBPyConnection,
    frame: pl.DataFrame,
    table: str,
    columns: Sequence[str],
    expressions: Mapping[str, str] | None = None,
) -> None:
    """Append a frame to a table, column by column; `expressions` are SQL for columns the frame has in another form."""
    selected = ", ".join(f'{(expressions or {}).get(name, name)} AS "{name}"' for name in columns)
    whole = frame.to_arrow()
    batches = whole.to_batches(max_chunksize=_BATCH_ROWS)
    connection.register("frame", pa.Table.from_batches(batches, whole.schema))
    connection.execute(f"INSERT INTO {table} SELECT {selected} FROM frame")
    connection.unregister("frame")
