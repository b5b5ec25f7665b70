"""P5: a night's expiry with 365 days of history against the same night with 30, apart from the rewrite of the file.

The rewrite has a question of its own (`rewrite`): it copies what there is.
"""

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import dlt  # noqa: F401 (imported before the clock starts, as in a run)
import polars as pl  # noqa: F401 (the same)

from pipelines import passage
from pipelines.gateways import provider
from pipelines.orchestration import retain
from retention import rewrite
from retention.clock import Reading
from tests.benchmarks import contract_rows
from warehouse import database
from warehouse.home import Home

QUESTION = "a night's expiry with a year of history, against a month"
_TODAY = datetime(2026, 11, 20)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_HISTORY = {"ours": 365, "yardstick": 30}


def prepare(rows: int, folder: Path) -> None:
    """A home with `rows` calls a day for a year, one for a month, both up to last night; and a day more."""
    for days in _HISTORY.values():
        home = folder_home(folder, days, rows)
        if home.root.exists():
            continue
        home.make(tuple(provider.gateways()))
        # Calls of a month are kept, so that the same number of them goes tonight in both.
        (home.root / "policy.toml").write_text("[kept_days]\nR-requests = 25\nR-receipt-days = 25\n")
        first = _TODAY - timedelta(days=days)
        contract_rows.write(home.inbox / "gateway_jsonl" / "history.jsonl", rows * days, first_day=first, days=days)
        passage.run_pass(home, _TODAY, lambda *_: None)
        expire(home, _TODAY - timedelta(days=1))
        day = home.inbox / "gateway_jsonl" / "day.jsonl"
        contract_rows.write(day, rows, first_day=_TODAY, days=1, seed=2)
        passage.run_pass(home, _TODAY + timedelta(hours=23), lambda *_: None)


def folder_home(folder: Path, days: int, rows: int) -> Home:
    """The prepared home of a history."""
    return Home(folder / f"expiring-{days}-{rows}")


def expire(home: Home, today: datetime) -> retain.Night:
    """Carry out the night after `today`."""
    now = today + timedelta(days=1, hours=2)
    return retain.expire_home(home, Reading(now, "one", now.timestamp()), lambda *_: None, clock_is_right=True)


def before(name: str, rows: int, folder: Path, work: Path) -> None:
    """A copy of the home."""
    shutil.copytree(folder_home(folder, _HISTORY[name], rows).root, work / "home", symlinks=True)


def ours(_rows: int, _folder: Path, work: Path) -> list[int]:
    """Everything but writing the file anew and publishing it."""
    rewrite.rewrite = _left_out
    rewrite.publish = _left_out_too
    home = Home(work / "home")
    night = expire(home, _TODAY)
    with database.read_only(home.build_file) as connection:
        ((first,),) = connection.execute("SELECT min(requested_at)::DATE FROM model.requests").fetchall()
    by_clause = night.by_clause()
    return [by_clause["R-raw"], by_clause["R-requests"], first.toordinal()]


def _left_out(home: Home) -> int:
    return int(not home.root.exists())


def _left_out_too(home: Home, control: sqlite3.Connection, now: datetime) -> int:
    return int(not (home and control and now))


yardstick = ours
