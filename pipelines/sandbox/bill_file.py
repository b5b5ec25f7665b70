"""`<home>/providers/bills.json`: what the sandbox's providers have billed so far, kept by day, as their own books are.

The calls themselves are not in it: a bill is made once, from the same truth as the gateway's log, and added to as the
sandbox goes on. The leaked key's calls are left out, so that pieces can be added; whoever reads the file adds them.
"""

import os
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipelines.sandbox import tool_use
from pipelines.sandbox.bill import KINDS, LINES_BY, USAGE_BY, Bill
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse.home import Home

PROVIDERS = ("openai", "anthropic")
_NAMES = {name: pl.String() for name in {*USAGE_BY, *LINES_BY} - {"day"}}
_USAGE_SCHEMA = {"day": pl.Date(), **{name: _NAMES[name] for name in USAGE_BY[1:]}, "requests": pl.Int64()} | {
    kind: pl.Int64() for kind in KINDS
}
_LINES_SCHEMA = {"day": pl.Date(), **{name: _NAMES[name] for name in LINES_BY[1:]}, "tokens": pl.Int64()} | {
    "pico": pl.Int64()
}


def bill_file(home: Home) -> Path:
    """Where the bills of a sandbox home are."""
    return home.root / "providers" / "bills.json"


def add(home: Home, truth: GroundTruth) -> None:
    """Add the bills of a stretch of calls to what was billed before; the file is 0600, whole or not at all."""
    made = {}
    before = _read(home)
    for provider in PROVIDERS:
        bill = Bill.served(truth, provider)
        if provider in before:
            bill = before[provider].plus(bill)
        made[provider] = {name: getattr(bill, name).to_dicts() for name in ("usage", "lines", "tools")}
    path = bill_file(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    working = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(msgspec.json.encode(made))
    working.replace(path)


def read(home: Home) -> dict[str, Bill]:
    """The whole bill of each provider, the leaked key's calls included; none where the sandbox has no bills."""
    return {provider: bill.with_leak(provider) for provider, bill in _read(home).items()}


def nothing() -> Bill:
    """The bill of a provider that nobody has called."""
    return Bill(_frame([], _USAGE_SCHEMA), _frame([], _LINES_SCHEMA))


def _read(home: Home) -> dict[str, Bill]:
    try:
        told = msgspec.json.decode(bill_file(home).read_bytes())
    except FileNotFoundError:
        return {}
    return {
        provider: Bill(
            _frame(frames["usage"], _USAGE_SCHEMA),
            _frame(frames["lines"], _LINES_SCHEMA),
            # A sandbox that was made before tools were paid by use has none.
            _frame(frames.get("tools", []), dict(tool_use.none().schema)),
        )
        for provider, frames in told.items()
    }


def _frame(rows: list[dict[str, Any]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame([row | {"day": date.fromisoformat(row["day"])} for row in rows], schema=schema, orient="row")
