"""P7: the largest of forty accounts erased: how soon nobody sees it, when its bytes are gone, what the rewrite costs.

The rewrite is held against a bare COPY FROM DATABASE of the same file. Each side has a process of its own; seconds mean
something on a machine that does nothing else, CPU time always does.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines import passage
from pipelines.gateways import provider
from retention import erase, people
from tests.benchmarks import contract_rows
from warehouse import build_memory, database
from warehouse.control.vault import Vault
from warehouse.errors import WithheldError
from warehouse.home import PROJECT, Home

QUESTION = "the largest of 40 accounts erased"
_TODAY = datetime(2026, 11, 20)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_DAYS = 30
_FILE_ROWS = 1_000_000
WHO = "account-0"


def prepare(rows: int, folder: Path) -> Home:
    """A home with so many calls of forty accounts over thirty days, landed by one pass; kept for the next run."""
    home = Home(folder / f"erasing-{rows}")
    if not home.people_file.exists():
        home.make(tuple(provider.gateways()))
        first = _TODAY - timedelta(days=_DAYS)
        for number, start in enumerate(range(0, rows, _FILE_ROWS), 1):
            log = home.inbox / "gateway_jsonl" / f"{number}.jsonl"
            contract_rows.write(log, min(_FILE_ROWS, rows - start), first_day=first, days=_DAYS, seed=number)
        passage.run_pass(home, _TODAY, lambda *_: None)
    return home


def report(console: Console, folder: Path, rows: int) -> None:
    """Erase that account in a copy of the home, and print what each part took."""
    with console.status(f"{QUESTION}: {rows:,} rows"):
        made = prepare(rows, folder)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            subprocess.run(["cp", "-a", str(made.root), f"{work}/home"], check=True)
            told = _side("erasing", Path(work))
            # Of what is left: the same rows that the rewrite wrote.
            bare = _side("copying", Path(work))
    ratios = f"{told['rewrite_cpu_s'] / bare['cpu_s']:.2f} x CPU, {told['rewrite_s'] / bare['s']:.2f} x s"
    shown = Table("part", "took", "CPU s", "aim at most", title=f"{QUESTION}: {told['gone']:,} of {rows:,} calls")
    shown.add_row("nobody sees it", f"{told['unreachable_s']:.2f} s", f"{told['unreachable_cpu_s']:.2f}", "1 s")
    shown.add_row("its bytes are gone", f"{told['gone_s']:.1f} s", f"{told['gone_cpu_s']:.1f}", "60 s")
    shown.add_row("every file is searched", f"{told['s']:.1f} s", f"{told['cpu_s']:.1f}", "")
    shown.add_row("the rewrite to a bare copy", ratios, f"{told['rewrite_cpu_s']:.1f}", "1.3")
    shown.add_row("memory", f"{told['peak_mb']:,} MB", "", "1,024 MB")
    console.print(shown)


def _side(name: str, work: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.erase", name, str(work)]
    done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _clock() -> tuple[float, float]:
    """Seconds of the clock, and CPU seconds of this process and those it waited for."""
    spent = os.times()
    return time.perf_counter(), spent.user + spent.system + spent.children_user + spent.children_system


def erasing(work: Path) -> dict[str, float]:
    """Begin and carry out, as a page and the process it starts do; seconds since the click, part by part."""
    home, moments = Home(work / "home"), {"click": _clock()}
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, _TODAY)
        moments["click"] = _clock()
        erase.begin(home, control, people.find(control, vault, "account", WHO), _TODAY)
    try:
        with database.published(home):
            raise AssertionError("a version is read while somebody is being erased")
    except WithheldError:
        moments["unreachable"] = _clock()

    def tell(what: str, _done: int, _total: int) -> None:
        moments[what] = _clock()

    (receipt,) = erase.carry_out(home, _TODAY, tell)
    moments["done"] = _clock()
    told = json.loads(receipt)
    assert told["found_in"] == {}, told["found_in"]

    def between(first: str, last: str) -> tuple[float, float]:
        return moments[last][0] - moments[first][0], moments[last][1] - moments[first][1]

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    names = ("unreachable_s", "unreachable_cpu_s", "gone_s", "gone_cpu_s", "s", "cpu_s", "rewrite_s", "rewrite_cpu_s")
    pairs = (("click", "unreachable"), ("click", "searching"), ("click", "done"), ("writing anew", "publishing"))
    values = [value for pair in pairs for value in between(*pair)]
    figures = dict(zip(names, values, strict=True))
    return figures | {"gone": told["rows"]["build.model.requests"], "peak_mb": int(status["VmHWM"].split()[0]) // 1024}


def copying(work: Path) -> dict[str, float]:
    """The statement by itself, with the build's settings."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{build_memory.USUAL_MB}MB",
        "preserve_insertion_order": "false",
    }
    began = _clock()
    with duckdb.connect(str(Home(work / "home").build_file), config=config) as connection:
        connection.execute(f"ATTACH '{work / 'bare.duckdb'}' AS bare")
        connection.execute("COPY FROM DATABASE warehouse TO bare")
        connection.execute("CHECKPOINT bare")
    ended = _clock()
    return {"s": ended[0] - began[0], "cpu_s": ended[1] - began[1]}


if __name__ == "__main__":
    print(json.dumps({"erasing": erasing, "copying": copying}[sys.argv[1]](Path(sys.argv[2]))))
