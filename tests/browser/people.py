"""What people do to come in, by role and label; and what the command line does for them meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import BrowserContext, Page, expect

from pipelines.commands.account import sign_in_link
from tests.browser.conftest import Dashboard
from tests.dashboards.people_site import HASH
from warehouse import database
from warehouse.control import claim
from warehouse.control import member as members
from warehouse.control.member import Role
from warehouse.control.vault import Vault

PASSWORD = "canary-Vq7 horses staple"


def now() -> datetime:
    """The moment as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def sign_up(page: Page, served: Dashboard, email: str, password: str = PASSWORD) -> None:
    """Make an account on its page."""
    page.goto(f"{served.url}/sign-up")
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("checkbox", name="I am 18 or older").check()
    page.get_by_role("checkbox", name="I accept the privacy policy").check()
    page.get_by_role("button", name="Make an account").click()


def sign_in(page: Page, served: Dashboard, email: str, password: str = PASSWORD) -> None:
    """Sign in on its page."""
    page.goto(f"{served.url}/sign-in")
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def link(served: Dashboard) -> str:
    """The operator's link, as `apiledger account link` prints it."""
    return f"{served.url}/link#{sign_in_link(served.home).partition('#')[2]}"


def operator(context: Callable[[], BrowserContext], served: Dashboard) -> Page:
    """The operator, signed in by their link, in a browser of their own."""
    page = context().new_page()
    page.goto(link(served))
    expect(page.get_by_role("region", name="Freshness")).to_be_visible()
    return page


def claimed(served: Dashboard, email: str, *labels: str) -> int:
    """Give labels of the logs to somebody's account, as `apiledger account claim` does; the account's number."""
    with database.control(served.home) as control:
        found = members.find(control, Vault(control, now()), email)
        assert found
        for label in labels:
            claim.put(control, label, found[0].account_no, now())
        return found[0].account_no


def moved_in(served: Dashboard, email: str, *labels: str) -> int:
    """An account with these labels whose owner has people_site.PASSWORD; its number."""
    with database.control(served.home) as control:
        assert members.sign_up(control, Vault(control, now()), email, HASH, now())
    return claimed(served, email, *labels)


def joined(served: Dashboard, account_no: int, role: Role, email: str) -> None:
    """One more member of an account, with people_site.PASSWORD."""
    with database.control(served.home) as control:
        assert members.join(control, Vault(control, now()), account_no, role, None, email, HASH, now())
