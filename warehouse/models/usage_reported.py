"""raw_openai.usage_completions, raw_anthropic.usage_messages -> model.usage_reported: what providers counted, priced.

A day's tokens are of many calls, so their sum says nothing about the context band: the window that Anthropic names
does, elsewhere the lowest band is taken. A rate per call is not in the price, for the same reason.
"""

import duckdb
import polars as pl

from warehouse import bill_tables, tables
from warehouse.models.charges import Told, told_frame
from warehouse.prices import PriceBook

_OPENAI = f"""
    SELECT day, connection_no, 'openai' AS provider, project_no, key_no, model, service_tier,
        NULL::VARCHAR AS context_window, requests, {", ".join(bill_tables.CLASSES)}
    FROM raw_openai.usage_completions SEMI JOIN told USING (connection_no, day, pull_no)"""
_ANTHROPIC = f"""
    SELECT day, connection_no, 'anthropic' AS provider, project_no, key_no, model, service_tier,
        context_window, NULL::BIGINT AS requests, {", ".join(bill_tables.CLASSES)}
    FROM raw_anthropic.usage_messages SEMI JOIN told USING (connection_no, day, pull_no)"""
SELECTS = {"openai": _OPENAI, "anthropic": _ANTHROPIC}
_LONG_WINDOW, _IN_LONG_WINDOW = "200k-1M", 200_001


def read_counts(connection: duckdb.DuckDBPyConnection, provider: str, told: Told) -> pl.DataFrame:
    """The counts of some days as their newest pulls told them; classes of tokens are disjoint."""
    connection.register("told", told_frame(told).to_arrow())
    counts = connection.execute(SELECTS[provider]).pl()
    connection.unregister("told")
    return counts


def priced(counts: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Counts of `read_counts` in the columns of USAGE_REPORTED, with list_cost_pico_usd for list_cost_usd."""
    in_band = pl.when(pl.col("context_window") == _LONG_WINDOW).then(_IN_LONG_WINDOW).otherwise(0)
    asked = counts.with_columns(
        in_band.cast(pl.Int64).alias("input_tokens"),
        pl.col("day").cast(pl.Datetime("us")).alias("requested_at"),
        pl.lit(None, pl.String).alias("region"),
    )
    return book.price(asked).with_columns(
        pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"),
        pl.sum_horizontal(tables.OUTPUT_CLASSES).alias("output_tokens"),
    )


def write(connection: duckdb.DuckDBPyConnection, counts: pl.DataFrame, told: Told) -> None:
    """Replace the days' counts; the caller holds the transaction."""
    table = bill_tables.USAGE_REPORTED
    connection.register("told", told_frame(told).to_arrow())
    connection.execute(
        f"DELETE FROM {table.full_name} WHERE (connection_no, day) IN (SELECT (connection_no, day) FROM told)"
    )
    connection.unregister("told")
    if counts.height:
        connection.register("counts", counts.to_arrow())
        special = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
        selected = ", ".join(f'{special.get(name, name)} AS "{name}"' for name in table.column_names)
        connection.execute(f"INSERT INTO {table.full_name} SELECT {selected} FROM counts")
        connection.unregister("counts")
