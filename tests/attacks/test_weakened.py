"""Attacks against a build from which what holds them off was taken: each succeeds there, and nowhere else."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from types import SimpleNamespace

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from dashboards import download, rights_parts, states
from pipelines.alerts import budget_mail, mail
from retention import forget
from tests.attacks.test_stolen_home import EMAILS, MOMENT, fill
from tests.dashboards import people_site
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, now, served, token
from tests.pipelines.test_mail import telling
from warehouse import database
from warehouse.control import member as members
from warehouse.control import right, throttle, ticket, vault
from warehouse.control import session as sessions
from warehouse.control.tombstone import Tombstone
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home


@pytest.fixture
def site(home: Home, master_key: str) -> Iterator[Site]:
    """The routes behind the gate, with one person's account."""
    assert master_key
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, now()), EMAIL, people_site.HASH, now())
    with served(people_site.app()) as port:
        yield Site(port, home)


def _planted(site: Site) -> int:
    """Somebody signs in with a browser into which an id was planted; what that id opens then."""
    site.cookie = "sid=planted-by-somebody-else"
    _, _, text = site.ask("GET", "/sign-in")
    assert site.post("/sign-in", {"form": token(text), "email": EMAIL, "password": PASSWORD})[0] == 303
    return site.ask("GET", "/figures")[0]


@pytest.mark.soak
def test_a_planted_id_opens_figures_where_ids_stay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T03: 403; where a sign-in keeps the browser's id, the one who planted it sees the figures."""
    assert _planted(site) == 403
    monkeypatch.setattr(sessions, "secrets", SimpleNamespace(token_urlsafe=lambda _: "planted-by-somebody-else"))
    assert _planted(site) == 200


@pytest.mark.soak
def test_guessing_goes_on_where_nobody_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T07: after five wrong words the right one is not even tried; without the throttle the ninth guess is in."""
    guesses = [*["wrong"] * 8, PASSWORD]
    assert 303 not in {site.sign_in(secret=guess)[0] for guess in guesses}
    monkeypatch.setattr(throttle, "admit", lambda *_: None)
    assert site.sign_in(secret=PASSWORD)[0] == 303


@pytest.mark.soak
def test_a_reset_is_good_twice_where_it_is_not_used_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T08: whoever finds the link in an old mail sets no password; where tickets are only looked up, they do."""

    def twice() -> list[int]:
        with database.control(site.home) as control:
            found = members.find(control, Vault(control, now()), EMAIL)
            assert found
            sent = ticket.reset(control, found[0], now())
        hidden = site.fresh("/reset")
        words = ("a quite new password", "a thief's own password")
        return [site.post("/reset", {"form": hidden, "ticket": sent, "password": word})[0] for word in words]

    assert twice() == [303, 422]
    monkeypatch.setattr(ticket, "use", ticket.find)
    monkeypatch.setattr(ticket, "end_resets", lambda *_: None)
    assert twice() == [303, 303]


def test_an_error_repeats_a_row_where_its_text_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """T13: a page that fails shows a number alone; one that showed the error would show what the error says."""

    def page() -> None:
        from dashboards import states

        states.wrong(ValueError("could not read canary-of-a-row"))

    def said() -> str:
        return " ".join(each.proto.body for each in AppTest.from_function(page).run().get("html"))

    assert "canary" not in said()
    monkeypatch.setattr(states, "incident", str)
    assert "canary-of-a-row" in said()


def test_a_cell_is_a_formula_where_nothing_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: `=HYPERLINK(` begins a cell of the CSV only where no sign is taken for a formula's start."""
    table = pa.table({"project": ['=HYPERLINK("http://203.0.113.9","x")']})
    cell = re.compile(rb'^"?=', re.MULTILINE)
    assert not cell.search(download.csv_bytes(table))
    monkeypatch.setattr(download, "_FORMULA_STARTS", ())
    assert cell.search(download.csv_bytes(table))


def test_a_name_steers_a_mail_where_lines_are_not_made_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """T15: a project called `web CRLF Bcc:` is a subject; without our rule the mail cannot even be made."""

    def subject() -> str:
        told = telling("web\r\nBcc: x@evil.example")
        made = budget_mail.message(told, sender="from@costs.example", receiver="to@team.example", message_id="<1@x>")
        return str(message_from_bytes(made.as_bytes(), policy=policy.default)["Subject"])

    assert subject().startswith("web Bcc: x@evil.example")
    monkeypatch.setattr(mail, "one_line", str)
    with pytest.raises(ValueError, match=r"linefeed|newline"):
        subject()


def test_a_question_is_markup_where_it_is_not_escaped(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T16: what a member asks is text on the operator's page; without escaping it is a script there."""
    assert master_key
    with database.control(home) as control:
        sealing = Vault(control, now())
        members.sign_up(control, sealing, EMAIL, people_site.HASH, now())
        found = members.find(control, sealing, EMAIL)
        assert found
        right.ask(control, sealing, found[0].account_no, "question", "<script>alert(1)</script>", now(), found[0])
        assert "<script>" not in rights_parts.due(control, sealing)
        monkeypatch.setattr(rights_parts, "escape", str)
        assert "<script>alert(1)</script>" in rights_parts.due(control, sealing)


def test_a_sealed_value_moves_where_it_is_bound_to_nothing(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T21: an invitation's address put in place of a member's does not open; bound to no place, it does."""
    assert master_key
    with database.control(home) as control:
        sealing = Vault(control, MOMENT)
        fill(control, sealing)
        (number,) = control.execute("SELECT account_no FROM member WHERE sealed_email NOT NULL LIMIT 1").fetchone()
        with pytest.raises(KeyUnavailableError):
            sealing.open(number, "member.sealed_email", sealing.seal(number, "ticket.sealed_email", "moved@x.example"))
        monkeypatch.setattr(vault, "bound", lambda *_: b"")
        anew = Vault(control, MOMENT)
        moved = anew.seal(10**6, "ticket.sealed_email", "moved@x.example")
        assert anew.open(10**6, "member.sealed_email", moved) == "moved@x.example"


def test_a_thief_reads_addresses_where_nothing_is_sealed(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T22: without the master key no byte tells who the members are; stored as they are, they are found."""
    assert master_key

    def read() -> bool:
        return any(EMAILS[0].encode() in path.read_bytes() for path in home.root.rglob("control*") if path.is_file())

    with database.control(home) as control:
        sealing = Vault(control, MOMENT)
        fill(control, sealing)
        assert not read()
        monkeypatch.setattr(Vault, "seal", lambda _vault, _number, _place, text: text)
        (number,) = control.execute("SELECT account_no FROM member WHERE sealed_email NOT NULL LIMIT 1").fetchone()
        ticket.invitation(control, sealing, number, EMAILS[0], "viewer", None, MOMENT)
        assert read()


def test_who_comes_back_is_who_they_were_where_nothing_is_forgotten(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T30: after an erasure the same address is another account's; where rows are left, it finds the old one."""
    assert master_key
    with database.control(home) as control:
        sealing = Vault(control, MOMENT)
        fill(control, sealing)

        def comes_back(email: str) -> bool:
            before = members.find(control, sealing, email)
            assert before
            number = before[0].account_no
            with database.transaction(control):
                forget.forget(control, [Tombstone("account", "own", b"", number, MOMENT)])
            members.sign_up(control, Vault(control, MOMENT), email, people_site.HASH, MOMENT)
            after = members.find(control, Vault(control, MOMENT), email)
            assert after
            return after[0].account_no == number

        assert not comes_back(EMAILS[0])
        monkeypatch.setattr(forget, "forget", lambda *_: {})
        assert comes_back(EMAILS[1])
