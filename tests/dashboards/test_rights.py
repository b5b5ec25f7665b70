"""The page of rights, against the real routes on a loopback port: a person's own account, and never another's."""

import http.client
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.figures import viewer
from dashboards.figures.viewer import Viewer
from dashboards.gate import Gate
from dashboards.people import account, sign_in, sign_up
from dashboards.rights import bundles, rights_page, withdrawal
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import HASH, PASSWORD, Site, served, token
from tests.retention.held_world import ANNE, BELA, Held, email, held
from warehouse import database
from warehouse.control import consent, credential, objection, restriction, right
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

_FORMS = ("export", "copy-of", "restrict", "lift", "object", "take-back", "withdraw", "ask", "answer")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """Two accounts that sign in with a password."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        made = held(Home(tmp_path_factory.mktemp("held") / "own").make())
        with database.control(made.home) as control:
            control.execute("UPDATE member SET password_hash = ? WHERE lookup IS NOT NULL", (HASH,))
        yield made


@pytest.fixture
def site(world: Held, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The routes behind the gate."""
    assert master_key
    monkeypatch.setenv("APILEDGER_HOME", str(world.home.root))
    routes = [
        *sign_in.ROUTES,
        *sign_up.ROUTES,
        *account.ROUTES,
        *rights_page.ROUTES,
        *bundles.ROUTES,
        *withdrawal.ROUTES,
    ]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        yield Site(port, world.home)


def _come(site: Site, whose: str) -> str:
    """Sign in, and give the token of the forms."""
    assert site.sign_in(whose, PASSWORD)[0] == 303
    return token(site.ask("GET", "/account/rights")[2])


def _fetched(site: Site, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)) as connection:
        connection.request("GET", path, headers={"Cookie": site.cookie})
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
def test_an_owner_takes_everything_along_and_nobody_else_fetches_it(site: Site, world: Held) -> None:
    """A button makes the bundle, a link gives it, a later one takes its place; to the other's owner none is there."""
    hidden = _come(site, email(ANNE))
    assert site.post("/account/rights/export", {"form": hidden, "proof": PASSWORD})[0] == 303
    with database.control(world.home) as control:
        number = right.of_account(control, Vault(control, session.now()), world.anne)[0].request_no
    path = f"/account/rights/bundle/{number}"
    assert path in site.ask("GET", "/account/rights")[2]
    status, body = _fetched(site, path)
    assert status == 200
    text = _unpacked(body)
    assert ANNE.word("user").encode() in text
    assert BELA.word("user").encode() not in text
    assert _fetched(site, "/account/rights/bundle/999")[0] == 404
    assert site.post("/account/rights/export", {"form": hidden, "proof": PASSWORD})[0] == 303
    # The newest is the only one: clicking does not fill the disk.
    assert [file.name for file in world.home.exports.iterdir()] == [f"rights-{number + 1}.zip"]
    path = f"/account/rights/bundle/{number + 1}"
    _come(site, email(BELA))
    missing = _fetched(site, path)
    assert missing[0] == 404
    assert missing[1].count(b"Not found") == _fetched(site, "/account/rights/bundle/999")[1].count(b"Not found") > 0
    site.cookie = ""
    assert _fetched(site, path)[0] == 403


