"""The page of rights, against the real routes on a loopback port: a person's own account, and never another's."""

import http.client
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards import account, rights, session, sign_in, sign_up, viewer
from dashboards.gate import Gate
from dashboards.viewer import Viewer
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import HASH, PASSWORD, Site, served, token
from tests.retention.held_world import ANNE, BELA, Held, email, held
from warehouse import database
from warehouse.control import member as members
from warehouse.control import objection, restriction, right
from warehouse.control import session as sessions
from warehouse.control.vault import Vault
from warehouse.home import Home

_FORMS = ("export", "restrict", "lift", "object", "take-back", "withdraw", "ask", "answer")


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
    routes = [*sign_in.ROUTES, *sign_up.ROUTES, *account.ROUTES, *rights.ROUTES]
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
    assert site.post("/account/rights/export", {"form": hidden})[0] == 303
    with database.control(world.home) as control:
        number = right.of_account(control, Vault(control, session.now()), world.anne)[0].request_no
    path = f"/account/rights/bundle/{number}"
    assert path in site.ask("GET", "/account/rights")[2]
    status, body = _fetched(site, path)
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist())
    assert ANNE.word("user").encode() in text
    assert BELA.word("user").encode() not in text
    assert _fetched(site, "/account/rights/bundle/999")[0] == 404
    assert site.post("/account/rights/export", {"form": hidden})[0] == 303
    # The newest is the only one: clicking does not fill the disk.
    assert [file.name for file in world.home.exports.iterdir()] == [f"rights-{number + 1}.zip"]
    path = f"/account/rights/bundle/{number + 1}"
    _come(site, email(BELA))
    missing = _fetched(site, path)
    assert missing[0] == 404
    assert missing[1].count(b"Not found") == _fetched(site, "/account/rights/bundle/999")[1].count(b"Not found") > 0
    site.cookie = ""
    assert _fetched(site, path)[0] == 403


@pytest.mark.clause("VA-8.4")
def test_a_person_restricts_objects_and_withdraws_by_themselves(site: Site, world: Held) -> None:
    """Each is in force at once, on their own account alone, and is told on their page with its date."""
    hidden = _come(site, email(ANNE))
    for path, fields in (
        ("restrict", {}),
        ("object", {"purpose": "alerts"}),
        ("withdraw", {"connection": str(world.anne + 1)}),
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
    with database.control(world.home) as control:
        now = session.now()
        with database.transaction(control):
            members.join(control, Vault(control, now), world.anne, "viewer", ("p",), "v@team.example", HASH, now)
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
