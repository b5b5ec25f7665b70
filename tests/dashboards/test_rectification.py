"""A name put right on the page: by the owner at once where it is theirs alone, else once the operator approves."""

import re
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from dashboards.access import session
from dashboards.gate import Gate
from dashboards.people import account, sign_in
from dashboards.rights import rectification, rights_page
from retention import rectifying
from tests.conftest import MASTER_KEY
from tests.dashboards.people_site import HASH, PASSWORD, Site, served, token
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary
from warehouse import database
from warehouse.control import claim, right
from warehouse.control import member as members
from warehouse.control import wish as wishes
from warehouse.control.right import Request
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)
OWNERS = {ANNE: "ann@team.example", BELA: "bel@team.example"}
VIEWER, OPERATOR = "vic@team.example", "op@team.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Two accounts of a log that people sign in to, one with a viewer, and an operator with a password."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        made = Home(tmp_path_factory.mktemp("named") / "own").make()
        environment.setenv("APILEDGER_HOME", str(made.root))
        put(made, "calls.jsonl", [one for each in OWNERS for one in each.lines(range(1))])
        take_in(made, NOW)
        with database.control(made) as control:
            vault = Vault(control, NOW)
            operator = members.operator(control, vault, NOW)
            members.set_email(control, vault, operator, OPERATOR)
            members.set_password(control, operator.member_no, HASH)
            for each, email in OWNERS.items():
                members.sign_up(control, vault, email, HASH, NOW)
                found = members.find(control, vault, email)
                assert found
                claim.put(control, each.account, found[0].account_no, NOW)
            last = members.find(control, vault, OWNERS[BELA])
            assert last
            with database.transaction(control):
                members.join(control, vault, last[0].account_no, "viewer", None, VIEWER, HASH, NOW)
        yield made


@pytest.fixture
def home(made: Home, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """That home, as the one that is served."""
    assert master_key
    monkeypatch.setenv("APILEDGER_HOME", str(made.root))
    return made


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    """The routes behind the gate."""
    routes = [*sign_in.ROUTES, *account.ROUTES, *rights_page.ROUTES, *rectification.ROUTES]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        yield Site(port, home)


def _asked(site: Site, email: str, **fields: str) -> tuple[int, dict[str, str], str]:
    """Sign in and send the form as the page does."""
    site.sign_in(email)
    hidden = token(site.ask("GET", "/account/rights")[2])
    told = {"form": hidden, "name-proof": PASSWORD, "named": "project", "new": "atlas", **fields}
    return site.post("/account/rights/rectify", told)


def _newest(home: Home) -> Request:
    with database.control(home) as control:
        (number,) = control.execute("SELECT max(request_no) FROM rights_request").fetchone()
        return right.find(control, Vault(control, session.now()), number)


@pytest.mark.clause("AL-8.2")
@pytest.mark.clause("VA-8.2")
def test_an_owner_puts_a_name_of_theirs_right_and_nobody_elses(site: Site, home: Home) -> None:
    """After the password it is in no byte, within a process of its own; another's name is answered as nobody's."""
    old, theirs = ANNE.word("project"), BELA.word("project")
    for wrong in ({"name-proof": "wrong"}, {"new": "an@address.example"}, {"named": "user"}, {"new": "project 7"}):
        assert _asked(site, OWNERS[ANNE], **{"old": old, **wrong})[0] == 422, wrong
    answers = [_asked(site, OWNERS[ANNE], old=text) for text in (theirs, "no-such-one")]
    assert {(status, re.sub(r'name="form" value="\w+"', "", text)) for status, _, text in answers} == {
        (422, re.sub(r'name="form" value="\w+"', "", answers[0][2]))
    }
    assert _asked(site, VIEWER, old=theirs)[0] == 404
    assert site.post("/account/rights/rectify", {"form": "0" * 64, "old": theirs})[0] == 403
    status, headers, _ = _asked(site, OWNERS[ANNE], old=old)
    assert (status, headers["location"]) == (303, "/account/rights?said=rectifying")
    for _ in range(900):
        if (made := _newest(home)).state != "open":
            break
        time.sleep(0.1)
    assert (made.state, made.answer) == ("done", "the project is called atlas now, and the name before is gone")
    assert byte_scan.found(home.root, old.encode()) == {}
    projects = query(home, "SELECT DISTINCT project FROM mart.spend_daily ORDER BY 1")
    assert projects == [("atlas",), (theirs,)]
    assert "the name before is gone" in site.ask("GET", "/account/rights")[2]


@pytest.mark.clause("AL-8.2")
@pytest.mark.clause("VA-8.2")
def test_what_a_log_calls_an_account_waits_for_the_operator(site: Site, home: Home) -> None:
    """By it rows are told from others': nothing is changed until the operator approves; nobody else may."""
    old = BELA.account
    assert _asked(site, OWNERS[BELA], named="account", old=old, new="Bela Ltd")[1]["location"].endswith("said=waits")
    made = _newest(home)
    assert made.state == "open"
    # What is sealed is no name in a byte.
    assert b"Bela Ltd" not in b"".join(path.read_bytes() for path in home.root.glob("control.sqlite*"))
    path, fields = "/account/rights/approve", {"number": str(made.request_no)}
    for email in (*OWNERS.values(), VIEWER):
        site.sign_in(email)
        fields["form"] = token(site.ask("GET", "/account")[2])
        assert site.post(path, fields)[0] == 404
        assert "To be approved" not in site.ask("GET", "/account/rights")[2]
    site.sign_in(OPERATOR)
    fields["form"] = token(page := site.ask("GET", "/account/rights")[2])
    assert f"the account {old} is to be called Bela Ltd" in page
    assert site.post(path, fields | {"number": "999"})[0] == 404
    rectifying.carry_out(home, made.request_no, session.now())
    rectifying.carry_out(home, made.request_no, session.now())
    assert _newest(home).state == "done"
    assert ("Bela Ltd",) in query(home, "SELECT DISTINCT account FROM mart.spend_daily")
    assert byte_scan.found(home.root, old.encode()) == {}
    told = site.post(path, fields)
    assert (told[0], "was taken up" in told[2]) == (422, True)
    with database.control(home) as control:
        vault = Vault(control, session.now())
        assert wishes.of(control, vault, made) is None
        bela = members.find(control, vault, OWNERS[BELA])
        assert bela
        assert claim.labels_of(control, bela[0].account_no) == ("Bela Ltd",)
