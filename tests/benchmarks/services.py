"""P6: `apiledger up`: until it answers, from a file in the inbox to an open page, and what it holds when idle."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped] # no types are shipped
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from tests.conftest import BROWSERS
from warehouse.home import PROJECT

FILES = 5
AIM_S = 30
_PATIENCE_S = 180
_IDLE_AFTER_S = 60
_CALL_USD = 3.5
_CALL = {
    "account_id": "acme",
    "key_id": "k1",
    "provider": "openai",
    "model": "gpt-4o",
    "status": 200,
    "latency_ms": 300,
    "input_tokens": 1_000_000,
    "output_tokens": 100_000,
}


def report(console: Console, folder: Path, rows: int) -> None:
    """Serve a home with a log of `rows` calls a file, drop FILES more while a browser shows the overview; print."""
    with tempfile.TemporaryDirectory(dir=folder) as work, _up(Path(work), rows) as (home, link, started_s):
        shown = Table("question", "median", "worst", "aim at most", title=f"`apiledger up`, {rows:,} calls a file")
        shown.add_row("from the command to the addresses, s", f"{started_s:.1f}", "", "")
        with sync_playwright() as play:
            chromium = next((path for path in map(shutil.which, BROWSERS) if path), None)
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = _signed_in(browser.new_page(), link)
            took = [_seen(page, home, number, rows) for number in range(FILES)]
            browser.close()
        said = (f"{median(took):.1f}", f"{max(took):.1f}", f"{AIM_S}")
        shown.add_row("from a file in the inbox to the open page, s", *said)
        time.sleep(_IDLE_AFTER_S)
        held = dict(sorted(_held_mb(home).items(), key=lambda one: -one[1]))
        shown.add_row("idle, all services, MB of PSS", f"{sum(held.values()):.0f}", "", "")
        for name, megabytes in held.items():
            shown.add_row(f"  {name}", f"{megabytes:.0f}", "", "")
    console.print(shown)


@contextmanager
def _up(work: Path, rows: int) -> Iterator[tuple[Path, str, float]]:
    """The services over a new home: the home, the link to sign in, the seconds until it was printed."""
    home = work / "own"
    (home / "inbox" / "gateway_jsonl").mkdir(parents=True)
    _drop(home, "first", rows)
    environment = os.environ | {
        "APILEDGER_HOME": str(home),
        "APILEDGER_SANDBOX_HOME": str(work / "sandbox"),
    }
    cli = [sys.executable, "-c", "from pipelines.cli import main; main()"]
    begun, told = time.perf_counter(), work / "up.log"
    with told.open("w") as log:
        subprocess.run([*cli, "up"], env=environment, cwd=PROJECT, stdout=log, stderr=log, check=True)
    try:
        found = re.search(r"Sign in\s+(\S+)", told.read_text())
        assert found is not None, told.read_text()
        yield home, found[1], time.perf_counter() - begun
    finally:
        subprocess.run([*cli, "stop"], env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False)


def _drop(home: Path, name: str, rows: int) -> None:
    """A file of calls, renamed into the inbox."""
    moment = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = (json.dumps({"request_id": f"{name}-{row}", "ts": moment} | _CALL) for row in range(rows))
    part = home / "inbox" / "gateway_jsonl" / f".{name}.part"
    part.write_text("\n".join(lines) + "\n")
    part.rename(part.with_name(f"{name}.jsonl"))


def _signed_in(page: Page, link: str) -> Page:
    page.goto(link)
    page.get_by_role("button").first.click()
    where = urlsplit(link)
    page.goto(f"{where.scheme}://{where.netloc}/")
    page.get_by_role("region", name="This month so far").first.wait_for(timeout=_PATIENCE_S * 1000)
    return page


def _seen(page: Page, home: Path, number: int, rows: int) -> float:
    """Seconds from one more file to its sum on the page that is open."""
    begun = time.perf_counter()
    _drop(home, f"more-{number}", rows)
    spend = f"${(number + 2) * rows * _CALL_USD:,.2f}"
    page.get_by_text(spend, exact=True).first.wait_for(timeout=_PATIENCE_S * 1000)
    return time.perf_counter() - begun


def _held_mb(home: Path) -> dict[str, float]:
    """Megabytes of proportional set size of each process that serves this home."""
    found: dict[str, float] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("APILEDGER_HOME") == str(home):
                name = " ".join(part for part in process.cmdline() if "/" not in part)[:60]
                found[name] = found.get(name, 0) + process.memory_full_info().pss / 1e6
        except psutil.Error:
            # It ended meanwhile, or is another person's.
            continue
    return found
