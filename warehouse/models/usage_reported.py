"""raw_<provider>.usage*, model.connection -> model.usage_reported: what providers counted, priced.

A day's tokens are of many calls, so their sum says nothing about the context band: the window that Anthropic names
does, elsewhere the lowest band is taken. A rate per call is not in the price, for the same reason; nor is what is
counted in anything but tokens: its list cost is not known, so it is NULL.
"""

from collections.abc import Mapping

import duckdb
import polars as pl

from warehouse import bill_tables, tables
from warehouse.models.charges import Told, told_frame
from warehouse.prices import PriceBook
from warehouse.tables import Table

_READ = {
    **{c.name: c.type for c in bill_tables.USAGE_REPORTED.columns if c.name not in {"list_cost_usd", "price_version"}},
    "context_window": "VARCHAR",
}
_MADE = ("input_tokens", "output_tokens", "context_band")
_LONG_WINDOW, _IN_LONG_WINDOW = "200k-1M", 200_001


def read_counts(
    connection: duckdb.DuckDBPyConnection, source: Table, meaning: Mapping[str, str], report: str, told: Told
) -> pl.DataFrame:
    """One report's counts of some days as their newest pulls told them; classes of tokens are disjoint."""
    read = {name: kind for name, kind in _READ.items() if name not in _MADE}
    given = {"report": f"'{report}'", **{name: f"coalesce({name}, 0)" for name in _classes(source)}, **meaning}
    given |= {name: "0" for name in bill_tables.CLASSES if name not in given}
    sql = bill_tables.reading_sql(source, "raw_<provider>.usage", read, given)
    connection.register("told", told_frame(told).to_arrow())
    counts = connection.execute(
        f"""SELECT counted.*, connection.provider FROM ({sql}) AS counted
            JOIN model.connection AS connection USING (connection_no)"""
    ).pl()
    connection.unregister("told")
    return counts


def _classes(source: Table) -> set[str]:
    return set(source.column_names) & set(bill_tables.CLASSES)


def priced(counts: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Counts of `read_counts` in the columns of USAGE_REPORTED, with list_cost_pico_usd for list_cost_usd."""
    in_band = pl.when(pl.col("context_window") == _LONG_WINDOW).then(_IN_LONG_WINDOW).otherwise(0)
    asked = counts.with_columns(
        in_band.cast(pl.Int64).alias("input_tokens"),
        pl.col("day").cast(pl.Datetime("us")).alias("requested_at"),
    )
    priced = book.price(asked)
    without_tokens = pl.sum_horizontal(tables.INPUT_CLASSES + tables.OUTPUT_CLASSES) == 0
    is_otherwise_counted = pl.col("quantity").is_not_null() & without_tokens
    return priced.with_columns(
        pl.when(is_otherwise_counted).then(None).otherwise(pl.col("list_cost_pico_usd")).alias("list_cost_pico_usd"),
        pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"),
        pl.sum_horizontal(tables.OUTPUT_CLASSES).alias("output_tokens"),
    )


def write(connection: duckdb.DuckDBPyConnection, counts: pl.DataFrame, report: str, told: Told) -> None:
    """Replace a report's counts of some days; the caller holds the transaction."""
    table = bill_tables.USAGE_REPORTED
    connection.register("told", told_frame(told).to_arrow())
    connection.execute(
        f"""DELETE FROM {table.full_name}
            WHERE report = ? AND (connection_no, day) IN (SELECT (connection_no, day) FROM told)""",
        [report],
    )
    connection.unregister("told")
    if counts.height:
        connection.register("counts", counts.to_arrow())
        special = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
        selected = ", ".join(f'{special.get(name, name)} AS "{name}"' for name in table.column_names)
        named = ", ".join(table.column_names)
        connection.execute(f"INSERT INTO {table.full_name} ({named}) SELECT {selected} FROM counts")
        connection.unregister("counts")
