"""P7 beside a load: the largest of forty accounts erased while a pass takes in as many calls again.

The pass gives way, and it or whoever asked carries the erasure out; Dagster's daemon idles beside. Each has a process
of its own and tells its moments by the machine's clock. The rewrite is held against a bare copy of what it wrote.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import passage
from retention import erase, people
from tests.benchmarks import contract_rows
from tests.benchmarks import erase as quiet
from warehouse import database
from warehouse.control import erasure as erasures
from warehouse.control.vault import Vault
from warehouse.errors import WithheldError
from warehouse.home import PROJECT, Home

QUESTION = "the largest of 40 accounts erased while as many calls load"
_NOW = datetime(2026, 11, 20, 12)  # noqa: DTZ001 (UTC, naive as everywhere below the pipelines)
_FILES = 10
_DAYS = 30
# The part of the load that is under way at the click.
_BEGINS_AT = {"reading": ("reading gateway_jsonl", 3), "modelling": ("modelling days", 1)}


def report(console: Console, folder: Path, rows: int) -> None:
    """Erase in a copy of the home while its inbox is read, and in another while days are modelled; print each part."""
    shown = Table(
        "begun while", "nobody sees it", "gave way", "bytes gone", "erased", "rewrite to copy", "load, eraser MB",
        title=f"{QUESTION}: {rows:,} rows and {rows:,} more; aims 1 s, 60 s for the bytes, 1.3, 1,024 MB",
    )  # fmt: skip
    with console.status(f"{QUESTION}: {rows:,} rows"):
        made = quiet.prepare(rows, folder)
        waiting = _waiting(rows, folder)
        for stage in _BEGINS_AT:
            with tempfile.TemporaryDirectory(dir=folder) as work, _idle_daemon(Path(work)):
                subprocess.run(["cp", "-a", str(made.root), f"{work}/home"], check=True)
                for log in waiting:
                    (Home(Path(work) / "home").inbox / "gateway_jsonl" / log.name).hardlink_to(log)
                told = _beside(stage, Path(work))
                bare = _ended("copying", Path(work), "tests.benchmarks.erase")
                ratio = f"{told['rewrite_cpu_s'] / bare['cpu_s']:.2f} x CPU, {told['rewrite_s'] / bare['s']:.2f} x s"
                seconds = [f"{told[part]:.2f} s" for part in ("unreachable_s", "gave_way_s", "gone_s", "erased_s")]
                shown.add_row(stage, *seconds, ratio, f"{told['pass_mb']:,}, {told['eraser_mb']:,}")
    console.print(shown)


def _waiting(rows: int, folder: Path) -> list[Path]:
    """What the pass is to take in, of the same accounts and days; kept for the next run."""
    logs = folder / f"erasing-{rows}-more"
    logs.mkdir(exist_ok=True)
    for number in range(_FILES):
        log = logs / f"more-{number}.jsonl"
        if not log.exists():
            part = log.with_suffix(".part")
            first = _NOW.replace(hour=0) - timedelta(days=_DAYS)
            contract_rows.write(part, rows // _FILES, first_day=first, days=_DAYS, seed=1_000 + number)
            part.rename(log)
    return sorted(logs.glob("*.jsonl"))


@contextmanager
def _idle_daemon(work: Path) -> Iterator[None]:
    """Dagster's daemon with nothing to run."""
    home = work / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    command = [sys.executable, "-m", "dagster._daemon", "run", "--empty-workspace"]
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    daemon = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait()


def _beside(stage: str, work: Path) -> dict[str, float]:
    """Begin the erasure in the middle of the load; the moments after the click, and the load is ended with it."""
    events: SimpleQueue[dict[str, Any]] = SimpleQueue()
    loading = _started("loading", work, events)
    try:
        begins_at = _BEGINS_AT[stage]
        while (event := events.get(timeout=3_600))["what"] != begins_at[0] or event["done"] < begins_at[1]:
            pass
        told = _ended("erasing", work)
        seen = [event]
        while not events.empty():
            seen.append(events.get())
    finally:
        # What it has left to do is no part of the question.
        loading.kill()
        loading.wait()
    seen = [each for each in [*seen, *told["events"]] if each["at"] >= told["click"]]

    def first(what: str) -> dict[str, Any]:
        return min((each for each in seen if each["what"] == what), key=lambda each: each["at"])

    wrote, wrote_it = first("writing anew"), first("publishing")
    return {
        "unreachable_s": told["unreachable"] - told["click"],
        "gave_way_s": first("erasing")["at"] - told["click"],
        "gone_s": first("searching")["at"] - told["click"],
        "erased_s": told["done"] - told["click"],
        "rewrite_s": wrote_it["at"] - wrote["at"],
        "rewrite_cpu_s": wrote_it["cpu_s"] - wrote["cpu_s"],
        "pass_mb": max((each["peak_mb"] for each in seen if each["who"] == loading.pid), default=0),
        "eraser_mb": told["peak_mb"],
    }


def _started(side: str, work: Path, events: "SimpleQueue[dict[str, Any]]") -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.erase_loading", side, str(work)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )

    def listen() -> None:
        for line in process.stdout or ():
            events.put(json.loads(line))

    Thread(target=listen, daemon=True).start()
    return process


def _ended(side: str, work: Path, module: str = "tests.benchmarks.erase_loading") -> dict[str, Any]:
    command = [sys.executable, "-m", module, side, str(work)]
    done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _event(what: str, done: int) -> dict[str, Any]:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    spent = os.times()
    peak_mb = int(status["VmHWM"].split()[0]) // 1024
    at, cpu_s = time.monotonic(), spent.user + spent.system
    return {"what": what, "done": done, "at": at, "cpu_s": cpu_s, "peak_mb": peak_mb, "who": os.getpid()}


def loading(work: Path) -> None:
    """One pass, which tells of its parts."""
    passage.run_pass(Home(work / "home"), _NOW, lambda what, done, _: print(json.dumps(_event(what, done)), flush=True))


def erasing(work: Path) -> None:
    """Begin and carry out, as a page and the process it starts do, until there is a receipt."""
    home, events = Home(work / "home"), []
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, _NOW)
        subject = people.find(control, vault, "account", quiet.WHO)
        click = time.monotonic()
        begun = erase.begin(home, control, subject, _NOW)
    try:
        with database.published(home):
            raise AssertionError("a version is read while somebody is being erased")
    except WithheldError:
        unreachable = time.monotonic()
    erase.carry_out(home, _NOW, lambda what, done, _: events.append(_event(what, done)))
    finished = time.monotonic()
    with database.control(home) as control:
        found = erasures.receipt_of(control, begun.erasure_no)
    assert found is not None
    left = {place for place in json.loads(found[0])["found_in"] if not place.startswith("inbox/")}
    assert not left, left
    told = {"click": click, "unreachable": unreachable, "done": finished, "events": events}
    print(json.dumps({**told, "peak_mb": _event("", 0)["peak_mb"]}))


if __name__ == "__main__":
    {"loading": loading, "erasing": erasing}[sys.argv[1]](Path(sys.argv[2]))
