"""The page of connections: keys given and destroyed by forms, nobody else's to be seen, no key in any answer."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.gate import Gate
from dashboards.people import account, connections, sign_in
from pipelines.sandbox import bill_file, openai_api
from pipelines.sandbox.admin_api import AdminApi
from tests.dashboards.people_site import EMAIL, HASH, PASSWORD, Site, now, served, token
from tests.retention.byte_scan import contents
from warehouse import database
from warehouse.control import credential
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.credential import Credential
from warehouse.control.vault import Vault
from warehouse.home import Home

KEY = "sk-admin-canary-4be1c9d07f22"
BOB, VIEWER = "bob@team.example", "vera@team.example"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminApi]:
    """OpenAI's API of an organisation that was billed nothing yet."""
    with openai_api.serve(bill_file.nothing(), KEY) as api:
        monkeypatch.setenv("APILEDGER_OPENAI_API", api.address)
        yield api


@pytest.fixture
def site(home: Home, master_key: str, provider: AdminApi) -> Iterator[Site]:
    """The routes behind the gate, with two accounts, the first of them with a viewer."""
    assert master_key
    assert provider.address
    with database.control(home) as control:
        vault = Vault(control, now())
        for email in (EMAIL, BOB):
            assert members.sign_up(control, vault, email, HASH, now())
        found = members.find(control, vault, EMAIL)
        assert found
        with database.transaction(control):
            members.join(control, vault, found[0].account_no, "viewer", None, VIEWER, HASH, now())
    routes = [*sign_in.ROUTES, *account.ROUTES, *connections.ROUTES]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        yield Site(port, home)


def kept(site: Site) -> list[Credential]:
    """What is stored."""
    with database.control(site.home) as control:
        return credential.of_account(control, None)


def give(site: Site, key: str, **more: str) -> tuple[int, str]:
    """Give a key by the page's form, as a person does."""
    hidden = token(site.ask("GET", "/connections")[2])
    fields = {"form": hidden, "provider": "openai", "label": "main", "key": key, "proof": PASSWORD} | more
    status, _, text = site.post("/connections/add", fields)
    return status, text


@pytest.mark.clause("AL-5.6")
@pytest.mark.clause("AL-3.1")
def test_a_key_is_given_seen_by_its_last_letters_and_destroyed_after_a_second_look(
    site: Site, provider: AdminApi
) -> None:
    """From the empty page to the removed key; another account's is answered as one that is not there, all the way."""
    site.sign_in()
    empty = site.ask("GET", "/connections")[2]
    assert "yet" in empty
    assert "An owner makes an admin key with Usage: read" in empty
    assert 'href="https://openai.com/policies/privacy-policy"' in empty
    for wrong, said in (
        ({"key": "sk-proj-canary0001canary"}, "Not kept: that is an OpenAI project key, which cannot read"),
        ({"key": KEY, "label": "<script>alert(1)</script>"}, "letters, digits, blanks"),
    ):
        status, text = give(site, **wrong)
        assert (status, kept(site)) == (422, [])
        assert said in text
        assert "canary" not in text
        assert "<script>alert" not in text
    assert provider.asked == []
    assert give(site, KEY)[0] == 303
    (one,) = kept(site)
    assert (one.state, one.hint) == ("working", KEY[-4:])
    page = site.ask("GET", "/connections?said=kept")[2]
    assert f"…{KEY[-4:]}" in page
    assert KEY[:14] not in page
    ours = site.cookie
    for email in (BOB, VIEWER):
        site.sign_in(email)
        assert "…" not in site.ask("GET", "/connections")[2]
        hidden = token(site.ask("GET", "/account")[2])
        answers = {
            site.post("/connections/remove", {"form": hidden, "connection": str(number), "sure": "yes"})[::2]
            for number in (one.connection_no, 1, "x")
        }
        assert [status for status, _ in answers] == [404]
    site.sign_in(VIEWER)
    hidden = token(site.ask("GET", "/account")[2])
    assert site.ask("GET", "/connections")[0] == 404
    assert site.post("/connections/add", {"form": hidden, "provider": "openai", "key": KEY})[0] == 404
    assert [each.state for each in kept(site)] == ["working"]
    site.cookie = ours
    fields = {"form": token(site.ask("GET", "/connections")[2]), "connection": str(one.connection_no)}
    status, _, asked = site.post("/connections/remove", fields)
    assert (status, kept(site)[0].state) == (200, "working")
    assert "will be destroyed" in asked
    sure = fields | {"sure": "yes"}
    assert [site.post("/connections/remove", sure | {"proof": word})[0] for word in ("", "wrong")] == [422, 422]
    assert kept(site)[0].state == "working"
    assert site.post("/connections/remove", sure | {"proof": PASSWORD})[0] == 303
    assert site.post("/connections/remove", sure | {"proof": PASSWORD})[0] == 404
    assert kept(site)[0].state == "removed"
    assert not any(KEY.encode() in body for _, body in contents(site.home.root))


