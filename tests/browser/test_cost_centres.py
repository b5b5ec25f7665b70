"""A rule of cost centres set and ended in a real browser, by role and label; the next pass shows who pays."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard
from tests.browser.people import now
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import line, put, take_in
from warehouse.home import Home

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """Two calls of today, of two projects, and no rule."""
    home = Home(tmp_path_factory.mktemp("centres") / "own").make(("gateway_jsonl",))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        _lands(home, "first")
    return serve(home)


def _lands(home: Home, named: str) -> None:
    """Two calls, and the pass that takes them in."""
    at = f"{now():%Y-%m-%dT%H:%M:%S}Z"
    calls = [line(request_id=f"{named} {project}", ts=at, project=project) for project in ("shop", "blog")]
    put(home, f"{named}.jsonl", calls)
    take_in(home, now())


def test_a_rule_is_set_shown_and_ended(page: Page, dashboard: Dashboard) -> None:
    """From who pays to the form: a mistake is told and keeps what was typed; the rule counts from the next pass."""
    page.goto(f"{dashboard.url}/allocation")
    expect(page.get_by_text("No rule is set, so all spend is unallocated")).to_be_visible()
    page.get_by_role("link", name="Set a rule").click()
    expect(page.get_by_role("heading", name="Cost centres", level=1)).to_be_visible()
    page.get_by_label("Its name").fill("web")
    page.get_by_label("Takes").select_option("a project")
    page.get_by_label("Called").fill("shop")
    page.get_by_label("Cost centre").fill("storefront=60, research=30")
    page.get_by_role("button", name="Set the rule").click()
    expect(page.get_by_role("alert")).to_contain_text("the shares add up to 90")
    expect(page.get_by_label("Called")).to_have_value("shop")
    page.get_by_label("Cost centre").fill("storefront=60, research=40")
    page.get_by_role("button", name="Set the rule").click()
    expect(page.get_by_role("status")).to_contain_text("next pass")
    rule = page.get_by_role("table", name="Rules").get_by_role("row", name="web")
    expect(rule).to_contain_text("project shop")
    _lands(dashboard.home, "second")
    page.get_by_role("link", name="Back to who pays").click()
    centres = page.get_by_role("table", name="Cost centres")
    for name in ("storefront", "research", "unallocated"):
        expect(centres.get_by_role("row", name=name)).to_be_visible()
    page.goto(f"{dashboard.url}/centres")
    rule.get_by_role("button", name="End").click()
    expect(page.get_by_role("status")).to_contain_text("holds no longer from today on")
    expect(rule).to_contain_text("until ")
    expect(rule.get_by_role("button")).to_have_count(0)
