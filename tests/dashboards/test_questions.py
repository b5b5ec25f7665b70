"""The page Help: a member's question gets a number, a day and an answer; what it and the answer say is theirs alone."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.gate import Gate
from dashboards.people import account, questions, sign_in
from dashboards.rights import rights_page
from pipelines.alerts import postman
from pipelines.cli import cli
from pipelines.commands import rights_overdue
from retention import erase, people
from tests.dashboards.people_site import EMAIL, HASH, PASSWORD, Site, now, served
from tests.pipelines.mail_trap import Trap
from warehouse import database
from warehouse.control import audit, right
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

VERA, OPERATOR = "vera@team.example", "op@team.example"
SAID = "Why is <b>canary</b> March so dear?"


@pytest.fixture
def site(home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An account with an owner and a viewer, and the operator's."""
    assert master_key
    monkeypatch.delenv("APILEDGER_SMTP", raising=False)
    with database.control(home) as control:
        vault = Vault(control, now())
        operator = members.operator(control, vault, now())
        members.set_email(control, vault, operator, OPERATOR)
        members.set_password(control, operator.member_no, HASH)
        members.sign_up(control, vault, EMAIL, HASH, now())
        found = members.find(control, vault, EMAIL)
        assert found
        with database.transaction(control):
            members.join(control, vault, found[0].account_no, "viewer", ("web",), VERA, HASH, now())
    routes = [*sign_in.ROUTES, *account.ROUTES, *rights_page.ROUTES, *questions.ROUTES]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        yield Site(port, home)


def ask(site: Site, text: str) -> tuple[int, str]:
    """Ask by the page's form, as who is signed in."""
    hidden = session.form_token(site.cookie.partition("=")[2])
    status, _, told = site.post("/account/help", {"form": hidden, "question": text})
    return status, told


@pytest.mark.clause("AL-2.5")
@pytest.mark.clause("VA-4.3")
def test_a_question_is_answered_and_each_step_written_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the viewer's form to the operator's answer and the mail that tells of it; one act for each."""
    site.sign_in(VERA)
    assert ask(site, SAID)[0] == 303
    due = now().date() + timedelta(days=14)
    page = site.ask("GET", "/account/help")[2]
    assert "Why is &lt;b&gt;canary&lt;/b&gt; March so dear?" in page
    assert f"due {due:%d %b %Y}" in page
    assert b"canary" not in b"".join(path.read_bytes() for path in site.home.root.rglob("*") if path.is_file())
    site.sign_in(EMAIL, PASSWORD)
    assert "canary" not in site.ask("GET", "/account/help")[2]
    assert "canary" not in site.ask("GET", "/account/rights")[2]
    with database.control(site.home) as control:
        control.execute("UPDATE rights_request SET asked_at = ?", (database.stamp(now() - timedelta(days=3)),))
    listed = CliRunner().invoke(cli, ["rights", "list", "--home", str(site.home.root)]).output
    assert "3 days old" in listed
    assert SAID in listed
    trap = Trap()
    with trap.up() as where:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{where}")
        site.sign_in(OPERATOR)
        assert "3 days old" in site.ask("GET", "/account/rights")[2]
        fields = {
            "form": session.form_token(site.cookie.partition("=")[2]),
            "number": "1",
            "answer": "A cache was off.",
        }
        assert site.post("/account/rights/answer", fields)[0] == 303
        postman.deliver(site.home, now)
    told = {to[0]: str(each["Subject"]) for each, to in zip(trap.mails, trap.receivers, strict=True)}
    assert told[VERA] == "Your request 1 is answered"
    assert "A cache was off" not in "".join(each.as_string() for each in trap.mails)
    site.sign_in(VERA)
    assert "A cache was off." in site.ask("GET", "/account/help")[2]
    with database.control(site.home) as control:
        found = audit.acts(control, now() - timedelta(days=1), now() + timedelta(days=1))
        vera, operator = (members.find(control, Vault(control, now()), email) for email in (VERA, OPERATOR))
    assert vera
    assert operator
    assert [(each.act, each.actor_no, each.object_no, each.detail) for each in found if "support" in each.act] == [
        ("support.asked", vera[0].member_no, 1, "kind=question"),
        ("support.answered", operator[0].member_no, 1, "kind=question state=done"),
    ]


@pytest.mark.clause("VA-4.3")
def test_what_waits_too_long_is_said(site: Site) -> None:
    """Doctor warns in the last week, and says it is late the day after; a letter's question is written down by hand."""
    words = ["rights", "ask", EMAIL, "question", "--note", "by letter", "--home", str(site.home.root)]
    assert CliRunner().invoke(cli, words).output.startswith("Request 1: due on ")
    for days, said in ((0, []), (7, ["is due on"]), (15, ["was due on"])):
        found = list(rights_overdue.findings(site.home, now() + timedelta(days=days)))
        assert [word in one.what for one, word in zip(found, said, strict=True)] == [True] * len(said)


def test_a_question_says_something_and_twenty_wait_at_most(site: Site) -> None:
    """Nothing, too much and the twenty-first are refused with a sentence; without a session there is no page."""
    site.sign_in(VERA)
    assert "say what you need help with" in ask(site, "  ")[1]
    assert ask(site, "x" * 2_001)[0] == 422
    for number in range(20):
        assert ask(site, f"question {number}")[0] == 303
    assert "20 questions wait" in ask(site, "one more")[1]
    site.cookie = ""
    assert site.ask("GET", "/account/help")[0] == 403
    assert site.post("/account/help", {"form": "x", "question": "x"})[0] == 403


def test_a_question_goes_with_who_asked_it(site: Site) -> None:
    """A member who is erased leaves none; what the account asked for by its rights stays."""
    site.sign_in(VERA)
    ask(site, SAID)
    with database.control(site.home) as control:
        vault = Vault(control, now())
        found = members.find(control, vault, VERA)
        assert found
        right.ask(control, vault, found[0].account_no, "access", "", now())
        erase.begin(site.home, control, people.member(control, found[0].member_no), now())
        assert control.execute("SELECT kind FROM rights_request").fetchall() == [("access",)]