@pytest.mark.clause("AL-5.4")
def test_a_browser_that_was_left_open_makes_and_fetches_no_bundle(site: Site, world: Held) -> None:
    """Without the password none is made; one that is there is handed out after the password alone, or a fresh one."""
    hidden = _come(site, email(BELA))
    for word in ("", "wrong"):
        told = site.post("/account/rights/export", {"form": hidden, "proof": word})
        assert (told[0], "No bundle was made" in told[2]) == (422, True)
    assert site.post("/account/rights/export", {"form": hidden, "proof": PASSWORD})[0] == 303
    with database.control(world.home) as control:
        number = right.of_account(control, Vault(control, session.now()), world.bela)[0].request_no
        control.execute("UPDATE session SET proved_at = ?", (database.stamp(session.now() - timedelta(minutes=11)),))
    path = f"/account/rights/bundle/{number}"
    status, body = _fetched(site, path)
    assert (status, b"Your password" in body, body[:2]) == (200, True, b"<!")
    told = site.post(path, {"form": hidden, "proof": "wrong"})
    assert (told[0], "handed out" in told[2]) == (422, True)
    assert site.post(path, {"form": "0" * 64, "proof": PASSWORD})[0] == 403
    assert site.post(path, {"form": hidden, "proof": PASSWORD})[:2][1]["location"] == path
    assert _fetched(site, path)[1][:2] == b"PK"
    hidden = _come(site, email(ANNE))
    assert site.post(path, {"form": hidden, "proof": PASSWORD})[0] == 404
    (world.home.exports / f"rights-{number}.zip").unlink()


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
def test_an_owner_makes_the_copy_of_a_user_of_theirs_and_of_nobody_elses(site: Site, world: Held) -> None:
    """Found by the id of the log, after the password; another account's user is answered as nobody's."""
    hidden, path = _come(site, email(ANNE)), "/account/rights/copy-of"
    own, other = (f"{each.word('user')}@example.org" for each in (ANNE, BELA))
    fields = {"form": hidden, "person": "user", "whose": own, "person-proof": PASSWORD}
    assert site.post(path, fields | {"person-proof": "wrong"})[0] == 422
    assert site.post(path, fields | {"person": "member"})[0] == 404
    answers = [site.post(path, fields | {"whose": text}) for text in (other, "nobody@example.org")]
    assert [answer[0] for answer in answers] == [422, 422]
    assert answers[0][2].replace(other, "") == answers[1][2].replace("nobody@example.org", "")
    assert site.post(path, fields)[0] == 303
    with database.control(world.home) as control:
        number = right.of_account(control, Vault(control, session.now()), world.anne)[0].request_no
    status, body = _fetched(site, f"/account/rights/bundle/{number}")
    text = _unpacked(body)
    assert (status, ANNE.word("user").encode() in text, ANNE.word("email").encode() in text) == (200, True, False)
    _come(site, email(BELA))
    assert _fetched(site, f"/account/rights/bundle/{number}")[0] == 404
    (world.home.exports / f"rights-{number}.zip").unlink()


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
def test_a_viewer_takes_the_copy_of_what_is_held_of_them(site: Site, world: Held) -> None:
    """Theirs alone: the account's owner neither finds nor fetches it, and it has nothing of the account in it."""
    _joined(world, world.bela, "viewer", "own@team.example")
    hidden, path = _come(site, "own@team.example"), "/account/rights/copy"
    assert site.post(path, {"form": hidden, "own-proof": ""})[0] == 422
    assert site.post(path, {"form": hidden, "own-proof": PASSWORD})[0] == 303
    with database.control(world.home) as control:
        number = right.of_account(control, Vault(control, session.now()), world.bela)[0].request_no
    link = f"/account/rights/bundle/{number}"
    assert link in site.ask("GET", "/account/rights")[2]
    text = _unpacked(_fetched(site, link)[1])
    assert b"own@team.example" in text
    assert BELA.word("email").encode() not in text
    _come(site, email(BELA))
    assert link not in site.ask("GET", "/account/rights")[2]
    assert _fetched(site, link)[0] == 404
    (world.home.exports / f"rights-{number}.zip").unlink()


