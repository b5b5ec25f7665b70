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
    # One piece after the other: Arrow's copy of a whole frame would be as large as the frame.
    pieces = (frame.slice(first, _BATCH_ROWS).to_arrow() for first in range(0, frame.height, _BATCH_ROWS))
    batches = (batch for piece in pieces for batch in piece.to_batches())
    connection.register("frame", pa.RecordBatchReader.from_batches(frame.clear().to_arrow().schema, batches))
    connection.execute(f"INSERT INTO {table} SELECT {selected} FROM frame")
    connection.unregister("frame")
