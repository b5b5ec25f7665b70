"""Pages of money in a real browser: who pays, invoices, credits, budgets and names set by form, a program's token."""

import csv
import io
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from urllib.error import HTTPError

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Dashboard
from tests.browser.people import claimed, moved_in, now, operator, sign_in
from tests.conftest import MASTER_KEY
from tests.dashboards import made_version
from tests.dashboards.people_site import PASSWORD
from tests.pipelines.spend_version import known
from warehouse import database
from warehouse.control import claim
from warehouse.home import Home
from warehouse.money import shown

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]
New = Callable[[], BrowserContext]
EMAIL = "ada@team.example"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """Ten weeks of made-up calls up to now; the logs' names of two labels are known, and one is Ada's."""
    home = Home(tmp_path_factory.mktemp("figures") / "own").make()
    made_version.publish(home, 1, now())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        known(home, now(), "search", "support-bot", account="Acme")
        known(home, now(), "crawler", account="Beta GmbH")
        served = serve(home)
        moved_in(served, EMAIL, "Acme")
    return served


@pytest.fixture
def ada(served: Dashboard, context: New) -> Page:
    """Ada, at her figures."""
    page = context().new_page()
    sign_in(page, served, EMAIL, PASSWORD)
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
    return page


@pytest.fixture
def everybodys(served: Dashboard) -> Iterator[None]:
    """For a while no label is anybody's, and the operator sees all of them."""
    with database.control(served.home) as control:
        claim.end(control, "Acme", now())
    yield
    claimed(served, EMAIL, "Acme")


