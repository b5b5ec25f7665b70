"""Links that come by mail, in a real browser: a new password, another address, an invitation and its end."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pipelines.alerts import postman
from tests.browser.conftest import Dashboard
from tests.browser.people import moved_in, now, sign_in
from tests.conftest import MASTER_KEY
from tests.dashboards import made_version
from tests.dashboards.people_site import PASSWORD
from tests.pipelines.mail_trap import Trap
from warehouse.home import Home

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.usefixtures("master_key")]
New = Callable[[], BrowserContext]
NEXT_PASSWORD = "canary-Zk2 batteries correct"


@dataclass
class Post:
    """The dashboard, and the mail server that takes its letters."""

    served: Dashboard
    trap: Trap
    where: str

    def brought(self, receiver: str) -> str:
        """Let the postman go his round; the link of what this address got, as a browser opens it; empty for none."""
        before = len(self.trap.mails)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("APILEDGER_SMTP", self.where)
            postman.deliver(self.served.home, now)
        found = ""
        for mail, receivers in zip(self.trap.mails[before:], self.trap.receivers[before:], strict=True):
            body = mail.get_body(("plain",))
            assert body
            link = re.search(r"http://127\.0\.0\.1:\d+/(\S+)", body.get_content())
            if receivers == [receiver] and link:
                found = f"{self.served.url}/{link[1]}"
        return found


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Iterator[Post]:
    """Made-up calls of two labels, served with a mail server in its environment."""
    home = Home(tmp_path_factory.mktemp("letters") / "own").make()
    made_version.publish(home, 1, now())
    trap = Trap()
    with pytest.MonkeyPatch.context() as environment, trap.up() as address:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        environment.setenv("APILEDGER_SMTP", f"smtp://{address}")
        served = serve(home)
        moved_in(served, "ada@team.example", "Acme")
        moved_in(served, "rea@team.example", "Beta GmbH")
        yield Post(served, trap, f"smtp://{address}")


def _figures(page: Page) -> None:
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")


@pytest.mark.clause("AL-5.4")
def test_a_forgotten_password_is_set_by_a_link(post: Post, context: New) -> None:
    """Asked for at the sign-in, for a stranger in the same words; the link sets another; the one before is over."""
    page = context().new_page()
    for email in ("nobody@team.example", "rea@team.example"):
        page.goto(f"{post.served.url}/sign-in")
        page.get_by_role("link", name="Forgotten password").click()
        page.get_by_label("E-mail").fill(email)
        page.get_by_role("button", name="Send a link").click()
        expect(page.get_by_role("status")).to_contain_text("If somebody here has that address")
    page.goto(post.brought("rea@team.example"))
    expect(page.get_by_role("heading", name="Set a new password")).to_be_visible()
    assert "#" not in page.url
    page.get_by_label("Password").fill(NEXT_PASSWORD)
    page.get_by_role("button", name="Set a new password").click()
    expect(page.get_by_role("status")).to_contain_text("The new password holds")
    sign_in(page, post.served, "rea@team.example", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in(page, post.served, "rea@team.example", NEXT_PASSWORD)
    _figures(page)


def test_another_address_counts_once_its_link_is_opened(post: Post, context: New) -> None:
    """With the password of before; until then the old address signs in, afterwards the new one alone."""
    page = context().new_page()
    sign_in(page, post.served, "ada@team.example", PASSWORD)
    _figures(page)
    page.get_by_role("link", name="Account", exact=True).click()
    address = page.locator("form").filter(has=page.get_by_role("button", name="Change the address"))
    for secret, said in (("wrong", "is another one"), (PASSWORD, "on its way")):
        address.get_by_label("E-mail").fill("ada@elsewhere.example")
        address.get_by_label("Your password").fill(secret)
        page.get_by_role("button", name="Change the address").click()
        expect(page.get_by_role("alert").or_(page.get_by_role("status"))).to_contain_text(said)
    expect(page.get_by_text("ada@team.example").first).to_be_visible()
    other = context().new_page()
    other.goto(post.brought("ada@elsewhere.example"))
    other.get_by_role("button", name="Confirm this address").click()
    expect(other.get_by_role("status")).to_contain_text("The new address holds")
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(other, post.served, "ada@team.example", PASSWORD)
    expect(other.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in(other, post.served, "ada@elsewhere.example", PASSWORD)
    _figures(other)


def test_an_invited_editor_joins_by_mail_and_is_removed(post: Post, context: New) -> None:
    """The letter's link makes a member, once; the owner lists them, and removes them."""
    owner, page = context().new_page(), context().new_page()
    moved_in(post.served, "own@beta.example")
    sign_in(owner, post.served, "own@beta.example", PASSWORD)
    owner.get_by_role("link", name="Account", exact=True).click()
    owner.get_by_label("Invite").fill("ed@beta.example")
    invitation = owner.locator("form").filter(has=owner.get_by_role("button", name="Make an invitation"))
    invitation.get_by_label("Role").select_option("editor")
    owner.get_by_role("button", name="Make an invitation").click()
    expect(owner.get_by_role("status")).to_contain_text("on its way to ed@beta.example")
    link = post.brought("ed@beta.example")
    page.goto(link)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("I am 18 or older").check()
    page.get_by_label("I accept the privacy policy").check()
    page.get_by_role("button", name="Accept the invitation").click()
    expect(page.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    again = context().new_page()
    again.goto(link)
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_label("I am 18 or older").check()
    again.get_by_label("I accept the privacy policy").check()
    again.get_by_role("button", name="Accept the invitation").click()
    expect(again.get_by_role("alert")).to_contain_text("used already")
    owner.goto(f"{post.served.url}/account")
    line = owner.get_by_role("list", name="Members").get_by_role("listitem").filter(has_text="ed@beta.example")
    expect(line).to_contain_text("editor")
    line.get_by_text("ed@beta.example").first.click()
    line.get_by_role("button", name="Remove").click()
    expect(owner.get_by_role("status")).to_contain_text("removed and signed out")
    expect(line).to_have_count(0)
    expect(page.get_by_role("heading", name=re.compile("Signed out|Sign in"))).to_be_visible()
