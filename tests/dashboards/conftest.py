"""What the page tests stand on: one made-up version, read through the road the pages take."""

import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version, people_site
from tests.dashboards.people_site import Site
from warehouse import database
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

# The last day of a long month after a short one: "the same days" of September end on the 30th.
UNTIL = datetime(2026, 10, 31, 14, 30)  # noqa: DTZ001 - naive moments are UTC in the marts


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Put the program's main module back: a page run by AppTest stays there, and a forked process would run it."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(autouse=True)
def _operator_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is run without a browser has no cookie; signing in has tests of its own."""
    monkeypatch.setattr(viewer, "current", Viewer)
    monkeypatch.setattr(viewer, "again", lambda: Viewer)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with one version of ten weeks up to UNTIL, its tokens, costs and names made up."""
    home = Home(tmp_path_factory.mktemp("made") / "own")
    made_version.publish(home, 1, UNTIL)
    return home


@pytest.fixture
def connection(made: Home) -> Iterator[DuckDBPyConnection]:
    """The made-up version, opened as pages open it."""
    with database.published(made) as connection:
        yield connection


@pytest.fixture
def site(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The routes behind the gate, with one person's account."""
    assert master_key
    for name in ("APILEDGER_SMTP", "APILEDGER_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    now = people_site.now()
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, now), people_site.EMAIL, people_site.HASH, now)
    with people_site.served(people_site.app()) as port:
        yield Site(port, home)
