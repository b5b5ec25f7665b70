"""Logs for tests: lines of the gateway_jsonl contract, real LiteLLM records, whole passes, and what came out.

Our numbers are random a home; `facts` puts names in their place, so that two homes with the same calls are equal.
"""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.gateways.ingest import Ingested
from pipelines.passage import PassReport, run_pass
from warehouse import database
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22, tzinfo=UTC)
CALL = {
    "request_id": "call-1",
    "ts": "2026-11-20T10:00:00Z",
    "account_id": "acme",
    "key_id": "key one",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 10,
    "output_tokens": 5,
    "status": "ok",
    "latency_ms": 120,
}
# A file of this size is read in columns; padding that no contract knows makes one of any content.
SHORT_ROAD_PAD = "x" * 1_200_000
LITELLM = Path("data/litellm_gateway_logs")
SPEND_LOGS = LITELLM / "azure_conv_985_spend_logs.jsonl.gz"
PAYLOADS = LITELLM / "azure_conv_985_standard_logging_payload.jsonl.gz"
FAILURES = LITELLM / "azure_conv_20_failures_standard_logging_payload.jsonl.gz"

_NAMED = ("account", "project", "team", "key")


def call(**fields: Any) -> dict[str, Any]:
    """Make one call of the contract; a field given as `...` is left out."""
    return {name: value for name, value in {**CALL, **fields}.items() if value is not ...}


def line(**fields: Any) -> str:
    """Make one line of the contract; a field given as `...` is left out."""
    return json.dumps(call(**fields))


def lines_of(file: Path) -> list[str]:
    """The lines of a real log, unpacked."""
    with gzip.open(file, "rt", encoding="utf-8") as handle:
        return handle.read().splitlines()


def put(home: Home, name: str, lines: Iterable[str | bytes], gateway: str = "gateway_jsonl") -> Path:
    """Lay a file of these lines into an inbox; packed where its name says so."""
    content = b"".join((one if isinstance(one, bytes) else one.encode()) + b"\n" for one in lines)
    path = home.inbox / gateway / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    return path


def take_in(home: Home, now: datetime = NOW) -> PassReport:
    """Run one whole pass."""
    return run_pass(home, now, lambda *_: None)


def taken(report: PassReport, gateway: str = "gateway_jsonl") -> Ingested:
    """What a pass took from one inbox, whichever other sources there are."""
    return next(each for each in report.ingested if each.gateway == gateway)


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    """Ask the newest published version."""
    with database.published(home) as connection:
        return connection.execute(sql).fetchall()


def one(home: Home, sql: str) -> Any:
    """Ask the newest published version for one value."""
    ((value,),) = query(home, sql)
    return value


def rows(home: Home, table: str) -> list[tuple[Any, ...]]:
    """Every row of a table, sorted: two sets of rows are equal where these are."""
    return sorted(query(home, f"FROM {table}"), key=repr)


def facts(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """The calls and every roll-up of a home with names in the place of our random numbers."""
    joins = " ".join(
        f"LEFT JOIN model.{what} AS {what} ON {what}.{what}_no = fact.{what}_no AND {what}.valid_to IS NULL"
        for what in _NAMED
    )
    people = ("requests", "usage_hourly", "usage_daily")
    found = {}
    for table in (*people, "usage_monthly"):
        named = [what for what in _NAMED if table in people or what != "key"]
        # Users and upstreams have no names here: how many there are is what is compared, below.
        numbers = [f"{what}_no" for what in (*named, "user")] if table in people else [f"{what}_no" for what in named]
        numbers.append("upstream_no")
        if table == "requests":
            numbers += ["request_no", "end_user_no", "client_no"]
        # What is no label is called by its number, which is random, too.
        labels = ", ".join(f"regexp_replace({what}.label, '\\d{{9,}}', '#')" for what in named)
        used = joins if "key" in named else joins.rpartition("LEFT JOIN")[0]
        found[table] = sorted(
            query(home, f"SELECT {labels}, fact.* EXCLUDE ({', '.join(numbers)}) FROM model.{table} AS fact {used}"),
            key=repr,
        )
    unnumbered = "* REPLACE (regexp_replace(account, '\\d{9,}', '#') AS account)"
    found["latency"] = sorted(query(home, f"SELECT {unnumbered} FROM mart.latency_daily"), key=repr)
    unnamed = ("user_no", "end_user_no", "client_no", "upstream_no")
    counted = ", ".join(f"count(DISTINCT {number})" for number in unnamed)
    found["unnamed"] = query(home, f"SELECT {counted} FROM model.requests")
    found["tags"] = sorted(
        query(home, "SELECT request_id, tag FROM model.request_tag JOIN model.requests USING (request_no)")
    )
    return found


def quarantine(home: Home) -> list[tuple[int, int, str]]:
    """Line number, length and reason of every line held back."""
    with database.control(home) as control:
        return control.execute("SELECT line_no, bytes, reason FROM quarantine ORDER BY file_sha256, line_no").fetchall()
