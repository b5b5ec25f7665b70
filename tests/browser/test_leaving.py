"""Leaving for good in a real browser: a member, an account with its receipt, and what the others see meanwhile."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import BrowserContext, Page, expect

from pipelines.cli import cli
from tests.browser.conftest import ANNE, BELA, Dashboard
from tests.browser.people import joined, moved_in, now, sign_in
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import PASSWORD
from tests.retention.erased_world import begin

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]
New = Callable[[], BrowserContext]


@pytest.fixture(scope="module")
def people(lived_in: Dashboard) -> dict[str, int]:
    """Anne's account with an editor, and Bela's."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        anne = moved_in(lived_in, "anne@team.example", ANNE.account)
        joined(lived_in, anne, "editor", "ed@team.example")
        return {"anne": anne, "bela": moved_in(lived_in, "bela@other.example", BELA.account)}


def _figures(page: Page) -> None:
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")


def _come(page: Page, served: Dashboard, email: str) -> None:
    sign_in(page, served, email, PASSWORD)
    _figures(page)


@pytest.mark.clause("AL-8.3")
def test_a_member_deletes_themselves(lived_in: Dashboard, people: dict[str, int], context: New) -> None:
    """Typed and proved; with what was typed wrong nothing goes; then they are out, and the account goes on."""
    assert people
    page, owner = context().new_page(), context().new_page()
    _come(page, lived_in, "ed@team.example")
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="Delete yourself or the account").click()
    expect(page.get_by_role("heading", name="Delete for good")).to_be_visible()
    expect(page.get_by_role("button", name="Delete this account")).to_have_count(0)
    for typed, secret, said in (("delete you", PASSWORD, "something else"), ("delete me", "wrong", "is another one")):
        page.get_by_label("Type: delete me").fill(typed)
        page.get_by_label("Your password").fill(secret)
        page.get_by_role("button", name="Delete me").click()
        expect(page.get_by_role("alert")).to_contain_text(said)
    page.get_by_label("Type: delete me").fill("delete me")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Delete me").click()
    expect(page.get_by_role("heading", name="Deleted, with receipt")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("table", name="What is gone")).to_contain_text("members")
    page.goto(f"{lived_in.url}/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    _come(owner, lived_in, "anne@team.example")
    owner.goto(f"{lived_in.url}/account")
    expect(owner.get_by_role("list", name="Members").get_by_role("listitem")).to_have_count(1)


def test_while_somebody_goes_others_read_on(lived_in: Dashboard, people: dict[str, int], context: New) -> None:
    """The operator's open page says why it waits and shows no figure; Bela's shows hers; after it both are back."""
    assert people
    operator, bela = context().new_page(), context().new_page()
    operator.context.add_cookies([{"name": "sid", "value": lived_in.signed_in(), "url": lived_in.url}])
    operator.goto(f"{lived_in.url}/spend?by=account&grain=total")
    expect(operator.get_by_role("status", name="Spend in this view")).to_contain_text("$")
    _come(bela, lived_in, "bela@other.example")
    begin(lived_in.home, "user", f"{ANNE.word('user')}@example.org", now=now())
    withheld = operator.get_by_role("status", name="Figures are withheld")
    expect(withheld).to_contain_text("Somebody is being erased")
    expect(withheld).to_have_count(1)
    expect(operator.get_by_text("$")).to_have_count(0)
    told = CliRunner().invoke(cli, ["erase", "resume", "--home", str(lived_in.home.root)])
    assert told.exit_code == 0, told.output
    expect(operator.get_by_role("status", name="Spend in this view")).to_contain_text("$")
    expect(withheld).to_have_count(0)
    bela.reload()
    _figures(bela)


@pytest.mark.clause("AL-8.3")
@pytest.mark.clause("VA-8.3")
def test_an_owner_deletes_the_account_and_checks_the_receipt(
    lived_in: Dashboard, people: dict[str, int], context: New, tmp_path: Path
) -> None:
    """From the page to a receipt whose script finds it good; the address signs nobody in; Bela reads on."""
    assert people
    page, bela = context().new_page(), context().new_page()
    _come(page, lived_in, "anne@team.example")
    _come(bela, lived_in, "bela@other.example")
    page.goto(f"{lived_in.url}/account/delete")
    form = page.locator("form").filter(has=page.get_by_role("button", name="Delete this account"))
    form.get_by_label("Type: delete this account").fill("Delete this account")
    form.get_by_label("Your password").fill(PASSWORD)
    form.get_by_role("button", name="Delete this account").click()
    expect(page.get_by_role("heading", name="Deleted, with receipt")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("nothing was found")).to_be_visible()
    gone = page.get_by_role("table", name="What is gone")
    for what in ("calls", "members", "sessions and links", "labels held"):
        expect(gone).to_contain_text(what)
    # In a person's words, not by the names of tables.
    expect(gone).not_to_contain_text("spend daily")
    expect(gone).not_to_contain_text("acceptance")
    for name in ("Save the receipt", "Save the script that checks it"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name, exact=True).click()
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    checked = subprocess.run(
        [sys.executable, "verify_receipt.py", "receipt.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert datetime.now(UTC).strftime("%Y-%m-%d") in json.dumps(json.loads((tmp_path / "receipt.json").read_text()))
    sign_in(page, lived_in, "anne@team.example", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    assert ANNE.found(lived_in.home) == {}
    bela.reload()
    _figures(bela)
