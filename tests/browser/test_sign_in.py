"""Signing up, in and out in a real browser, by role and label; and what attacks on it get."""

import http.client
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Dashboard
from tests.browser.people import PASSWORD, claimed, link, sign_in, sign_up
from tests.conftest import MASTER_KEY
from tests.dashboards import made_version
from warehouse import database
from warehouse.control import claim, ticket
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

pytestmark = pytest.mark.browser
NOW = datetime.now(UTC).replace(tzinfo=None)
# A page says so in words, or the gate has sent it to sign in.
GONE = re.compile("Signed out|Sign in")
NEXT_PASSWORD = "canary-Zk2 batteries correct"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Home], Dashboard]) -> Dashboard:
    """Ten weeks of made-up calls of two labels, served; nobody is signed in."""
    home = Home(tmp_path_factory.mktemp("people") / "own").make()
    made_version.publish(home, 1, NOW)
    return serve(home)


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key == MASTER_KEY


def _ticket_for(served: Dashboard, email: str) -> str:
    with database.control(served.home) as control:
        vault = Vault(control, NOW)
        found = members.find(control, vault, email)
        assert found
        return ticket.reset(control, found[0], datetime.now(UTC).replace(tzinfo=None))


def test_the_printed_link_signs_in_once(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """The operator is at the figures by one link; the same link does nothing the second time."""
    printed = link(served)
    page = context().new_page()
    page.goto(printed)
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
    assert "#" not in page.url
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "sid"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert not cookie["secure"]
    assert {one["name"] for one in page.context.cookies()} == {"sid"}
    other = context().new_page()
    other.goto(printed)
    expect(other.get_by_role("alert")).to_contain_text("used already")
    other.goto(served.url)
    expect(other).to_have_url(re.compile("/sign-in"))


def test_a_person_signs_up_in_and_out(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """Two fields and two ticks make an account; it sees nothing until the operator gives it a label, then its own."""
    page = context().new_page()
    page.goto(served.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("link", name="Make an account").click()
    assert page.locator("input:not([type=hidden]):not([type=checkbox])").count() == 2
    sign_up(page, served, "ada@team.example")
    expect(page.get_by_role("status")).to_contain_text("it has one now")
    sign_in(page, served, "Ada@team.example")
    expect(page.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    claimed(served, "ada@team.example", "Acme")
    page.reload()
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
    page.goto(f"{served.url}/spend?by=account&grain=total")
    expect(page.get_by_role("status", name="Spend in this view")).to_contain_text("$")
    expect(page.get_by_text("Beta GmbH")).to_have_count(0)
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("ada@team.example").first).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("signed out")
    page.goto(f"{served.url}/spend")
    expect(page).to_have_url(re.compile(r"/sign-in\?to=/spend"))


@pytest.mark.attack("T04")
def test_signing_out_everywhere_ends_an_open_page(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """T04: the tab of another device shows nothing any more within seconds, though nobody touched it."""
    sign_up(context().new_page(), served, "eve@team.example")
    one, other = context().new_page(), context().new_page()
    claimed(served, "eve@team.example")
    for page in (one, other):
        sign_in(page, served, "eve@team.example")
        expect(page.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    one.goto(f"{served.url}/account")
    expect(one.get_by_text("2 sessions")).to_be_visible()
    one.get_by_role("button", name="Sign out everywhere").click()
    began = time.monotonic()
    expect(other.get_by_role("heading", name=GONE)).to_be_visible()
    assert time.monotonic() - began < 30
    expect(other.get_by_role("heading", name="Nothing here is yours yet")).to_have_count(0)


@pytest.mark.attack("T08")
def test_a_reset_sets_a_password_and_ends_sessions(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """T08: the link works once, the old password no more, and who was signed in with it is out."""
    page = context().new_page()
    sign_up(page, served, "rea@team.example")
    sign_in(page, served, "rea@team.example")
    expect(page.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    token = _ticket_for(served, "rea@team.example")
    other = context().new_page()
    other.goto(f"{served.url}/reset#{token}")
    other.get_by_role("textbox", name="Password").fill("short")
    other.get_by_role("button", name="Set a new password").click()
    expect(other.get_by_role("alert")).to_contain_text("at least 12")
    other.get_by_role("textbox", name="Password").fill(NEXT_PASSWORD)
    other.get_by_role("button", name="Set a new password").click()
    expect(other.get_by_role("status")).to_contain_text("new password holds")
    expect(page.get_by_role("heading", name=GONE)).to_be_visible()
    sign_in(other, served, "rea@team.example")
    expect(other.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in(other, served, "rea@team.example", NEXT_PASSWORD)
    expect(other.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    again = context().new_page()
    again.goto(f"{served.url}/reset#{token}")
    again.get_by_role("textbox", name="Password").fill(PASSWORD)
    again.get_by_role("button", name="Set a new password").click()
    expect(again.get_by_role("alert")).to_contain_text("used already")


@pytest.mark.soak
def test_an_invited_viewer_sees_their_projects(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """An owner invites; the viewer signs in by the link and sees one project of the account; removed, they are out."""
    owner, page = context().new_page(), context().new_page()
    sign_up(owner, served, "own@beta.example")
    claimed(served, "own@beta.example", "Beta GmbH")
    sign_in(owner, served, "own@beta.example")
    owner.goto(f"{served.url}/account")
    owner.get_by_role("textbox", name="Invite").fill("vi@beta.example")
    owner.get_by_role("combobox", name="Role").select_option("viewer")
    owner.get_by_role("textbox", name="Only these projects").fill(made_version.LATEX_NAME)
    owner.get_by_role("button", name="Make an invitation").click()
    told = re.search(r"http\S+/invitation#\S+", owner.get_by_role("status").inner_text())
    assert told
    page.goto(told[0])
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("checkbox", name="I am 18 or older").check()
    page.get_by_role("checkbox", name="I accept the privacy policy").check()
    page.get_by_role("button", name="Accept the invitation").click()
    expect(page.get_by_role("region", name="This month so far")).to_contain_text("$")
    page.goto(f"{served.url}/spend?by=project&grain=total")
    expect(page.get_by_role("status", name="Spend in this view")).to_contain_text("$")
    expect(page.get_by_text(re.compile(r"^1 row\."))).to_be_visible()
    owner.goto(f"{served.url}/account")
    line = owner.get_by_role("listitem").filter(has_text="vi@beta.example")
    line.locator("summary").click()
    line.get_by_role("combobox", name="Role of vi@beta.example").select_option("editor")
    line.get_by_role("button", name="Change").click()
    expect(owner.get_by_role("status")).to_contain_text("next click")
    expect(line).to_contain_text("editor")
    page.goto(f"{served.url}/spend?by=project&grain=total&all")
    expect(page.get_by_text(re.compile(r"^[2-9] rows\."))).to_be_visible()
    line.locator("summary").click()
    line.get_by_role("button", name="Remove").click()
    expect(owner.get_by_role("status")).to_contain_text("removed")
    expect(page.get_by_role("heading", name=GONE)).to_be_visible()


def test_the_operator_opens_an_account_with_a_reason(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """Sums of all, but another's rows only after a reason, which the account's owner reads."""
    person, operator = context().new_page(), context().new_page()
    sign_up(person, served, "zoe@gamma.example")
    with database.control(served.home) as control:
        for label in ("Acme", "Beta GmbH"):
            claim.end(control, label, NOW)
    number = claimed(served, "zoe@gamma.example", "Acme")
    operator.goto(link(served))
    expect(operator.get_by_role("region", name="This month so far")).to_contain_text("$")
    operator.goto(f"{served.url}/spend?by=account&grain=total")
    expect(operator.get_by_text(re.compile(r"^1 row\."))).to_be_visible()
    operator.goto(f"{served.url}/account")
    expect(operator.get_by_role("table", name="Accounts")).to_contain_text("z…@gamma.example")
    expect(operator.get_by_role("table", name="Accounts")).to_contain_text("$")
    operator.get_by_role("textbox", name="Open account").fill(str(number))
    operator.get_by_role("textbox", name="Reason").fill("no")
    operator.get_by_role("button", name="Open").click()
    expect(operator.get_by_role("alert")).to_contain_text("say why")
    operator.get_by_role("textbox", name="Open account").fill(str(number))
    operator.get_by_role("textbox", name="Reason").fill("Ticket 17: a wrong total")
    operator.get_by_role("button", name="Open").click()
    expect(operator.get_by_role("status")).to_contain_text("written down")
    operator.goto(f"{served.url}/spend?by=account&grain=total")
    expect(operator.get_by_text(re.compile(r"^1 row\."))).to_be_visible()
    sign_in(person, served, "zoe@gamma.example")
    person.goto(f"{served.url}/account")
    expect(person.get_by_role("table", name="Looks of the operator")).to_contain_text("Ticket 17")
    operator.goto(f"{served.url}/account")
    operator.get_by_role("button", name="Back to your own figures").click()
    expect(operator.get_by_role("status")).to_contain_text("your own figures")


@pytest.mark.soak
def test_a_password_is_changed_with_the_one_before(served: Dashboard, context: Callable[[], BrowserContext]) -> None:
    """The current password is asked for; other devices are signed out, this one stays."""
    page, other = context().new_page(), context().new_page()
    sign_up(page, served, "kim@team.example")
    for one in (page, other):
        sign_in(one, served, "kim@team.example")
        expect(one.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()
    before = page.context.cookies()
    page.goto(f"{served.url}/account")
    for current, said in ((NEXT_PASSWORD, "is another one"), (PASSWORD, "Saved")):
        page.get_by_role("textbox", name="Current password").fill(current)
        page.get_by_role("textbox", name="New password").fill(NEXT_PASSWORD)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert").or_(page.get_by_role("status"))).to_contain_text(said)
    expect(other.get_by_role("heading", name=GONE)).to_be_visible()
    assert {c["value"] for c in before if c["name"] == "sid"}.isdisjoint({c["value"] for c in page.context.cookies()})
    page.goto(served.url)
    expect(page.get_by_role("heading", name="Nothing here is yours yet")).to_be_visible()


def _handshake(served: Dashboard, origin: str, cookie: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Origin": origin,
        "Cookie": cookie,
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.attack("T05")
def test_a_socket_is_opened_by_our_own_page_alone(served: Dashboard) -> None:
    """T05: with a living session the page's own origin gets a socket, another site's does not; without one nobody."""
    cookie = f"sid={served.signed_in()}"
    assert _handshake(served, served.url, cookie) == 101
    assert _handshake(served, "http://evil.example", cookie) == 403
    assert _handshake(served, served.url, "sid=" + "A" * 43) == 403


def test_the_password_is_in_no_file(served: Dashboard) -> None:
    """After all of the above: the canary of every password is in no file of the home and in no line of the log."""
    with database.control(served.home) as control:
        hashes = [kept for (kept,) in control.execute("SELECT password_hash FROM member") if kept]
    assert hashes
    assert all(kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for kept in hashes)
    places = [path for path in served.home.root.rglob("*") if path.is_file()] + [served.log]
    held = {path: path.read_bytes() for path in places}
    assert any(b"$argon2id$" in text for text in held.values()), "the scan reads what is there"
    for canary in (b"canary-Vq7", b"canary-Zk2", b"team.example", b"127.0.0.1 -"):
        assert [path for path, text in held.items() if canary in text] == []
    assert isinstance(served.log, Path)
