"""P1: a flat log to deduplicated requests through dlt, against DuckDB's own read_json, dedup and insert.

Ours is the whole way to model.requests: allow-list, numbers for ids, sealed clients, raw through dlt, receipts, priced,
and every roll-up in the same transaction.
"""

from datetime import datetime
from pathlib import Path

import dlt  # noqa: F401 (imported before the clock starts, as in a run)
import duckdb
import polars as pl  # noqa: F401 (the same)

from pipelines.gateways import ingest, provider
from pipelines.materialization import build
from pipelines.providers import gateway_jsonl
from tests.benchmarks import contract_rows
from warehouse import database
from warehouse.home import Home

QUESTION = "flat JSONL to deduplicated requests"
_NOW = datetime(2026, 11, 21)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)


def prepare(rows: int, folder: Path) -> None:
    """The log, once for both sides."""
    path = folder / f"flat-{rows}.jsonl"
    if not path.exists():
        contract_rows.write(path, rows, first_day=datetime(2026, 10, 20))  # noqa: DTZ001 (the same)


def ours(rows: int, folder: Path, work: Path) -> list[int]:
    """From the inbox to model.requests, as a pass does it."""
    home = Home(work / "home").make(tuple(provider.gateways()))
    (home.inbox / "gateway_jsonl" / "log.jsonl").hardlink_to(folder / f"flat-{rows}.jsonl")
    ingest.ingest(home, provider.gateways()["gateway_jsonl"], _NOW, lambda *_: None)
    with database.held(home.build_lock), database.build(home) as connection:
        build.build(home, connection, lambda *_: None)
        return _answer(connection, "model.requests", "sum(input_tokens)")


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
        return _answer(connection, "requests", "sum(input_tokens)::BIGINT")


def _answer(connection: duckdb.DuckDBPyConnection, table: str, tokens: str) -> list[int]:
    return [int(value) for value in connection.execute(f"SELECT count(*), {tokens} FROM {table}").fetchall()[0]]
