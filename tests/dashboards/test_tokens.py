"""Tokens on the page of the account: made with the password, shown once, revoked at once, in no file and no log."""

import html
import logging
import re
from http.client import HTTPConnection

import pytest

from tests.dashboards import machine_site, people_site
from tests.dashboards.people_site import EMAIL, PASSWORD, Site
from warehouse import database
from warehouse.control import member as members
from warehouse.control import token as tokens
from warehouse.control.vault import Vault


def make(site: Site, **fields: str) -> tuple[int, str]:
    """Make a token by the page's form; the status and the page."""
    usual = {"token-name": "the board", "lasts": "30", "token-password": PASSWORD}
    hidden = people_site.token(site.ask("GET", "/account")[2])
    status, _, text = site.post("/account/token/add", {"form": hidden, **usual, **fields})
    return status, html.unescape(text)


def secret_of(page: str) -> str:
    """The token that a page shows."""
    found = re.search(r"aplg_[\w-]{43}", page)
    assert found
    return found[0]


def asked(site: Site, secret: str) -> int:
    """What a program with a token is answered."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("GET", "/api/spend", None, {"Authorization": f"Bearer {secret}"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture(autouse=True)
def _published(site: Site) -> None:
    machine_site.publish(site.home)
    site.sign_in()


def test_a_token_is_made_with_the_password_shown_once_and_revoked(site: Site) -> None:
    """The answer to the form has it, the page after it does not; revoked, it opens nothing from then on."""
    status, page = make(site)
    secret = secret_of(page)
    assert status == 200
    assert asked(site, secret) == 200
    _, headers, after = site.ask("GET", "/account")
    assert headers["cache-control"] == "no-store"
    assert secret not in after
    assert secret[:9] in after
    assert "the board" in after
    assert f"last used on {people_site.now():%d %b %Y}" in after
    hidden = people_site.token(after)
    assert site.post("/account/token/revoke", {"form": hidden, "token": "1"})[0] == 303
    assert asked(site, secret) == 401
    assert site.post("/account/token/revoke", {"form": hidden, "token": "1"})[0] == 404


def test_without_the_password_none_is_made(site: Site) -> None:
    """Neither with a wrong one, nor without the form's own word, nor for a time that is not offered."""
    for fields in ({"token-password": "wrong"}, {"lasts": "1000"}, {"token-name": " "}, {"token-name": "aplg_x"}):
        status, page = make(site, **fields)
        assert status == 422
        assert "aplg_" not in page.replace("aplg_x", "")
    assert make(site, form="x")[0] == 403
    with database.control(site.home) as control:
        assert tokens.listed(control) == []


def test_a_member_sees_their_own_and_an_owner_all(site: Site) -> None:
    """An owner revokes a viewer's; the viewer sees nothing of the owner's, nor another account anything at all."""
    now = people_site.now()
    with database.control(site.home) as control:
        vault = Vault(control, now)
        (ada, _) = members.find(control, vault, EMAIL) or (None, None)
        assert ada
        with database.transaction(control):
            members.join(control, vault, ada.account_no, "viewer", None, "v@team.example", people_site.HASH, now)
        members.sign_up(control, vault, "bob@team.example", people_site.HASH, now)
    make(site, **{"token-name": "of ada"})
    for email in ("v@team.example", "bob@team.example"):
        site.sign_in(email)
        _, page = make(site, **{"token-name": f"of {email}"})
        assert "of ada" not in page
        hidden = people_site.token(site.ask("GET", "/account")[2])
        assert site.post("/account/token/revoke", {"form": hidden, "token": "1"})[0] == 404
    site.sign_in()
    page = site.ask("GET", "/account")[2]
    assert "of v@team.example" in page
    assert "of bob" not in page
    hidden = people_site.token(page)
    assert site.post("/account/token/revoke", {"form": hidden, "token": "2"})[0] == 303
    assert site.post("/account/token/revoke", {"form": hidden, "token": "3"})[0] == 404


def test_a_token_is_in_no_file_and_no_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Made, used, sent wrong, sent in an address, in a name and a form, revoked: no byte of the home, no line."""
    caplog.set_level(logging.DEBUG)
    secret = secret_of(make(site)[1])
    connection = HTTPConnection("127.0.0.1", site.port, timeout=20)
    paths = (
        "/api/spend",
        "/metrics",
        "/api/none",
        "/account",
        "/healthz",
        f"/api/spend?{secret}=1",
        f"/api/{secret}",
    )
    bodies = []
    for path in (*paths, f"/api/spend?token={secret}", f"/api/spend?from={secret}"):
        for sent in (secret, f"{secret}x"):
            connection.request("GET", path, None, {"Authorization": f"Bearer {sent}"})
            bodies.append(connection.getresponse().read())
    connection.close()
    make(site, **{"token-name": secret})
    assert site.post("/sign-in", {"form": "", "email": secret, "password": secret})[0] == 403
    with database.control(site.home) as control:
        control.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tokens.revoke(control, 1, people_site.now())
    part = secret[9:].encode()
    assert [path for path in site.home.root.rglob("*") if path.is_file() and part in path.read_bytes()] == []
    assert part.decode() not in caplog.text
    assert [body for body in bodies if part in body] == []
