"""`<home>/providers/bills/<name>.json`: what the sandbox's providers have billed so far, by day, as their books are.

The calls themselves are not in it: a bill is made once, from the same truth as the gateway's log, and added to as the
sandbox goes on. The leaked key's calls are left out, so that pieces can be added; whoever reads a file adds them.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipelines.sandbox import tool_use
from pipelines.sandbox.bill import KINDS, LINES_BY, USAGE_BY, Bill
from pipelines.sandbox.cause import USUAL, Planted
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse.home import Home

PROVIDERS = ("openai", "anthropic", "openrouter", "vercel", "deepseek", "google")
# A cloud's bill counts no calls and nobody else's count is beside it: it bills what was delivered.
_PLANTED = {"google": replace(USUAL, cancelled_times=1)}
# Nor does a console's export: of what the log lacks there would be no evidence.
_EXPORTED = replace(USUAL, cancelled_times=1, leaks=False, tool_percent=0)
_NAMES = {name: pl.String() for name in {*USAGE_BY, *LINES_BY} - {"day"}}
_USAGE_SCHEMA = {"day": pl.Date(), **{name: _NAMES[name] for name in USAGE_BY[1:]}, "requests": pl.Int64()} | {
    kind: pl.Int64() for kind in KINDS
}
_LINES_SCHEMA = {"day": pl.Date(), **{name: _NAMES[name] for name in LINES_BY[1:]}, "tokens": pl.Int64()} | {
    "pico": pl.Int64()
}


def bill_file(home: Home, provider: str) -> Path:
    """Where a provider's bill of a sandbox home is."""
    return home.root / "providers" / "bills" / f"{provider}.json"


def exports_file(home: Home) -> Path:
    """Where it stands whose bills come as exports of their consoles."""
    return home.root / "providers" / "consoles.json"


def exported(home: Home) -> tuple[str, ...]:
    """The providers whose bills come as exports of their consoles: these have no API."""
    path = exports_file(home)
    return tuple(msgspec.json.decode(path.read_bytes(), type=list[str])) if path.exists() else ()


def planted(home: Home, provider: str) -> Planted:
    """What makes a provider's bill differ from the log."""
    return _EXPORTED if provider in exported(home) else _PLANTED.get(provider, USUAL)


def there(home: Home) -> tuple[str, ...]:
    """The providers that have billed anything to a home."""
    return tuple(provider for provider in PROVIDERS if bill_file(home, provider).exists())


def add(home: Home, truth: GroundTruth, providers: Sequence[str] = PROVIDERS) -> None:
    """Add the bills of a stretch of calls to what was billed before; files are 0600, each whole or not at all."""
    for provider in providers:
        path = bill_file(home, provider)
        bill = Bill.served(truth, provider, planted(home, provider))
        if path.exists():
            bill = _read(path).plus(bill)
        made = {name: getattr(bill, name).to_dicts() for name in ("usage", "lines", "tools")}
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        working = path.with_name(f".{path.name}.part")
        with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(msgspec.json.encode(made))
        working.replace(path)


def read(home: Home, provider: str) -> Bill:
    """A provider's whole bill, the leaked key's calls included; of one that has billed nothing, a bill of nothing."""
    path = bill_file(home, provider)
    if not path.exists():
        return nothing()
    return _read(path).with_leak(provider) if planted(home, provider).leaks else _read(path)


def nothing() -> Bill:
    """The bill of a provider that nobody has called."""
    return Bill(_frame([], _USAGE_SCHEMA), _frame([], _LINES_SCHEMA))


def _read(path: Path) -> Bill:
    told = msgspec.json.decode(path.read_bytes())
    return Bill(
        _frame(told["usage"], _USAGE_SCHEMA),
        _frame(told["lines"], _LINES_SCHEMA),
        _frame(told["tools"], dict(tool_use.none().schema)),
    )


def _frame(rows: list[dict[str, Any]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame([row | {"day": date.fromisoformat(row["day"])} for row in rows], schema=schema, orient="row")
