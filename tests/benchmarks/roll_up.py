"""P3: priced hours from raw rows, day by day in Polars, against one DuckDB statement that does the same."""

from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path

import duckdb
import polars as pl

from pipelines.materialization import call_reader
from pipelines.materialization.call_reader import Load, Run
from tests.benchmarks import contract_rows
from warehouse import build_memory, frame, sealing_tables, tables
from warehouse.models import usage_hourly
from warehouse.models.usage_hourly import GRAIN, SUMMED
from warehouse.prices import PriceBook

QUESTION = "price and roll up to hours"
_FIRST = datetime(2026, 10, 20)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_DAYS = 30


def prepare(rows: int, folder: Path, users: int = 1) -> None:
    """A build with a raw table of `rows` calls, once for both sides; many users make many groups."""
    target = _build(folder, rows, users)
    if target.exists():
        return
    log = contract_rows.write(folder / "calls.jsonl", rows, first_day=_FIRST, days=_DAYS, users=users)
    with duckdb.connect(str(target)) as connection:
        connection.execute("SET memory_limit = '2GB'")
        connection.execute("CREATE SCHEMA raw_gateway_jsonl")
        numbers = ("account", "key", "project", "team", "user")
        given = {
            "load_no": "1",
            "form": "0",
            "request_no": "(hash(request_id) >> 1)::BIGINT",
            "requested_at": "ts::TIMESTAMP",
            **{f"{name}_no": f"(hash({source}) >> 11)::BIGINT" for name, source in zip(numbers, _IDS, strict=True)},
            "upstream_no": "(hash(account_id, provider) >> 11)::BIGINT",
            "outcome": "CASE status WHEN 200 THEN 'ok' ELSE 'error' END",
            "http_status": "status",
            "uncached_tokens": "input_tokens - cached_tokens",
            "cache_read_tokens": "cached_tokens",
            "text_out_tokens": "output_tokens",
            "logged_cost_usd": f"cost::{tables.MONEY}",
        }
        same = {"request_id", "provider", "model", "latency_ms"}
        zero = {*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES}
        given |= {name: name for name in same} | {name: "0" for name in zero if name not in given}
        selected = ", ".join(f'{given.get(c.name, "NULL")}::{c.type} AS "{c.name}"' for c in tables.RAW_CALLS)
        for statement in sealing_tables.SEALED_LOAD.ddl():
            connection.execute(statement)
        connection.execute(f"CREATE TABLE raw_gateway_jsonl.calls AS SELECT {selected} FROM read_json('{log}')")
    log.unlink()


_IDS = ("account_id", "key_id", "project", "team", "user_id")


def _build(folder: Path, rows: int, users: int) -> Path:
    return folder / f"calls-{rows}-{users}.duckdb"


def ours(rows: int, folder: Path, work: Path) -> list[object]:
    """As the models do it: a day at a time, the next one read ahead, memory flat."""
    return _ours(rows, folder, work, 1)


def yardstick(rows: int, folder: Path, work: Path) -> list[object]:
    """One statement over all days."""
    return _yardstick(rows, folder, work, 1)


def _ours(rows: int, folder: Path, work: Path, users: int) -> list[object]:
    book = PriceBook.load()
    with _opened(folder, rows, users, work) as connection:
        # As a pass does it: else DuckDB keeps the whole file, and that is what the peak would measure.
        with build_memory.carrying(connection, one_thread=True), call_reader.opened(connection, book) as reader:
            columns = ", ".join(f'"{c.name}" {c.type}' for c in tables.USAGE_HOURLY.columns)
            connection.execute(f"CREATE TABLE made.model.usage_hourly ({columns})")
            days = [_FIRST.date() + timedelta(days=number) for number in range(_DAYS)]
            readings = [reader.reading(Run([day], [Load(day, "gateway_jsonl", 1, rows // _DAYS)])) for day in days]
            for reading, then in zip_longest(readings, readings[1:]):
                hours = usage_hourly.together([usage_hourly.roll_up(calls) for calls in reading.calls(then)])
                money = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
                frame.insert(connection, hours, "made.model.usage_hourly", tables.USAGE_HOURLY.column_names, money)
        return _answer(connection)


def _yardstick(rows: int, folder: Path, work: Path, users: int) -> list[object]:
    with _opened(folder, rows, users, work) as connection:
        services = connection.execute("SELECT DISTINCT provider, model FROM raw_gateway_jsonl.calls").pl()
        connection.register("price", prices(services).to_arrow())
        grain = ", ".join(f"calls.{n}" for n in GRAIN if n not in _MADE)
        sums = ", ".join(f"sum(calls.{n}) AS {n}" for n in SUMMED if n not in {"input_tokens", "output_tokens"})
        cost = " + ".join(f"calls.{name} * price.{name}" for name in (*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES))
        connection.execute(
            f"""CREATE TABLE made.model.usage_hourly AS
                SELECT date_trunc('hour', requested_at) AS hour, {grain}, 'gateway_jsonl' AS gateway,
                  price.price_version, price.context_band, count(*) AS requests,
                  count(*) FILTER (outcome = 'error') AS error_requests,
                  count(*) FILTER (outcome = 'cancelled') AS cancelled_requests,
                  count(*) FILTER (price.price_version IS NULL) AS unpriced_requests,
                  sum({_added(tables.INPUT_CLASSES)}) AS input_tokens,
                  sum({_added(tables.OUTPUT_CLASSES)}) AS output_tokens,
                  {sums}, sum(({cost})::{tables.MONEY}) AS list_cost_usd
                FROM raw_gateway_jsonl.calls AS calls LEFT JOIN price USING (provider, model) GROUP BY ALL"""
        )
        return _answer(connection)


def _added(names: tuple[str, ...]) -> str:
    return " + ".join(f"calls.{name}" for name in names)


_MADE = {"gateway", "context_band", "price_version"}


def prices(services: pl.DataFrame) -> pl.DataFrame:
    """What one token of each class costs, asked of the price book one class at a time."""
    from decimal import Decimal

    from warehouse.money import from_pico

    book, classes = PriceBook.load(), (*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES)
    priced = services
    for name in classes:
        calls = services.with_columns(
            pl.lit(_FIRST).alias("requested_at"),
            pl.lit(None, pl.String).alias("service_tier"),
            pl.lit(None, pl.String).alias("region"),
            pl.lit(int(name in tables.INPUT_CLASSES)).alias("input_tokens"),
            *(pl.lit(int(other == name)).alias(other) for other in classes),
        )
        asked = book.price(calls)
        values = [Decimal(0) if p is None else from_pico(p) for p in asked["list_cost_pico_usd"]]
        priced = priced.with_columns(
            pl.Series(name, values, dtype=pl.Decimal(18, 12)), asked["price_version"], asked["context_band"]
        )
    return priced


def _opened(folder: Path, rows: int, users: int, work: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(_build(folder, rows, users)))
    connection.execute(f"ATTACH '{work / 'made.duckdb'}' AS made")
    connection.execute("CREATE SCHEMA made.model")
    return connection


def _answer(connection: duckdb.DuckDBPyConnection) -> list[object]:
    row = connection.execute("SELECT sum(requests), sum(input_tokens), sum(list_cost_usd) FROM made.model.usage_hourly")
    return [str(value) for value in row.fetchall()[0]]
