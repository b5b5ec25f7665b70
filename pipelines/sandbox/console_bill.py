"""The truth's bills -> inbox/console/*.csv: cost exports of consoles, of providers that this company has no API of.

An export holds whole days, as a person asks the console for them, and tells a day anew where it holds it again.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec

from pipelines.sandbox import bill_file, cloud_bill
from warehouse import money
from warehouse.home import Home

_TOKENS = {"input": "input_no_cache", "cached input": "input_cache_read", "output": "output"}


def choose(home: Home, providers: Sequence[str]) -> None:
    """Say whose bills come as exports, before anything is billed."""
    if providers:
        path = bill_file.exports_file(home)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        cloud_bill.written(path, msgspec.json.encode(sorted({*providers})))


def deliver(home: Home, first: date, after: date) -> list[Path]:
    """Lay the exports of the whole days of `[first, after)` into a sandbox home's inbox, 0600; the files."""
    found = []
    for provider in bill_file.exported(home):
        lines = bill_file.read(home, provider).lines
        rows = [row for row in lines.iter_rows(named=True) if first <= row["day"] < after]
        if rows:
            path = home.inbox / "console" / f"{provider}-cost-{rows[0]['day']}-{rows[-1]['day']}.csv"
            path.parent.mkdir(mode=0o700, exist_ok=True)
            cloud_bill.written(path, _text(list(_ROWS[provider](rows))).encode())
            found.append(path)
    return found


def _text(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _of_openai(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        starts = datetime.combine(row["day"], time.min, UTC)
        yield {
            "start_time": f"{starts.timestamp():.0f}",
            "end_time": f"{(starts + timedelta(days=1)).timestamp():.0f}",
            "amount_value": f"{money.from_pico(row['pico']):f}",
            "amount_currency": "usd",
            "line_item": f"{row['model']}, {row['kind']}",
            "project_id": f"proj_{row['project']}",
            "organization_id": "org-madeup",
            "project_name": row["project"],
        }


def _of_anthropic(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for row in rows:
        amount = f"{money.from_pico(row['pico']):f}"
        yield {
            "usage_date_utc": row["day"].isoformat(),
            "model": row["model"].replace("-", " ").title(),
            "workspace": row["project"],
            "usage_type": "batch" if row["service_tier"] == "batch" else "message",
            "context_window": "≤ 200k",
            "token_type": _TOKENS[row["kind"]],
            "cost_usd": amount,
            "list_price_usd": amount,
            "cost_type": "token",
        }


_ROWS = {"openai": _of_openai, "anthropic": _of_anthropic}
