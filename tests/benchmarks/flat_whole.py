"""A flat log through a whole pass but its publication, against the yardstick of `flat`.

Beside what P1 asks: every roll-up, the histogram of latencies, tags, failures and what changed, in one transaction with
the requests.
"""

from pathlib import Path

import dlt  # noqa: F401 (imported before the clock starts, as in a run)
import polars as pl  # noqa: F401 (the same)

from pipelines.materialization import build
from tests.benchmarks import flat
from warehouse import database

QUESTION = "flat JSONL to every model"
prepare, yardstick = flat.prepare, flat.yardstick


def ours(rows: int, folder: Path, work: Path) -> list[int]:
    """From the inbox to the build, as a pass does it."""
    home = flat.ingested(rows, folder, work)
    with database.held(home.build_lock), database.build(home) as connection:
        build.build(home, connection, lambda *_: None)
        return flat.answer(connection, "model.requests", "sum(input_tokens)")
