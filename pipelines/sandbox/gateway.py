"""GroundTruth -> inbox/gateway_jsonl/*.jsonl.gz: what the made-up gateway's log says of the calls, a file a day."""

import gzip
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipelines.errors import PipelineError
from pipelines.sandbox.company import GATEWAY, World
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse.home import Home

# The contract's fields (pipelines/providers/gateway_jsonl.py), and the columns of the truth that they tell.
FIELDS = {
    "request_id": "request_id",
    "ts": "requested_at",
    "account_id": "account",
    "key_id": "key",
    "upstream": "connection",
    "project": "project",
    "team": "team",
    "user_id": "user",
    "end_user_id": "end_user",
    "tags": "tags",
    "provider": "provider",
    "model": "model",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cached_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "service_tier": "service_tier",
    "status": "status",
    "latency_ms": "latency_ms",
    "ip": "ip",
    "user_agent": "user_agent",
    "cost": "cost",
}
# The gateway gives every cache GPT-4.1's discount. Anthropic's and Google's caches cost a tenth and GPT-4o's a half, so
# its cost is too high for the first two and too low for the last: a few per cent over a month.
CACHE_PRICE_SHARE = 0.25


def write_logs(truth: GroundTruth, home: Home, until: datetime | None = None) -> list[Path]:
    """Write the truth's calls before `until` into a sandbox home's inbox, a file for each UTC day; returns the files.

    A file is named by its first call and appears whole (`.part`, then renamed), 0600. Raises PipelineError if the home
    is not marked as a sandbox, or if its inbox leads out of it: no made-up row enters a real home.
    """
    inbox = inbox_of(home, GATEWAY)
    calls = _as_logged(truth.told_by(GATEWAY, until))
    days = calls.group_by(pl.col("requested_at").dt.date(), maintain_order=True)
    return [packed(inbox / f"{_name(day)}.jsonl.gz", _lines(day)) for _, day in days]


def inbox_of(home: Home, source: str) -> Path:
    """A source's inbox in a sandbox home; PipelineError as `write_logs`."""
    next_step = "name an empty folder in APILEDGER_SANDBOX_HOME and start the sandbox again"
    if not home.is_sandbox:
        raise PipelineError(f"home {home.root} has no SANDBOX mark, so no made-up call is written to it: {next_step}")
    inbox = home.inbox / source
    if not inbox.resolve().is_relative_to(home.root.resolve()):
        raise PipelineError(f"the inbox of sandbox home {home.root} leads out of it by a link: {next_step}")
    inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    return inbox


def _as_logged(calls: pl.DataFrame) -> pl.DataFrame:
    world = World.load()
    unnamed = [account.name for account in world.account if not account.names_upstream]
    # Doubles on purpose: gateways count in them, and the figure they log is evidence, never the books.
    prices = pl.DataFrame(
        [
            {
                "model": name,
                "input_price": float(model.gateway_usd_mtok.input),  # not money: a gateway's double
                "output_price": float(model.gateway_usd_mtok.output),  # not money: a gateway's double
            }
            for name, model in world.model.items()
            if model.gateway_usd_mtok
        ]
    )
    full_price_tokens = pl.col("input_tokens") - pl.col("cached_tokens") * (1 - CACHE_PRICE_SHARE)
    cost = full_price_tokens * pl.col("input_price") + pl.col("output_tokens") * pl.col("output_price")
    return calls.join(prices, on="model", how="left", maintain_order="left").with_columns(
        connection=pl.when(~pl.col("account").is_in(unnamed)).then("connection"),
        cost=cost / 1_000_000,
    )


def _name(day: pl.DataFrame) -> str:
    first: datetime = day["requested_at"][0]
    return f"{first:%Y-%m-%dT%H%M%S}.{first.microsecond // 1000:03}Z"


def packed(path: Path, lines: Iterable[bytes]) -> Path:
    """Write lines into a file of an inbox, gzip: whole or not at all, 0600, the same lines the same bytes."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # Neither name nor time goes into the gzip header.
    with (
        os.fdopen(descriptor, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as written,
    ):
        written.write(b"".join(lines))
    part.replace(path)
    return path


def _lines(day: pl.DataFrame) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    columns = day.with_columns(pl.col("requested_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    for row in columns.iter_rows(named=True):
        yield encoder.encode(_line(row)) + b"\n"


def _line(row: dict[str, Any]) -> dict[str, Any]:
    line = {field: row[column] for field, column in FIELDS.items() if row[column] is not None}
    # As real gateways do: a code where one was sent, a word where the caller had gone.
    if row["status"] != "cancelled":
        line["status"] = row["http_status"]
    if "cost" in line:
        line["cost"] = repr(line["cost"])
    return line