@pytest.mark.clause("AL-5.4")
def test_a_browser_that_was_left_open_gives_no_key(site: Site, provider: AdminApi) -> None:
    """Without the password, or with another, no key is tried, kept or replaced; guesses come to wait."""
    site.sign_in()
    assert give(site, KEY)[0] == 303
    before, asked = kept(site), len(provider.asked)
    for word in ("", "wrong", "x" * 2_000):
        status, text = give(site, f"{KEY}-other", proof=word)
        assert (status, "Nothing was kept: the password is another one" in text) == (422, True)
        assert KEY not in text
    assert (kept(site), len(provider.asked)) == (before, asked)
    assert "too many tries" in [give(site, KEY, proof="wrong")[1] for _ in range(4)][-1]
    assert "too many tries" in give(site, KEY)[1]


@pytest.mark.clause("AL-5.4")
def test_who_has_no_password_gives_a_key_within_minutes_of_the_link(site: Site) -> None:
    """The operator who came by a link; an hour later the same browser is asked to sign in anew."""
    with database.control(site.home) as control:
        operator = members.operator(control, Vault(control, now()), now())
        site.cookie = f"sid={sessions.begin(control, operator.member_no, sessions.BY_LINK, now())}"
    assert give(site, KEY)[0] == 303
    with database.control(site.home) as control:
        control.execute("UPDATE session SET proved_at = ?", (database.stamp(now() - timedelta(minutes=11)),))
    status, text = give(site, f"{KEY}-other")
    assert (status, "apiledger account link" in text) == (422, True)
    assert [one.hint for one in kept(site)] == [KEY[-4:]]


def test_a_form_of_another_site_changes_nothing(site: Site) -> None:
    """Without the form's token, from another origin, by another method: refused, and nothing is kept or destroyed."""
    site.sign_in()
    with database.control(site.home) as control:
        vault = Vault(control, now())
        found = members.find(control, vault, EMAIL)
        assert found
        one = credential.add(control, vault, found[0].account_no, "openai", "main", KEY, now())
    number = str(one.connection_no)
    hidden = token(site.ask("GET", "/connections")[2])
    for path, fields in (
        ("/connections/add", {"provider": "openai", "label": "other", "key": KEY}),
        ("/connections/remove", {"connection": number, "sure": "yes"}),
    ):
        assert site.post(path, fields)[0] == 403
        assert site.post(path, fields | {"form": hidden}, Origin="https://evil.example")[0] == 403
        assert site.ask("GET", f"{path}?connection={number}&sure=yes&form={hidden}")[0] == 405
    assert [(one.label, one.state) for one in kept(site)] == [("main", "waiting")]


def test_who_is_not_signed_in_sees_none(site: Site) -> None:
    """The gate sends a person to sign in and refuses a program."""
    assert site.ask("GET", "/connections", Accept="text/html")[0] == 303
    assert site.ask("GET", "/connections")[0] == 403
    assert not re.search("OpenAI", site.ask("GET", "/connections")[2])
