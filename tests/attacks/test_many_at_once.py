"""Fifty people who sign in at once: they wait for each other, and the server keeps its memory."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil  # type: ignore[import-untyped] # no types are shipped
import pytest

from tests.dashboards import people_site
from tests.dashboards.people_site import Site
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password
from warehouse.control.vault import Vault
from warehouse.home import Home

EMAILS = [f"person-{number}@team.example" for number in range(50)]


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """The routes of people, with fifty accounts."""
    assert master_key
    with database.control(home) as control:
        control.execute("PRAGMA synchronous=OFF")
        vault = Vault(control, people_site.now())
        for email in EMAILS:
            members.sign_up(control, vault, email, people_site.HASH, people_site.now())
    with people_site.served(people_site.app()) as port:
        yield Site(port, home)


def _peak_mb(work: Callable[[], None]) -> float:
    """How far this process, the server in it, grew at most while something was done."""
    process, over = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not over.is_set():
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.002)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        work()
    finally:
        over.set()
        watching.join()
    return float(peak - before) / 1e6


def _fifty(site: Site) -> None:
    with ThreadPoolExecutor(50) as pool:
        found = [pool.submit(Site(site.port, site.home).sign_in, email) for email in EMAILS]
        assert {one.result()[0] for one in found} == {303}


@pytest.mark.attack("T28")
def test_fifty_sign_in_at_once_in_little_memory(site: Site) -> None:
    """T28: everybody gets in, and two hashes at a time take less than a tenth of the gigabyte."""
    assert _peak_mb(lambda: _fifty(site)) < 100


@pytest.mark.attack("T28", weakened=True)
@pytest.mark.soak
def test_without_waiting_they_take_ten_times_as_much(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T28, weakened: where every hash is made at once the same fifty need hundreds of megabytes."""
    monkeypatch.setattr(password, "_AT_ONCE", ThreadPoolExecutor(50))
    assert _peak_mb(lambda: _fifty(site)) > 150