def _unpacked(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def _joined(world: Held, account_no: int, role: members.Role, address: str) -> None:
    with database.control(world.home) as control:
        now = session.now()
        with database.transaction(control):
            members.join(control, Vault(control, now), account_no, role, ("p",), address, HASH, now)


@pytest.mark.clause("VA-8.4")
def test_a_person_restricts_objects_and_withdraws_by_themselves(site: Site, world: Held) -> None:
    """Each is in force at once, on their own account alone, and is told on their page with its date."""
    hidden = _come(site, email(ANNE))
    for path, fields in (
        ("restrict", {}),
        ("object", {"purpose": "alerts"}),
        ("withdraw", {"connection": str(world.anne + 1), "sure": "yes", "proof": PASSWORD}),
        ("ask", {"kind": "rectification", "note": "<b>mine</b>"}),
    ):
        assert site.post(f"/account/rights/{path}", {"form": hidden, **fields})[0] == 303, path
    page = site.ask("GET", "/account/rights")[2]
    assert "Restricted since" in page
    assert "objected on" in page
    assert "withdrawn on" in page
    assert site.post("/account/rights/withdraw", {"form": hidden, "connection": str(world.bela + 1)})[0] == 404
    assert site.post("/account/rights/object", {"form": hidden, "purpose": "agent_sessions"})[0] == 404
    assert site.post("/account/rights/answer", {"form": hidden, "number": "1"})[0] == 404
    with database.control(world.home) as control:
        assert restriction.since(control, world.anne) is not None
        assert restriction.since(control, world.bela) is None
        assert ANNE.account in restriction.labels(control)
        assert "alerts" in objection.of_account(control, world.anne)
    assert site.post("/account/rights/lift", {"form": hidden})[0] == 303
    assert site.post("/account/rights/take-back", {"form": hidden, "purpose": "alerts"})[0] == 303
    with database.control(world.home) as control:
        assert restriction.labels(control) == ()


@pytest.mark.clause("AL-8.4")
def test_who_withdraws_a_consent_is_told_that_the_key_goes_and_asked_who_they_are(site: Site, world: Held) -> None:
    """A second look says what goes; without the password nothing does; afterwards the page asks for a key anew."""
    with database.control(world.home) as control:
        vault = Vault(control, session.now())
        one = credential.add(control, vault, world.bela, "openai", "main", "sk-admin-canary-0a1b2c3d", session.now())
    hidden, path = _come(site, email(BELA)), "/account/rights/withdraw"
    fields = {"form": hidden, "connection": str(one.connection_no)}
    status, _, asked = site.post(path, fields)
    assert (status, "openai, main: The key is destroyed, with the data key that opens it" in asked) == (200, True)
    for word in ("", "wrong"):
        assert site.post(path, fields | {"sure": "yes", "proof": word})[0] == 422
    with database.control(world.home) as control:
        assert not consent.is_withdrawn(control, one.connection_no)
        assert credential.living_lookup(control, one.connection_no)
    told = site.post(path, fields | {"sure": "yes", "proof": PASSWORD})
    assert told[1]["location"].endswith("said=destroyed")
    page = site.ask("GET", told[1]["location"])[2]
    assert "its key is destroyed" in page
    assert "Give a key anew" in page
    with database.control(world.home) as control:
        assert control.execute("SELECT sealed_key, sealed_data_key FROM credential").fetchall() == [(None, None)]
    fields["form"] = _come(site, email(ANNE))
    assert site.post(path, fields | {"sure": "yes", "proof": PASSWORD})[0] == 404


@pytest.mark.attack("T16")
@pytest.mark.clause("VA-8.6")
def test_the_operator_sees_what_is_due_and_answers(site: Site, world: Held) -> None:
    """The person's words are text, never markup; the answer is on the person's page, and on nobody else's."""
    hidden = _come(site, email(BELA))
    assert site.post("/account/rights/ask", {"form": hidden, "kind": "erasure", "note": "<i>go</i>"})[0] == 303
    with database.control(world.home) as control:
        now = session.now()
        vault = Vault(control, now)
        operator = members.operator(control, vault, now)
        members.set_email(control, vault, operator, "op@team.example")
        members.set_password(control, operator.member_no, HASH)
        number = right.of_account(control, vault, world.bela)[0].request_no
    hidden = _come(site, "op@team.example")
    page = site.ask("GET", "/account/rights")[2]
    assert "&lt;i&gt;go&lt;/i&gt;" in page
    assert "<i>go" not in page
    answer = {"form": hidden, "number": str(number), "answer": "answered canary"}
    assert site.post("/account/rights/answer", answer)[0] == 303
    assert site.post("/account/rights/answer", answer)[0] == 422
    assert "answered canary" not in site.ask("GET", "/account/rights")[2]
    _come(site, email(BELA))
    assert "answered canary" in site.ask("GET", "/account/rights")[2]
    _come(site, email(ANNE))
    assert "answered canary" not in site.ask("GET", "/account/rights")[2]


def test_who_is_no_owner_uses_no_right_of_the_account(site: Site, world: Held) -> None:
    """A viewer of the same account, and a form from elsewhere: nothing is done."""
    _joined(world, world.anne, "viewer", "v@team.example")
    assert site.sign_in("v@team.example", PASSWORD)[0] == 303
    assert "An owner of your account" in site.ask("GET", "/account/rights")[2]
    hidden = token(site.ask("GET", "/account")[2])
    fields = {"form": hidden, "purpose": "alerts", "connection": "1", "kind": "access", "number": "1"}
    assert {site.post(f"/account/rights/{path}", fields)[0] for path in _FORMS} == {404}
    _come(site, email(ANNE))
    assert site.post("/account/rights/restrict", {"form": "0" * 64})[0] == 403


def test_the_operator_does_not_see_a_restricted_account(world: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that nobody claims: its label is hidden from the operator's pages until it is lifted."""
    monkeypatch.setenv("APILEDGER_HOME", str(world.home.root))
    monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
    now = session.now()
    with database.control(world.home) as control:
        operator = members.operator(control, Vault(control, now), now)
        found_by = sessions.lookup(sessions.begin(control, operator.member_no, sessions.BY_LINK, now))
        control.execute("UPDATE claim SET ended_at = 'x' WHERE label = ?", (ANNE.account,))
        (number,) = control.execute("SELECT no FROM label WHERE label = ?", (ANNE.account,)).fetchone()
        assert ANNE.account not in viewer.of(found_by).claimed
        restriction.begin(control, number, [], now)
        hidden = viewer.of(found_by)
        restriction.lift(control, number, now)
    assert isinstance(hidden, Viewer)
    assert ANNE.account in hidden.claimed
