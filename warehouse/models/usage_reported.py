"""raw_<provider>.usage*, model.connection -> model.usage_reported: what providers counted, priced.

A day's tokens are of many calls, so their sum says nothing about the context band: the window that Anthropic names
does, elsewhere the lowest band is taken. A rate per call is not in the price, for the same reason. What is
counted in uses of a tool costs its fee by use; of images, seconds and bytes the list cost is not known, so it is NULL.
"""

from collections.abc import Mapping

import duckdb
import polars as pl

from warehouse import bill_tables, money, price_tool, tables
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
    fees, versions = _fees(priced.filter(is_otherwise_counted), book)
    fee_no = pl.when(is_otherwise_counted).then(is_otherwise_counted.cum_sum() - 1)
    numbered = priced.with_columns(fee_no.alias("fee_no"))
    return numbered.with_columns(
        *(
            pl.when(pl.col("fee_no").is_null()).then(name).otherwise(found.gather(numbered["fee_no"])).alias(name)
            for name, found in (("list_cost_pico_usd", fees), ("price_version", versions))
        ),
        pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"),
        pl.sum_horizontal(tables.OUTPUT_CLASSES).alias("output_tokens"),
    ).drop("fee_no")


def _fees(counts: pl.DataFrame, book: PriceBook) -> tuple[pl.Series, pl.Series]:
    """What counted uses of tools cost in pico-dollars, and the price's version; null where no price is known."""
    costs: list[int | None] = []
    versions: list[str | None] = []
    asked = counts.select("provider", "model", "operation", "quantity_unit", "quantity", "requested_at")
    for provider, model, operation, unit, quantity, requested_at in asked.iter_rows():
        price = None
        if price_tool.UNITS.get(operation, (None,))[0] == unit:
            price = book.tool(provider, model, operation, requested_at)
        worth = None if price is None else money.pico(money.CONTEXT.multiply(quantity, price.usd))
        # More than 9 million dollars of searches in a day are none.
        costs.append(worth if worth is None or worth < 2**63 else None)
        versions.append(price.version if price else None)
    return pl.Series(costs, dtype=pl.Int64), pl.Series(versions, dtype=pl.String)


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
