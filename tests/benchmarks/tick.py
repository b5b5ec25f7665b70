"""P4: one day's tick with 365 days of history, against the same tick with 7."""

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import dlt  # noqa: F401 (imported before the clock starts, as in a run)
import polars as pl  # noqa: F401 (the same)

from pipelines import passage
from pipelines.gateways import provider
from tests.benchmarks import contract_rows
from warehouse import database
from warehouse.home import Home

QUESTION = "a day's tick with a year of history, against a week"
_TODAY = datetime(2026, 11, 20)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_HISTORY = {"ours": 365, "yardstick": 7}


def prepare(rows: int, folder: Path) -> None:
    """A home with `rows` calls a day for a year, one for a week, and the log of the day that ticks."""
    for days in _HISTORY.values():
        home = Home(folder / f"home-{days}-{rows}")
        if not home.root.exists():
            home.make(tuple(provider.gateways()))
            inbox = home.inbox / "gateway_jsonl" / "history.jsonl"
            # Yesterday by itself: the first checkpoint after a load of all of history sweeps up behind that load.
            yesterday = _TODAY - timedelta(days=1)
            first = _TODAY - timedelta(days=days)
            contract_rows.write(inbox, rows * (days - 1), first_day=first, days=days - 1)
            passage.run_pass(home, yesterday, lambda *_: None)
            contract_rows.write(inbox, rows, first_day=yesterday, days=1, seed=3)
            passage.run_pass(home, _TODAY, lambda *_: None)
    day = folder / f"day-{rows}.jsonl"
    if not day.exists():
        contract_rows.write(day, rows, first_day=_TODAY, days=1, seed=2)


def before(name: str, rows: int, folder: Path, work: Path) -> None:
    """A copy of the home with the day's log in its inbox."""
    shutil.copytree(folder / f"home-{_HISTORY[name]}-{rows}", work / "home", symlinks=True)
    shutil.copyfile(folder / f"day-{rows}.jsonl", work / "home" / "inbox" / "gateway_jsonl" / "day.jsonl")
    # Else the tick pays for making this copy durable.
    os.sync()


def ours(_rows: int, _folder: Path, work: Path) -> list[int]:
    """The whole pass, publication included."""
    home = Home(work / "home")
    passage.run_pass(home, _TODAY + timedelta(days=1), lambda *_: None)
    with database.published(home) as connection:
        query = "SELECT sum(requests)::BIGINT FROM mart.spend_daily WHERE day = ?"
        return [connection.execute(query, [_TODAY.date()]).fetchall()[0][0]]


yardstick = ours