def _to(page: Page, menu: str, name: str, heading: str) -> None:
    """Through the menu, as a person goes, until the page is drawn."""
    page.get_by_role("navigation", name="App pages").get_by_role("button", name=menu).click()
    page.get_by_role("menuitem", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    expect(page.get_by_text(re.compile("^Published version"))).to_be_visible()


def _rows(page: Page, button: str) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return list(csv.DictReader(io.StringIO(waiting.value.path().read_text(), newline="")))


def _asked(served: Dashboard, query: str) -> Decimal:
    with database.published(served.home) as connection:
        ((found,),) = connection.execute(query).fetchall()
    return Decimal(found)


def test_who_pays_is_told_by_cost_centre_and_picked(ada: Page) -> None:
    """The chart, the sums and the file are of the centre that is picked, which the address keeps."""
    _to(ada, "Spend", "Cost centres", "Who pays")
    centres = ada.get_by_role("table", name="Cost centres")
    expect(centres.get_by_role("row")).not_to_have_count(1)
    name = centres.get_by_role("row").nth(1).get_by_role("cell").first.inner_text()
    expect(ada.get_by_role("button", name="Show data: Spend per UTC day by cost centre")).to_be_visible()
    ada.get_by_role("combobox", name="Cost centre").click()
    ada.get_by_role("option", name=name, exact=True).click()
    expect(ada).to_have_url(re.compile("centre="))
    # While its list is open the rest of the page is not there to assistive technology.
    ada.keyboard.press("Escape")
    expect(centres.get_by_role("row")).to_have_count(2)
    rows = _rows(ada, "Download CSV")
    assert {row["cost_centre"] for row in rows} == {name}
    assert {row["account"] for row in rows} == {"Acme"}
    whole = sum((Decimal(row["cost_usd"] or 0) for row in rows), Decimal(0))
    expect(centres).to_contain_text(shown(whole))


def test_invoices_are_held_against_bills_and_plans_against_calls(ada: Page) -> None:
    """Each invoice with its state, its own currency and its rate; a name of the data is text; both lists as files."""
    _to(ada, "Bills", "Invoices", "Invoices")
    table = ada.get_by_role("table", name="Invoices")
    expect(table.get_by_role("row").filter(has_text="INV-2041")).to_contain_text("Tied")
    expect(table.get_by_role("row").filter(has_text=made_version.SCRIPT_NAME)).to_contain_text("4 of 30 days told")
    expect(table.get_by_role("row").filter(has_text="P-1")).to_contain_text("EUR")
    expect(table).not_to_contain_text("A-77")
    expect(ada.get_by_role("table", name="Plans")).to_contain_text("claude max")
    assert {row["number"] for row in _rows(ada, "Download tie-out CSV")} == {
        "INV-2041", "P-1", made_version.SCRIPT_NAME,
    }  # fmt: skip
    assert {row["plan"] for row in _rows(ada, "Download plans CSV")} == {"claude max"}


def test_credits_are_told_by_account(served: Dashboard, everybodys: None, context: New) -> None:
    """The operator sees who is low and what is nobody's, picks an account, and takes its movements along."""
    assert everybodys is None
    host = operator(context, served)
    _to(host, "Watch", "Credits", "Credits")
    expect(host.get_by_role("table", name="Payments that are nobody's")).to_contain_text("not in USD")
    left = host.get_by_role("region", name="What is left")
    for account in ("Beta GmbH", "Acme"):
        host.get_by_role("combobox", name="Account").click()
        host.get_by_role("option", name=account, exact=True).click()
        query = f"SELECT balance_usd FROM mart.credit_account WHERE account = '{account}'"
        expect(left).to_contain_text(shown(_asked(served, query)))
    expect(host).to_have_url(re.compile("account=Acme"))
    expect(host.get_by_role("region", name="Tier")).to_contain_text("<b>Scale</b>")
    expect(host.get_by_role("button", name="Show data: What was left at the end of each UTC day")).to_be_visible()
    entries = _asked(served, "SELECT count(*) FROM mart.credit_daily WHERE account = 'Acme'")
    expect(host.get_by_text(re.compile(f"^{entries} rows"))).to_be_visible()
    assert {row["kind"] for row in _rows(host, "Download CSV")} == {"deduction", "refund", "top-up"}


def test_who_has_all_claimed_is_shown_the_way(served: Dashboard, context: New) -> None:
    """Where every call is somebody's the operator is not told that there are none, and is led to the sums."""
    claimed(served, EMAIL, "Beta GmbH")
    host = operator(context, served)
    expect(host.get_by_role("heading", name="Every call here is somebody's")).to_be_visible()
    host.get_by_role("link", name="Sums of each account").click()
    expect(host.get_by_role("heading", name="This installation")).to_be_visible()
    with database.control(served.home) as control:
        claim.end(control, "Beta GmbH", now())


def test_a_budget_is_set_seen_and_removed(ada: Page) -> None:
    """From the page of budgets to the form and back: its card says how the month stands; another's is not offered."""
    _to(ada, "Watch", "Budgets", "Budgets")
    expect(ada.get_by_text("No budget is set")).to_be_visible()
    ada.get_by_role("link", name="Set, change or remove a budget").click()
    scope = ada.get_by_label("Of", exact=True)
    assert scope.get_by_role("option").all_inner_texts() == ["Acme", "search (Acme)", "support-bot (Acme)"]
    for monthly, said in (("a lot", "Nothing was set"), ("250", "The budget is set")):
        scope.select_option("search (Acme)")
        ada.get_by_label("USD a month").fill(monthly)
        ada.get_by_label("Mails go to").fill("costs@team.example")
        ada.get_by_role("button", name="Set the budget").click()
        expect(ada.get_by_role("alert").or_(ada.get_by_role("status"))).to_contain_text(said)
    listed = ada.get_by_role("table", name="Budgets")
    expect(listed).to_contain_text("$250.00 a month")
    expect(listed).to_contain_text("c…@team.example")
    ada.get_by_role("link", name="Back to the budgets").click()
    card = ada.get_by_role("region", name="Budget of search")
    expect(card).to_contain_text("of $250.00")
    expect(card).to_contain_text(re.compile(r"\d% used"))
    ada.get_by_role("link", name="Set, change or remove a budget").click()
    listed.get_by_role("button", name="Remove").click()
    expect(ada.get_by_role("status")).to_contain_text("The budget is removed")
    expect(ada.get_by_text("No budget is set")).to_be_visible()


def test_a_key_gets_a_name_and_keeps_its_past(ada: Page) -> None:
    """From the page of projects: a name, an owner and tags from a day on; said anew, both stand in its history."""
    _to(ada, "Spend", "Projects", "Projects")
    ada.get_by_role("link", name=re.compile("^Name a project")).click()
    for called in ("Shop search", "Search for all"):
        ada.get_by_label("Which").select_option("project search (Acme)")
        ada.get_by_label("Called here").fill(called)
        ada.get_by_label("Owner").fill("Platform")
        ada.get_by_label("Tags").fill("prod, eu")
        ada.get_by_role("button", name="Name it").click()
        expect(ada.get_by_role("status")).to_contain_text("written down")
        expect(ada.get_by_role("table", name="Said so far")).to_contain_text(called)
    ada.get_by_label("Tags").fill(",".join(f"tag{number}" for number in range(40)))
    ada.get_by_role("button", name="Name it").click()
    expect(ada.get_by_role("alert")).to_contain_text("Nothing was written down")


def test_a_programs_token_reads_and_is_revoked(ada: Page, served: Dashboard) -> None:
    """Made with the password, shown once, good for /api/spend until it is revoked."""
    ada.get_by_role("link", name="Account", exact=True).click()
    ada.get_by_label("Name of the token").fill("the board")
    ada.get_by_label("It holds for").select_option("30 days")
    making = ada.locator("form").filter(has=ada.get_by_role("button", name="Make a token"))
    making.get_by_label("Your password").fill(PASSWORD)
    ada.get_by_role("button", name="Make a token").click()
    told = re.search(r"aplg_[\w-]+", ada.get_by_role("status").inner_text())
    assert told
    assert {row["account"] for row in json.loads(_spend(served, told[0]))["rows"]} == {"Acme"}
    ada.goto(f"{served.url}/account")
    assert told[0] not in ada.content()
    line = ada.get_by_role("list", name="Tokens for machines").get_by_role("listitem")
    line.get_by_text("the board").click()
    expect(line).to_contain_text("last used on")
    ada.get_by_role("button", name="Revoke the board").click()
    expect(ada.get_by_role("status")).to_contain_text("revoked")
    with pytest.raises(HTTPError, match="401"):
        _spend(served, told[0])


def _spend(served: Dashboard, token: str) -> bytes:
    """What a program is told of the spend by account."""
    asked = urllib.request.Request(  # noqa: S310 - http, by the dashboard's address
        f"{served.url}/api/spend?group_by=account", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - the same
        return bytes(answer.read())
