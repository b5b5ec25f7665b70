"""Using one's rights in a real browser: take along, restrict, object, ask, be answered, accept a changed policy."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import BrowserContext, Page, expect

from pipelines.cli import cli
from retention import privacy
from tests.browser.conftest import ANNE, Dashboard
from tests.browser.people import moved_in, operator, sign_in
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]
New = Callable[[], BrowserContext]
EMAIL = "anne@team.example"


@pytest.fixture(scope="module")
def served(lived_in: Dashboard) -> Dashboard:
    """The home, with Anne's account in it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        moved_in(lived_in, EMAIL, ANNE.account)
    return lived_in


def _anne(context: New, served: Dashboard) -> Page:
    page = context().new_page()
    sign_in(page, served, EMAIL, PASSWORD)
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
    return page


def _rights(context: New, served: Dashboard) -> Page:
    """From the figures to the page of rights by its links."""
    page = _anne(context, served)
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="Your rights").click()
    expect(page.get_by_role("heading", name="Your rights")).to_be_visible()
    return page


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
def test_an_owner_takes_everything_along(served: Dashboard, context: New, tmp_path: Path) -> None:
    """A wrong password makes nothing; the right one makes a file that holds their calls, and nobody else's."""
    page = _rights(context, served)
    export = page.locator("form").filter(has=page.get_by_role("button", name="Make my bundle"))
    export.get_by_label("Your password").fill("another canary")
    page.get_by_role("button", name="Make my bundle").click()
    expect(page.get_by_role("alert")).to_contain_text("No bundle was made")
    export.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make my bundle").click()
    expect(page.get_by_role("status")).to_contain_text("Your bundle is ready")
    with page.expect_download() as waiting:
        page.get_by_role("link", name=re.compile("^Bundle of")).click()
    assert waiting.value.suggested_filename == "apiledger-bundle.zip"
    waiting.value.save_as(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        held = b"".join(bundle.read(name) for name in bundle.namelist())
    assert ANNE.word("project").encode() in held
    assert b"zq002" not in held
    expect(page.get_by_role("list", name="Your requests")).to_contain_text("access")


@pytest.mark.clause("AL-8.1")
def test_an_owner_restricts_and_objects_and_takes_it_back(served: Dashboard, context: New) -> None:
    """Each by one button that says so afterwards, and by one that ends it."""
    page = _rights(context, served)
    page.get_by_role("button", name="Restrict my data").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing of your data is processed")
    expect(page.get_by_text(re.compile("^Restricted since"))).to_be_visible()
    page.get_by_role("button", name="Lift the restriction").click()
    expect(page.get_by_role("status")).to_contain_text("processed again")
    first = page.get_by_role("table", name="Objections").get_by_role("row").first
    first.get_by_role("button", name="Object").click()
    expect(first).to_contain_text("objected on")
    first.get_by_role("button", name="Take back").click()
    expect(first).to_contain_text("allowed")


def test_what_is_asked_is_answered(served: Dashboard, context: New) -> None:
    """A right in words and a question for help reach the operator, whose answers the person reads where they asked."""
    page, host = _rights(context, served), operator(context, served)
    page.get_by_label("What", exact=True).select_option("Tell me something else about my data")
    page.get_by_label("In your words").fill("Which gateways <b>know</b> me?")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status")).to_contain_text("written down")
    asked = page.get_by_role("list", name="Your requests").get_by_role("listitem").filter(has_text="<b>know</b>")
    expect(asked).to_contain_text("due")
    page.goto(f"{served.url}/account")
    page.get_by_role("link", name="Help").click()
    page.get_by_label("Your question").fill("Why is Sunday so dear?")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("list", name="Your questions")).to_contain_text("Why is Sunday so dear?")
    host.goto(f"{served.url}/account/rights")
    waiting = host.get_by_role("list", name="To be answered").get_by_role("listitem")
    for said, answer in (("know</b> me?", "One: gateway_jsonl."), ("Sunday", "A batch runs on Sundays.")):
        number = re.match(r"\d+", waiting.filter(has_text=said).inner_text())
        assert number
        host.get_by_label("Request", exact=True).fill(number[0])
        host.get_by_label("Answer", exact=True).fill(answer)
        host.get_by_role("button", name="Mark as answered").click()
        expect(host.get_by_role("status")).to_contain_text("answered")
    expect(host.get_by_text("Nobody waits for an answer")).to_be_visible()
    page.reload()
    expect(page.get_by_role("list", name="Your questions")).to_contain_text("Answer: A batch runs on Sundays.")
    page.get_by_role("link", name="Your rights").click()
    expect(page.get_by_role("list", name="Your requests")).to_contain_text("Answer: One: gateway_jsonl.")


def test_protected_mode_says_so_and_names_no_key(served: Dashboard, context: New) -> None:
    """Turned on at the terminal: each page carries the line, the sum stays, no key is named."""
    host = operator(context, served)
    host.goto(f"{served.url}/keys")
    key = re.compile("zq003key")
    before = host.get_by_role("region", name="Freshness")
    expect(before).to_be_visible()
    expect(host.get_by_role("note", name="Protected mode")).to_have_count(0)
    told = CliRunner().invoke(
        cli, ["protect", "on", "--reason", "agreed with the works council", "--home", str(served.home.root)]
    )
    assert told.exit_code == 0, told.output
    for path in ("", "/spend?by=key&grain=total", "/keys", "/operator"):
        host.goto(f"{served.url}{path}")
        expect(host.get_by_role("region", name="Freshness")).to_be_visible()
        expect(host.get_by_role("note", name="Protected mode")).to_contain_text("keys and persons are not shown")
        expect(host.get_by_text(key)).to_have_count(0)


@pytest.mark.clause("AL-6.1")
@pytest.mark.clause("VA-10.1")
def test_the_policy_is_read_by_anyone_and_a_change_is_accepted(served: Dashboard, context: New) -> None:
    """Open without an account, with its tables and proofs; changed, it stands before the figures and nothing else."""
    anyone = context().new_page()
    anyone.goto(f"{served.url}/sign-in")
    anyone.get_by_role("link", name="Privacy").click()
    for table in ("What is processed", "Processors", "Financial records"):
        expect(anyone.get_by_role("table", name=table)).to_be_visible()
    promised = anyone.get_by_role("list", name="Promises", exact=True).get_by_role("listitem")
    assert promised.count() > 50
    expect(promised.first).to_contain_text("kept")
    page = _anne(context, served)
    privacy.file_of(served.home).write_text('version = "2027-01-05"\nregion = "Elsewhere"\n', encoding="utf-8")
    page.goto(f"{served.url}/spend")
    expect(page.get_by_role("heading", name="The privacy policy has changed")).to_be_visible()
    page.get_by_role("link", name="Read the whole policy").click()
    expect(page.get_by_text("Elsewhere", exact=True)).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Your account").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.get_by_role("link", name="Back to the figures").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
