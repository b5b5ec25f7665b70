"""P9: fifty people who sign in at once and open the overview: how soon a page is painted, and what the server holds.

Each has ten of the accounts that `pages` makes. Painted first is the browser's own `first-contentful-paint`.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psutil  # type: ignore[import-untyped] # no types are shipped
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from rich.console import Console
from rich.table import Table

from tests.benchmarks import pages
from tests.conftest import BROWSERS
from tests.dashboards import people_site
from tests.dashboards.people_site import Site
from warehouse import database
from warehouse.control import claim
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

PEOPLE = 50
TIMES = 20
PAINT_AIM_MS = 1500
MEMORY_AIM_MB = 1000
_PATIENCE_MS = 180_000
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def report(console: Console, folder: Path, rows: int) -> None:
    """Sign fifty people in at once, let all open the overview, then one of them TIMES times; print what it took."""
    home = _home(folder, pages.home_of(folder, rows, console))
    emails = _people(home)
    shown = Table("question", "p50", "p95", "aim at most", title=f"{PEOPLE} people, {rows:,} calls")
    with _served(home) as (port, server):
        with _watched(server) as peak, ThreadPoolExecutor(PEOPLE) as pool:
            sites = [Site(port, home) for _ in emails]
            begun = time.perf_counter()
            took = list(pool.map(lambda each: _signed_in(*each), zip(sites, emails, strict=True)))
            whole = time.perf_counter() - begun
        shown.add_row("a person's sign-in among fifty, s", *_figures(took), "")
        shown.add_row("all fifty signed in, s", f"{whole:.1f}", "", "")
        shown.add_row("server while they sign in, MB of PSS", "", f"{peak[0]:.0f}", f"{MEMORY_AIM_MB}")
        with sync_playwright() as play:
            chromium = next((path for path in map(shutil.which, BROWSERS) if path), None)
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            with _watched(server) as peak:
                _all_open(browser, sites)
            shown.add_row("server while fifty open the overview, MB of PSS", "", f"{peak[0]:.0f}", f"{MEMORY_AIM_MB}")
            painted = [_opened(browser, sites[each % PEOPLE]) for each in range(TIMES)]
            browser.close()
    shown.add_row("first paint, ms", *_figures([first for first, _ in painted]), f"{PAINT_AIM_MS}")
    shown.add_row("this month's spend on the page, ms", *_figures([figure for _, figure in painted]), "")
    console.print(shown)


def _home(folder: Path, figures: Home) -> Home:
    """A home of its own for people, with a key of its own, that shows the figures of another."""
    home = Home(folder / "people")
    shutil.rmtree(home.root, ignore_errors=True)
    home.make(("gateway_jsonl",))
    shutil.rmtree(home.published)
    home.published.symlink_to(figures.published)
    return home


def _people(home: Home) -> list[str]:
    """Fifty accounts with ten labels each."""
    now = datetime.now(UTC).replace(tzinfo=None)
    emails = [f"person-{each}@team.example" for each in range(PEOPLE)]
    with database.control(home) as control:
        vault = Vault(control, now)
        for each, email in enumerate(emails):
            members.sign_up(control, vault, email, people_site.HASH, now)
            found = members.find(control, vault, email)
            assert found is not None
            for label in range(each, pages.ACCOUNTS, PEOPLE):
                claim.put(control, f"account-{label}", found[0].account_no, now)
    return emails


def _signed_in(site: Site, email: str) -> float:
    begun = time.perf_counter()
    status, *_ = site.sign_in(email)
    assert status == 303, status
    return time.perf_counter() - begun


@contextmanager
def _served(home: Home) -> Iterator[tuple[int, psutil.Process]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "APILEDGER_HOME": str(home.root),
        "APILEDGER_DASHBOARD_PORT": str(port),
        "PYTHONPATH": str(PROJECT),
    }
    with subprocess.Popen([sys.executable, "-m", "dashboards.app"], env=environment) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
                        answer.read()
                    break
                except OSError:
                    assert time.monotonic() < until, "the dashboard did not start"
                    time.sleep(0.1)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def _watched(server: psutil.Process) -> Iterator[list[float]]:
    """The most that the server and its children held meanwhile, in MB of proportional set size."""
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            held = sum(one.memory_full_info().pss for one in (server, *server.children(recursive=True)))
            peak[0] = max(peak[0], held / 1e6)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def _all_open(browser: Browser, sites: list[Site]) -> None:
    """One after the other, since fifty browsers are not what is asked about; all stay open until the last has come."""
    contexts = []
    for site in sites:
        contexts.append(_as(browser, site))
        page = contexts[-1].new_page()
        page.goto(f"http://127.0.0.1:{site.port}/", wait_until="commit", timeout=_PATIENCE_MS)
        page.get_by_role("region", name="This month so far").first.wait_for(timeout=_PATIENCE_MS)
    for context in contexts:
        context.close()


def _opened(browser: Browser, site: Site) -> tuple[float, float]:
    """First paint, and until the month's figure is there, in a browser that was never here; milliseconds."""
    context = _as(browser, site)
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(f"http://127.0.0.1:{site.port}/", wait_until="commit", timeout=_PATIENCE_MS)
    page.get_by_role("region", name="This month so far").first.wait_for(timeout=_PATIENCE_MS)
    figure = (time.perf_counter() - begun) * 1000
    first = float(page.evaluate(_PAINTED))
    context.close()
    return first, figure


def _as(browser: Browser, site: Site) -> BrowserContext:
    """A browser of somebody who has signed in."""
    name, _, value = site.cookie.partition("=")
    context = browser.new_context()
    context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
    return context


def _figures(took: list[float]) -> tuple[str, str]:
    return f"{median(took):.1f}", f"{quantiles(took, n=20, method='inclusive')[-1]:.1f}"
