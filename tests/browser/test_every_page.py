"""Every page for everybody, in a real browser: told by name, read in light and dark, walked with the Tab key."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser import every_page
from tests.browser.conftest import Dashboard
from tests.browser.people import moved_in, now
from tests.conftest import MASTER_KEY
from tests.dashboards import made_version
from tests.dashboards.people_site import EMAIL
from tests.pipelines.spend_version import known, limited
from warehouse import database
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """Ten weeks of made-up calls up to now, a budget, and one account beside the operator's."""
    home = Home(tmp_path_factory.mktemp("every") / "own").make()
    made_version.publish(home, 1, now())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        known(home, now(), "search", "support-bot", account="Acme")
        limited(home, now(), "search", monthly="250")
        served = serve(home)
        moved_in(served, EMAIL)
    return served


@pytest.fixture(scope="module")
def signed_in(browser: Browser, served: Dashboard) -> Callable[[str, str], BrowserContext]:
    """A browser in a colour scheme, signed in as who sees most of a page; not at all for what is open to everybody."""

    def fresh(scheme: str, path: str) -> BrowserContext:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]  # a literal by the parameters below
        context.set_default_timeout(15_000)
        if path not in every_page.OPEN:
            owner = path.startswith("account") and _owner(served)
            context.add_cookies([{"name": "sid", "value": owner or served.signed_in(), "url": served.url}])
        return context

    return fresh


def _owner(served: Dashboard) -> str:
    with pytest.MonkeyPatch.context() as environment, database.control(served.home) as control:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        found = members.find(control, Vault(control, now()), EMAIL)
        assert found
        return sessions.begin(control, found[0].member_no, sessions.BY_PASSWORD, now())


ALL = (*every_page.FIGURES, *every_page.OPEN, *every_page.OWN)


@pytest.mark.parametrize("path", ALL)
def test_a_page_is_told_by_name_and_read_in_light_and_dark(
    served: Dashboard, signed_in: Callable[[str, str], BrowserContext], path: str
) -> None:
    """A heading, labels, names, texts of 4.5 to 1, nobody else's script; each stop of Tab is reached and seen."""
    found = {}
    for scheme in ("light", "dark"):
        context = signed_in(scheme, path)
        page = context.new_page()
        every_page.drawn(page, served.url, path)
        found[scheme] = every_page.faults(page)
        if scheme == "light":
            found["keyboard"] = every_page.lost(page)
        context.close()
    assert found == {"light": [], "dark": [], "keyboard": []}


def test_no_page_is_left_out(served: Dashboard, signed_in: Callable[[str, str], BrowserContext]) -> None:
    """What is served to be read is looked at above, but for what stands before the pages or is for programs."""
    from dashboards import app

    others = {"overview", "policy", "healthz", "metrics", "erased/verify_receipt.py"}
    routes = {route.path.lstrip("/") for route in app.ROUTES if route.methods and "GET" in route.methods}
    assert {path for path in routes if "{" not in path} - others == {*every_page.OPEN, *every_page.OWN}
    page = signed_in("light", "").new_page()
    every_page.drawn(page, served.url, "")
    found = {""}
    for menu in ("Spend", "Bills", "Watch"):
        page.get_by_role("navigation", name="App pages").get_by_role("button", name=menu).click()
        expect(page.get_by_role("menu", name=menu)).to_be_visible()
        found |= {str(one.get_attribute("href")).rpartition("/")[2] for one in page.get_by_role("menuitem").all()}
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu", name=menu)).to_have_count(0)
    assert found == set(every_page.FIGURES)
    page.context.close()
