"""A table as a file to take away: CSV that no spreadsheet runs; Parquet and DuckDB, which keep every decimal place."""

import csv
import io
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse import database
from warehouse.home import Home

# What a spreadsheet takes for the start of a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_bytes(table: pa.Table) -> bytes:
    """The table as UTF-8 CSV: text that could run as a formula gets a leading apostrophe, numbers stay numbers.

    Money is written with all its places, moments as RFC 3339 in UTC, NULL as an empty field.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=10_000):
        writer.writerows(
            zip(*([_field(value) for value in column.to_pylist()] for column in batch.columns), strict=True)
        )
    return out.getvalue().encode()


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as Parquet: DECIMAL(38,12) stays DECIMAL(38,12)."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def duckdb_bytes(table: pa.Table, name: str) -> bytes:
    """The table as a DuckDB file that holds it alone, under its name."""
    return database.single_table(Home.own(), name, table)


def kinds(name: str) -> list[tuple[str, str, Callable[[pa.Table], bytes]]]:
    """What a table called `name` can be taken away as: the button's word, the file's ending, who makes it."""
    return [
        ("CSV", "csv", csv_bytes),
        ("Parquet", "parquet", parquet_bytes),
        ("DuckDB", "duckdb", partial(duckdb_bytes, name=name)),
    ]


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
