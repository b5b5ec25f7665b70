"""Benchmarks with their yardsticks: ratios in one run, never seconds by themselves.

`python -m tests.benchmarks [--rows N] [--times N] [name …]`; without names, all. Working files go to build/benchmarks.
"""

import argparse
import importlib
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import measure
from tests.conftest import MASTER_KEY

# name -> rows, what the ratio should be at most, how often
PAIRS = {
    "flat": (1_000_000, "3.0 at 1 M, 2.0 at 10 M", 3),
    "flat_whole": (1_000_000, "none: what P1 leaves out is in it", 3),
    "nested": (20_000, "1.0", 5),
    "roll_up": (1_000_000, "1.5 at 10 M", 3),
    "roll_up_many": (1_000_000, "0.6 at 10 M", 3),
    "pricing": (1_000_000, "3.0", 5),
    "tick": (5_000, "1.2", 3),
    "expire": (5_000, "1.2", 3),
    "rewrite": (5_000, "1.3", 3),
}
# These print figures of several parts: name -> rows.
REPORTS = {"pages": 1_000_000, "people": 1_000_000, "erase": 1_000_000, "erase_loading": 1_000_000, "services": 5}


def main() -> None:
    """Run what is asked for and print one row a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*PAIRS, *REPORTS])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--times", type=int)
    asked = parser.parse_args()
    folder = Path(__file__).resolve().parents[2] / "build" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    # Homes that are kept from run to run are sealed under a key that is nobody's.
    os.environ["APILEDGER_MASTER_KEY"] = MASTER_KEY
    console = Console(width=140)
    shown = Table("question", "rows", "ours s", "MB", "yardstick s", "MB", "ratio", "of CPU", "aim at most")
    for name in asked.names:
        bench = importlib.import_module(f"tests.benchmarks.{name}")
        if name in REPORTS:
            bench.report(console, folder, asked.rows or REPORTS[name])
            continue
        rows, aim, times = PAIRS[name]
        rows, times = asked.rows or rows, asked.times or times
        with console.status(f"{bench.QUESTION}: {rows:,} rows"):
            bench.prepare(rows, folder)
            ours, theirs, ratio, cpu_ratio = measure.pair(name, rows, folder, times)
        seconds = (f"{ours.seconds:.2f}", str(ours.peak_mb), f"{theirs.seconds:.2f}", str(theirs.peak_mb))
        shown.add_row(bench.QUESTION, f"{rows:,}", *seconds, f"{ratio:.2f}", f"{cpu_ratio:.2f}", aim)
    if shown.row_count:
        console.print(shown)


if __name__ == "__main__":
    main()
