"""How a Polars frame is handed to DuckDB: in batches that its threads share."""

import re
from collections.abc import Mapping, Sequence

import duckdb
import polars as pl
import pyarrow as pa

from warehouse.tables import Table

# Half of one of DuckDB's row groups; a frame in one batch is read by one thread alone.
_BATCH_ROWS = 61_440
_TYPES: dict[str, pl.DataType] = {
    "BIGINT": pl.Int64(),
    "BOOLEAN": pl.Boolean(),
    "DATE": pl.Date(),
    "TIMESTAMP": pl.Datetime("us"),
    "VARCHAR": pl.String(),
    "VARCHAR[]": pl.List(pl.String()),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def insert(
    connection: duckdb.DuckDBPyConnection,
    frame: pl.DataFrame,
    table: str,
    columns: Sequence[str],
    expressions: Mapping[str, str] | None = None,
) -> None:
    """Append a frame to a table, column by column; `expressions` are SQL for columns the frame has in another form."""
    selected = ", ".join(f'{(expressions or {}).get(name, name)} AS "{name}"' for name in columns)
    connection.register("frame", read_once(frame))
    connection.execute(f"INSERT INTO {table} SELECT {selected} FROM frame")
    connection.unregister("frame")


def read_once(frame: pl.DataFrame) -> pa.RecordBatchReader:
    """A frame to `register` for one statement, a batch at a time: Arrow's copy of all of it would be as large again.

    What is registered within a transaction DuckDB holds until that ends, and a column of it holds all that was read
    together with it. Of this nothing is left once it is read.
    """
    pieces = (frame.slice(first, _BATCH_ROWS).to_arrow() for first in range(0, frame.height, _BATCH_ROWS))
    batches = (batch for piece in pieces for batch in piece.to_batches())
    return pa.RecordBatchReader.from_batches(frame.clear().to_arrow().schema, batches)


def insert_rows(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Append rows of Python's values, in the order of the table's columns; of its types, those the build is told in.

    In one statement: DuckDB keeps memory for each of `executemany` until the transaction ends, and some thousand names
    were more than a build may take.
    """
    schema = {column.name: _type(column.type) for column in table.columns}
    insert(connection, pl.DataFrame(rows, schema=schema, orient="row"), table.full_name, table.column_names)


def _type(told: str) -> pl.DataType:
    found = _DECIMAL.fullmatch(told)
    return _TYPES[told] if found is None else pl.Decimal(int(found[1]), int(found[2]))
