"""P1: a flat log to deduplicated requests through dlt, against DuckDB's own read_json, dedup and insert.

Ours is what a pass does up to model.requests: allow-list, numbers for ids, sealed clients, raw through dlt, receipts,
each call once and priced. What a pass makes of them in the same transaction is in `flat_whole`, and P3 by itself.
"""

from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path

import dlt  # noqa: F401 (imported before the clock starts, as in a run)
import duckdb
import polars as pl  # noqa: F401 (the same)

from pipelines.gateways import ingest, provider
from pipelines.materialization import build, call_reader
from pipelines.materialization.call_reader import Load, Reading
from pipelines.providers import gateway_jsonl
from tests.benchmarks import contract_rows
from warehouse import allocator, build_memory, database
from warehouse.control import receipt
from warehouse.home import Home
from warehouse.models import requests
from warehouse.prices import PriceBook

QUESTION = "flat JSONL to deduplicated requests"
NOW = datetime(2026, 11, 21)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)


def prepare(rows: int, folder: Path) -> None:
    """The log, once for both sides."""
    path = folder / f"flat-{rows}.jsonl"
    if not path.exists():
        contract_rows.write(path, rows, first_day=datetime(2026, 10, 20))  # noqa: DTZ001 (the same)


def ingested(rows: int, folder: Path, work: Path) -> Home:
    """A home that has taken the log in, up to its raw rows."""
    home = Home(work / "home").make(tuple(provider.gateways()))
    (home.inbox / "gateway_jsonl" / "log.jsonl").hardlink_to(folder / f"flat-{rows}.jsonl")
    ingest.ingest(home, provider.gateways()["gateway_jsonl"], NOW, lambda *_: None)
    return home


def ours(rows: int, folder: Path, work: Path) -> list[int]:
    """From the inbox to model.requests, a run of days at a time as a pass takes them."""
    home, book = ingested(rows, folder, work), PriceBook.load()
    with database.control(home) as control:
        loads = [Load(date.fromisoformat(day), name, no, rows) for name, day, no, rows in receipt.load_days(control)]
    with database.held(home.build_lock), database.build(home) as connection:
        with build_memory.carrying(connection, one_thread=True):
            with call_reader.opened(connection, book) as reader:
                days = [reader.reading(run) for run in build.runs({load.day for load in loads}, loads)]
                for reading, then in zip_longest(days, days[1:]):
                    _make(connection, reading, then)
            connection.execute("CHECKPOINT")
        return answer(connection, "model.requests", "sum(input_tokens)")


def _make(connection: duckdb.DuckDBPyConnection, reading: Reading, then: Reading | None) -> None:
    reading.told_elsewhere(connection)
    connection.execute("BEGIN")
    requests.delete(connection, reading.run.days)
    for calls in reading.calls(then):
        requests.insert(connection, calls)
        del calls
        allocator.give_back()
    connection.execute("COMMIT")


def yardstick(rows: int, folder: Path, work: Path) -> list[int]:
    """The same log by one statement."""
    with duckdb.connect(str(work / "yardstick.duckdb")) as connection:
        fields = gateway_jsonl.GATEWAY.columns
        kinds = {"string": "VARCHAR", "double": "DOUBLE", "list<item: string>": "VARCHAR[]"}
        columns = ", ".join(f"{field.name}: '{kinds[str(field.type)]}'" for field in fields)
        source = f"'{folder / f'flat-{rows}.jsonl'}', format='newline_delimited', columns={{{columns}}}"
        connection.execute(
            f"CREATE TABLE requests AS FROM read_json({source}) "
            "QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY ts) = 1"
        )
        connection.execute("CHECKPOINT")
        return answer(connection, "requests", "sum(input_tokens)::BIGINT")


def answer(connection: duckdb.DuckDBPyConnection, table: str, tokens: str) -> list[int]:
    """Rows, and a sum over them."""
    return [int(value) for value in connection.execute(f"SELECT count(*), {tokens} FROM {table}").fetchall()[0]]
