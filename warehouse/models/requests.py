"""Calls -> model.requests: one row per model call, priced."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import duckdb
import polars as pl

from warehouse import frame, tables
from warehouse.models.raw_calls import KEPT
from warehouse.prices import PriceBook


def priced(calls: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Calls with totals, band, price version and `list_cost_pico_usd` (null where no price is known)."""
    whole = calls.with_columns(
        pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"),
        pl.sum_horizontal(tables.OUTPUT_CLASSES).alias("output_tokens"),
    )
    found = book.price(whole)
    if "kept_cost_pico_usd" not in found.columns:
        return found
    made = ("list_cost_pico_usd", "price_version", "context_band")
    known = pl.col("form") == -1
    return found.with_columns(
        pl.when(known).then(kept).otherwise(name).alias(name) for kept, name in zip(KEPT, made, strict=True)
    )


def is_priced(calls: pl.DataFrame) -> bool:
    """Whether calls went through `priced`."""
    return "list_cost_pico_usd" in calls.columns


def count(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> int:
    """How many calls of these days are there."""
    if not days:
        return 0
    query = f"""SELECT count(*) FROM {tables.REQUESTS.full_name} WHERE requested_at >= ? AND requested_at < ?
        AND requested_at::DATE IN (SELECT unnest(?))"""
    ((rows,),) = connection.execute(query, [min(days), max(days) + timedelta(days=1), list(days)]).fetchall()
    return int(rows)


def delete(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Take the days' rows away; the caller holds the transaction."""
    connection.execute(
        f"DELETE FROM {tables.REQUESTS.full_name} WHERE requested_at >= ? AND requested_at < ? "
        "AND requested_at::DATE IN (SELECT unnest(?))",
        [min(days), max(days) + timedelta(days=1), list(days)],
    )


def insert(connection: duckdb.DuckDBPyConnection, calls: pl.DataFrame) -> None:
    """Add priced calls; the caller holds the transaction."""
    money = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
    frame.insert(connection, calls, tables.REQUESTS.full_name, tables.REQUESTS.column_names, money)
