"""Letters: a link by mail for a reset, an invitation, another address; asked on a page, sent by the postman."""

import re
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from dashboards.access import session
from pipelines.alerts import member_notices, postman
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, now, token
from tests.pipelines.mail_trap import Trap
from warehouse import database
from warehouse.control import member as members
from warehouse.control.vault import Vault

NEXT = "batteries of a later canary"


@pytest.fixture
def trap(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """A mail server that is up and named in the environment."""
    assert site
    made = Trap()
    with made.up() as where:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{where}")
        yield made


def sent(site: Site, trap: Trap) -> list[tuple[str, str, str]]:
    """Let the postman go his round; the receiver, subject and path with ticket of what he brought."""
    before = len(trap.mails)
    postman.deliver(site.home, now)
    told = []
    for mail, receivers in zip(trap.mails[before:], trap.receivers[before:], strict=True):
        body = mail.get_body(("plain",))
        assert body
        link = re.search(r"http://127\.0\.0\.1:\d+/(\S+)", body.get_content())
        told.append((receivers[0], str(mail["Subject"]), link[1] if link else ""))
    return told


def ask(site: Site, email: str) -> tuple[int, str]:
    """Ask for a link to a new password."""
    hidden = site.fresh("/forgot")
    status, _, text = site.post("/forgot", {"form": hidden, "email": email})
    return status, text.replace(hidden, "")


def opened(site: Site, link: str, **fields: str) -> tuple[int, dict[str, str], str]:
    """Open a letter's link in a browser that nobody knows."""
    path, _, ticket = link.partition("#")
    hidden = site.fresh(f"/{path}")
    return site.post(f"/{path}", {"form": hidden, "ticket": ticket, **fields})


def mine(site: Site) -> str:
    """The token of the forms of who is signed in."""
    return session.form_token(site.cookie.partition("=")[2])


@pytest.mark.attack("T08")
@pytest.mark.clause("AL-5.4")
def test_a_forgotten_password_is_set_by_a_letter_once(site: Site, trap: Trap) -> None:
    """T08: asked for on the page, sent by the postman, good once; the owner is told, and nothing of it stays."""
    assert ask(site, EMAIL.upper())[0] == 200
    ((receiver, subject, link),) = sent(site, trap)
    assert (receiver, subject) == (EMAIL, "Set a new password")
    assert opened(site, link, password=NEXT)[0] == 303
    assert opened(site, link, password=NEXT)[0] == 422
    assert site.sign_in()[0] == 401
    assert site.sign_in(secret=NEXT)[0] == 303
    assert sent(site, trap) == [(EMAIL, "Your password was changed", "")]
    with database.control(site.home) as control:
        assert control.execute("SELECT count(*) FROM mail").fetchone() == (0,)
    held = b"".join(path.read_bytes() for path in site.home.root.rglob("*") if path.is_file())
    assert link.partition("#")[2].encode() not in held
    assert EMAIL.encode() not in held


@pytest.mark.attack("T07")
def test_nobody_learns_who_has_an_account(site: Site, trap: Trap) -> None:
    """T07: the same words and the same time for a member and for nobody; the second gets no letter."""
    took: dict[str, list[float]] = {EMAIL: [], "nobody@team.example": []}
    answers = set()
    for _ in range(12):
        for email, times in took.items():
            with database.control(site.home) as control:
                control.execute("DELETE FROM throttle")
            began = time.process_time()
            answers.add(ask(site, email))
            times.append((time.process_time() - began) * 1000)
    assert len(answers) == 1
    known, unknown = map(statistics.median, took.values())
    assert abs(known - unknown) < 5
    with database.control(site.home) as control:
        assert control.execute("SELECT count(*), count(lookup), count(sealed_email) FROM letter").fetchone() == (
            24,
            24,
            0,
        )
    assert {receiver for receiver, _, _ in sent(site, trap)} == {EMAIL}
    with database.control(site.home) as control:
        assert control.execute("SELECT count(*) FROM letter").fetchone() == (0,)


def test_who_asks_again_and_again_waits(site: Site, trap: Trap) -> None:
    """Five letters, then a pause that grows; signing in is not touched by it."""
    answers = [ask(site, EMAIL)[0] for _ in range(8)]
    assert answers[:5] == [200] * 5
    assert set(answers[5:]) == {429}
    assert site.sign_in()[0] == 303
    assert len(sent(site, trap)) == 5


def test_a_letter_that_waited_an_hour_is_not_sent(site: Site, trap: Trap) -> None:
    """Who asked has asked again by then."""
    ask(site, EMAIL)
    assert postman.deliver(site.home, lambda: now() + timedelta(hours=1, seconds=5)).withdrawn == 1
    assert not trap.mails


def test_an_invited_address_gets_the_letter(site: Site, trap: Trap) -> None:
    """The owner is shown no link; the letter's makes the address a member with the role and projects of the form."""
    site.sign_in()
    fields = {"form": mine(site), "invited": "vi@team.example", "role": "viewer", "projects": "web, search"}
    _, _, text = site.post("/account/invite", fields)
    assert "on its way to vi@team.example" in text
    assert "/invitation#" not in text
    ((receiver, subject, link),) = sent(site, trap)
    assert (receiver, subject) == ("vi@team.example", "You are invited to apiledger")
    answer = opened(site, link, password=NEXT, of_age="yes", policy="yes")
    assert answer[0] == 303
    assert opened(site, link, password=NEXT, of_age="yes", policy="yes")[0] == 422
    with database.control(site.home) as control:
        found = members.find(control, Vault(control, now()), "vi@team.example")
    assert found
    assert (found[0].role, found[0].projects) == ("viewer", ("web", "search"))


@pytest.mark.clause("AL-8.2")
def test_another_address_counts_once_its_letter_is_opened(site: Site, trap: Trap) -> None:
    """The password is asked for; until the link is opened the old address counts, then it is told."""
    site.sign_in()
    fields = {"email": "ada@new.example", "known": "not this one"}
    assert site.post("/account/email", {"form": mine(site), **fields})[0] == 422
    fields["known"] = PASSWORD
    status, headers, _ = site.post("/account/email", {"form": mine(site), **fields})
    assert (status, headers["location"]) == (303, "/account?said=asked")
    ((receiver, _, link),) = sent(site, trap)
    assert receiver == "ada@new.example"
    signed_in = site.cookie
    assert site.ask("GET", "/figures")[0] == 200
    assert opened(site, link)[0] == 303
    assert opened(site, link)[0] == 422
    assert site.ask("GET", "/figures", Cookie=signed_in)[0] == 403
    told = {(EMAIL, "Your account has another address now", "")}
    assert set(sent(site, trap)) == {*told, ("ada@new.example", "You sign in with this address now", "")}
    assert site.sign_in(EMAIL)[0] == 401
    assert site.sign_in("ada@new.example")[0] == 303


def test_an_address_that_is_taken_tells_nothing_before_its_owner_opens_the_letter(site: Site, trap: Trap) -> None:
    """The page answers as for any address; what the link opens changes nothing."""
    with database.control(site.home) as control:
        members.sign_up(control, Vault(control, now()), "bob@other.example", "hash", now())
    site.sign_in()
    answers = set()
    for email in ("bob@other.example", "free@other.example"):
        answers.add(site.post("/account/email", {"form": mine(site), "email": email, "known": PASSWORD})[0:1])
    assert answers == {(303,)}
    links = {receiver: link for receiver, _, link in sent(site, trap)}
    assert opened(site, links["bob@other.example"])[0] == 422
    assert site.sign_in()[0] == 303


def test_without_a_mail_server_the_page_names_the_command(site: Site) -> None:
    """No form that leads nowhere: the operator makes the link; a changed address holds at once, as before."""
    _, _, text = site.ask("GET", "/forgot")
    assert "apiledger account reset" in text
    assert "<form" not in text
    hidden = token(site.ask("GET", "/sign-in")[2])
    site.fresh()
    assert site.post("/forgot", {"form": hidden, "email": EMAIL})[0] in {403, 409}
    site.sign_in()
    fields = {"form": mine(site), "email": "ada@new.example", "known": PASSWORD}
    assert site.post("/account/email", fields)[1]["location"] == "/account?said=saved"
    assert site.sign_in("ada@new.example")[0] == 303
    with database.control(site.home) as control:
        assert control.execute("SELECT count(*) FROM mail").fetchone() == (0,)


@pytest.mark.attack("T08")
def test_a_link_never_names_a_host_of_the_request(site: Site, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """T08: whatever Host is asked for, the letter's link leads to the address that was set."""
    hidden = site.fresh("/forgot")
    fields = {"form": hidden, "email": EMAIL}
    assert site.post("/forgot", fields, Host="evil.example", Origin="http://evil.example")[0] == 403
    assert site.post("/forgot", fields)[0] == 200
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", "https://costs.team.example")
    postman.deliver(site.home, now)
    body = trap.mails[0].get_body(("html",))
    assert body
    assert set(re.findall(r"https?://[^/\s\"<]+", body.get_content())) == {"https://costs.team.example"}


@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.6")
@pytest.mark.clause("VA-4.4")
def test_who_signs_in_from_a_new_place_is_told_and_who_guesses_is_told_of_once(site: Site, trap: Trap) -> None:
    """By the forms: the owner's own sign-in from a place of a month ago, then eight wrong passwords in four rounds."""
    assert site.sign_in()[0] == 303
    assert sent(site, trap) == [], "the first sign-in of a new account is no news"
    with database.control(site.home) as control:
        control.execute("UPDATE member SET created_at = ?", (database.stamp(now() - timedelta(days=40)),))
        control.execute("DELETE FROM known_place")
    assert site.sign_in()[0] == 303
    assert sent(site, trap) == [(EMAIL, "Somebody signed in to your account from a new place", "")]
    assert site.sign_in()[0] == 303
    told = []
    for _ in range(4):
        for _ in range(2):
            site.sign_in(secret="not this one")
        member_notices.enqueue(site.home, now())
        told += [subject for _, subject, _ in sent(site, trap)]
    assert len(told) == 1
    assert told[0].endswith("sign-ins to your account failed")
    assert not any("127.0.0" in str(part.get_content()) for mail in trap.mails for part in mail.iter_parts())


@pytest.mark.clause("AL-2.3")
def test_wrong_passwords_of_who_is_signed_in_count_as_well(site: Site, trap: Trap) -> None:
    """A session that somebody left open lets nobody try passwords unseen."""
    site.sign_in()
    for _ in range(6):
        site.post("/account/password", {"form": mine(site), "current": "wrong", "password": NEXT})
    member_notices.enqueue(site.home, now())
    assert [subject for _, subject, _ in sent(site, trap)] == ["5 sign-ins to your account failed"]


def test_an_erased_account_gets_no_letter(site: Site, trap: Trap) -> None:
    """Asked for before, due after: the member is gone, and with them the letter."""
    ask(site, EMAIL)
    with database.control(site.home) as control:
        control.execute("DELETE FROM member")
    assert sent(site, trap) == []
    assert postman.deliver(site.home, now).sent == 0
