"""What each call costs, call by call: the price book over a frame against one join in DuckDB that does the same.

Both hold the calls in memory before the clock starts and write cost and price version of every call. The join knows one
price a model; the book looks for dates, hours, tiers, regions and context bands as well.
"""

from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tests.benchmarks import roll_up
from warehouse import tables
from warehouse.prices import PriceBook

QUESTION = "price every call"
_CLASSES = (*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES)
_READ = ("provider", "model", "service_tier", "region", "requested_at", *_CLASSES)
_held: dict[str, Any] = {}


def prepare(rows: int, folder: Path) -> None:
    """The calls of the roll-up's benchmark."""
    roll_up.prepare(rows, folder)


def before(name: str, rows: int, folder: Path, work: Path) -> None:
    """Read the calls into memory, for the book as a frame, for the join as a table."""
    connection = duckdb.connect(str(work / "calls.duckdb"))
    connection.execute(f"ATTACH '{folder / f'calls-{rows}-1.duckdb'}' AS source (READ_ONLY)")
    query = f"SELECT {', '.join(_READ)} FROM source.raw_gateway_jsonl.calls"
    if name == "ours":
        calls = connection.execute(query).pl()
        _held["calls"] = calls.with_columns(pl.sum_horizontal(tables.INPUT_CLASSES).alias("input_tokens"))
        _held["book"] = PriceBook.load()
        _held["book"].price(_held["calls"].head(1))
    else:
        connection.execute(f"CREATE TEMP TABLE calls AS {query}")
        services = connection.execute("SELECT DISTINCT provider, model FROM calls").pl()
        prices = roll_up.prices(services)
        connection.register("told", prices.to_arrow())
        connection.execute("CREATE TEMP TABLE price AS FROM told")
    _held["connection"] = connection


def ours(_rows: int, _folder: Path, _work: Path) -> list[object]:
    """The price book."""
    priced = _held["book"].price(_held["calls"])
    known = priced["list_cost_pico_usd"]
    return [known.len() - known.null_count(), int(known.sum())]


def yardstick(_rows: int, _folder: Path, _work: Path) -> list[object]:
    """One join, whole pico-dollars in 64 bits as ours."""
    rates = ", ".join(f"(price.{name} * 1000000000000)::BIGINT AS {name}" for name in _CLASSES)
    cost = " + ".join(f"calls.{name} * rate.{name}" for name in _CLASSES)
    connection = _held["connection"]
    connection.execute(
        f"""CREATE TEMP TABLE priced AS
            SELECT calls.*, {cost} AS list_cost_pico_usd, rate.price_version, rate.context_band
            FROM calls LEFT JOIN (
              SELECT provider, model, price_version, context_band, {rates} FROM price
            ) AS rate USING (provider, model)"""
    )
    query = "SELECT count(list_cost_pico_usd), sum(list_cost_pico_usd)::BIGINT FROM priced"
    return list(connection.execute(query).fetchall()[0])
