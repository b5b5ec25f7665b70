"""A table as the bytes of a file that somebody else reads: CSV in FOCUS's forms, or Parquet with money whole."""

import csv
import io
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

# Text that a spreadsheet would run (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet: money keeps its twelve places."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def csv_bytes(table: pa.Table) -> bytes:
    """A table as CSV in FOCUS's forms; a text that a spreadsheet would run gets an apostrophe before it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=10_000):
        writer.writerows(zip(*([_field(v) for v in column.to_pylist()] for column in batch.columns), strict=True))
    return out.getvalue().encode()


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return csv_text(value)
    if isinstance(value, Decimal):
        # FOCUS forbids a sign without a number, and trailing zeros say nothing.
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def csv_text(text: str) -> str:
    """A text as a cell of a CSV."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def text_of(cell: str) -> str:
    """The text that a cell of a CSV stands for."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def csv_rows(body: bytes) -> list[list[str]]:
    """The rows of a CSV that `csv_bytes` made, cell by cell, the head first."""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def csv_of_rows(rows: list[list[str]]) -> bytes:
    """The reverse of `csv_rows`."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()
