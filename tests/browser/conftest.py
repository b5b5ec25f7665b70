"""What the browser tests stand on: one Chromium a session, and the dashboard as people start it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import put, take_in
from tests.retention.erased_world import Canary
from warehouse import database
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

# A page comes in a second; on a machine that does much else it may take a few.
expect.set_options(timeout=15_000)


ANNE, BELA, NOBODYS = Canary(1), Canary(2), Canary(3)


@dataclass(frozen=True)
class Dashboard:
    """A served dashboard: its address, its home, its log."""

    url: str
    home: Home
    log: Path

    def signed_in(self) -> str:
        """A new session of the operator: what the browser's cookie `sid` holds."""
        now = datetime.now(UTC).replace(tzinfo=None)
        with pytest.MonkeyPatch.context() as environment, database.control(self.home) as control:
            environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
            member = members.operator(control, Vault(control, now), now)
            return sessions.begin(control, member.member_no, sessions.BY_LINK, now)


@pytest.fixture(scope="module")
def browser(chromium: str | None) -> Iterator[Browser]:
    """One Chromium a module: Playwright keeps an event loop running, in which Dagster's own could not."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Home], Dashboard]]:
    """Serve a home from a working directory that is not the project's; stopped after the module."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(home: Home) -> Dashboard:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        log = elsewhere / "log"
        environment = {
            **os.environ,
            "APILEDGER_HOME": str(home.root),
            "APILEDGER_MASTER_KEY": MASTER_KEY,
            "APILEDGER_DASHBOARD_PORT": str(port),
            "PYTHONPATH": str(PROJECT),
        }
        with log.open("wb") as out:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dashboards.app"],
                    env=environment,
                    cwd=elsewhere,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            )
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health") as answer:  # noqa: S310 - http, by the line above
                    answer.read()
                return Dashboard(url, home, log)
            except OSError:
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab with its own cookies, signed in to the module's dashboard as its operator.

    Afterwards it must have talked to loopback alone.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    if "dashboard" in request.fixturenames:
        dashboard: Dashboard = request.getfixturevalue("dashboard")
        context.add_cookies([{"name": "sid", "value": dashboard.signed_in(), "url": dashboard.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    beyond = _beyond(context)
    yield page
    context.close()
    assert beyond == [], "the page asked another host"


@pytest.fixture
def context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Browsers of other people, who are not signed in; afterwards they must have talked to loopback alone."""
    made: list[BrowserContext] = []
    beyond: list[list[str]] = []

    def fresh() -> BrowserContext:
        made.append(browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True))
        made[-1].set_default_timeout(15_000)
        beyond.append(_beyond(made[-1]))
        return made[-1]

    yield fresh
    for one in made:
        one.close()
    assert [url for each in beyond for url in each] == [], "a page asked another host"


@pytest.fixture(scope="session")
def taken_in(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that one pass has filled with the last six days' calls of three labels; to be copied, not served."""
    home = Home(tmp_path_factory.mktemp("taken-in") / "own").make()
    now = datetime.now(UTC).replace(tzinfo=None)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        lines = [
            line
            for canary in (ANNE, BELA, NOBODYS)
            for back in range(6)
            for line in canary.lines([back], ts=f"{(now - timedelta(days=back, hours=3)).isoformat()}Z")
        ]
        put(home, "calls.jsonl", lines)
        take_in(home, now)
    return home


@pytest.fixture(scope="module")
def lived_in(taken_in: Home, tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """A copy of that home, served: what is erased, kept back or published anew there is real."""
    home = Home(tmp_path_factory.mktemp("lived-in") / "own")
    shutil.copytree(taken_in.root, home.root, symlinks=True)
    return serve(home)


def _beyond(context: BrowserContext) -> list[str]:
    """Grows by each address beyond loopback that a page of the context asks for."""
    found: list[str] = []
    context.on("request", lambda request: found.append(request.url) if not _ours(request.url) else None)
    return found


def _ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
