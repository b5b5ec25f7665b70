"""What a person sees when there is nothing, nothing new, something made up, or something wrong."""

import http.client
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard
from tests.dashboards import made_version
from warehouse import withholding
from warehouse.home import Home

pytestmark = pytest.mark.browser
NOW = datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """A sandbox home that nothing is published in yet, served; the tests publish one version after another."""
    return serve(Home(tmp_path_factory.mktemp("states") / "made-up").make(sandbox=True))


@pytest.mark.soak
def test_an_empty_home_says_what_to_do_next(page: Page, dashboard: Dashboard) -> None:
    """Two ways to the first figure; once it is published, the page shows it by itself."""
    page.goto(dashboard.url)
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    expect(page.get_by_text(str(dashboard.home.inbox / "gateway_jsonl"))).to_be_visible()
    expect(page.get_by_text("callbacks: apiledger_litellm.writer")).to_be_visible()
    made_version.publish(dashboard.home, 1, NOW, empty=True)
    expect(page.get_by_text("Published version 1")).to_be_visible()
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    made_version.publish(dashboard.home, 2, NOW)
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")


def test_made_up_figures_are_marked_on_every_page(page: Page, dashboard: Dashboard) -> None:
    """Nobody takes the sandbox for their own bill."""
    made_version.publish(dashboard.home, 3, NOW)
    for address in ("", "/spend"):
        page.goto(dashboard.url + address)
        expect(page.get_by_role("status", name="Sandbox")).to_contain_text("Made-up figures")


def test_old_figures_are_said_to_be_old(page: Page, dashboard: Dashboard) -> None:
    """Where nothing has landed for days, the page says since when."""
    made_version.publish(dashboard.home, 4, NOW - timedelta(days=3))
    page.goto(dashboard.url)
    expect(page.get_by_role("status", name="Stale data")).to_contain_text("Nothing new for 3 days")


def test_figures_go_from_an_open_page_while_they_are_withheld(page: Page, dashboard: Dashboard) -> None:
    """Nobody touches it: the sentence takes their place, once, and gives it back when they may be read again."""
    made_version.publish(dashboard.home, 5, NOW)
    page.goto(dashboard.url)
    figures = page.get_by_role("region", name="This month so far")
    expect(figures).to_contain_text("$")
    withholding.withhold(dashboard.home)
    expect(page.get_by_role("status", name="Figures are withheld")).to_have_count(1)
    expect(figures).to_have_count(0)
    expect(page.get_by_text("$")).to_have_count(0)
    withholding.release(dashboard.home)
    expect(figures).to_contain_text("$")
    expect(page.get_by_role("status", name="Figures are withheld")).to_have_count(0)


@pytest.mark.attack("T13")
def test_what_goes_wrong_is_an_incident_and_no_more(page: Page, dashboard: Dashboard) -> None:
    """The person gets a number, the log its place; neither gets SQL, a path of the file or a value."""
    made_version.publish(dashboard.home, 6, NOW, extra="ALTER TABLE mart.latency_daily DROP COLUMN bucket_ms")
    page.goto(dashboard.url)
    alert = page.get_by_role("alert", name="Something went wrong")
    expect(alert).to_be_visible()
    number = re.search(r"incident (\w{8})", alert.inner_text())
    assert number
    log = dashboard.log.read_text()
    assert number[1] in log
    assert "bucket_ms" not in page.content()
    assert "Binder Error" not in log + page.content()


@pytest.mark.attack("T05")
@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 403), ("localhost", 403), ("evil.example", 400)])
def test_a_rebound_name_gets_nothing(dashboard: Dashboard, host: str, status: int) -> None:
    """A page of another site that points its name at loopback is refused by its Host; ours only wants a session."""
    with closing(http.client.HTTPConnection(urlsplit(dashboard.url).netloc)) as connection:
        connection.request("GET", "/", headers={"Host": host})
        assert connection.getresponse().status == status


def test_it_listens_on_loopback_and_leaves_nothing_behind(dashboard: Dashboard) -> None:
    """One listening socket, on 127.0.0.1, and no settings folder where it was started."""
    port = urlsplit(dashboard.url).port
    assert port
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]
    assert [file.name for file in dashboard.log.parent.iterdir()] == ["log"]
