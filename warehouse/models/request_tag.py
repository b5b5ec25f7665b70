"""model.requests -> model.request_tag: one row per call and tag."""

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse import frame, tables


def delete(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Take the days' rows away; the caller holds the transaction."""
    connection.execute(f"DELETE FROM {tables.REQUEST_TAG.full_name} WHERE day IN (SELECT unnest(?))", [list(days)])


def insert(connection: duckdb.DuckDBPyConnection, requests: pl.DataFrame) -> None:
    """Add the tags of calls: request_no, requested_at and tags, a JSON list of labels or null.

    The caller holds the transaction.
    """
    tagged = requests.filter(pl.col("tags").is_not_null())
    if not tagged.height:
        return
    rows = tagged.select(
        "request_no",
        pl.col("requested_at").dt.date().alias("day"),
        pl.col("tags").str.json_decode(pl.List(pl.String)).alias("tag"),
    ).explode("tag")
    frame.insert(connection, rows, tables.REQUEST_TAG.full_name, tables.REQUEST_TAG.column_names)
