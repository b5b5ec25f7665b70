"""Deleting from the page: proved, typed, at once; cut off within a second, and a receipt that anyone can check."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from dashboards.access import session
from dashboards.gate import Gate
from dashboards.people import account, sign_in
from dashboards.rights import deletion, erased
from tests.conftest import MASTER_KEY
from tests.dashboards import people_site as signing
from tests.dashboards import test_sign_in as sockets
from tests.dashboards.people_site import HASH, PASSWORD, Site, served
from tests.retention import byte_scan
from tests.retention.erased_world import Canary, lived
from tests.retention.people_world import People, moved_in, rows_of
from warehouse import database, withholding
from warehouse.control import erasure as erasures
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

_ANNE, _BELA = Canary(1), Canary(2)
_OPERATOR = "host@team.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, People, People]:
    """Calls of two accounts whose people sign in with one password, and an operator who has one as well."""
    home = Home(tmp_path_factory.mktemp("deleted") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        lived(home, [_ANNE, _BELA])
        people = moved_in(home, _ANNE), moved_in(home, _BELA)
        with database.control(home) as control:
            vault = Vault(control, signing.now())
            operator = members.operator(control, vault, signing.now())
            assert members.set_email(control, vault, operator, _OPERATOR)
            control.execute("UPDATE member SET password_hash = ?", (HASH,))
    return home, *people


@pytest.fixture
def ours(made: tuple[Home, People, People], home: Home, master_key: str) -> Iterator[tuple[Site, People, People]]:
    """A copy of that home, with the routes and a socket behind the gate."""
    assert master_key
    shutil.rmtree(home.root)
    shutil.copytree(made[0].root, home.root, symlinks=True)
    app = Starlette(
        routes=[
            *sign_in.ROUTES,
            *account.ROUTES,
            *deletion.ROUTES,
            *erased.ROUTES,
            Route("/figures", signing.figures),
            WebSocketRoute("/_stcore/stream", signing.live_figures),
        ],
        middleware=[Middleware(Gate)],
    )
    with served(app) as port:
        yield Site(port, home), *made[1:]


def _delete(site: Site, **fields: str) -> tuple[int, dict[str, str], str]:
    hidden = session.form_token(site.cookie.partition("=")[2])
    return site.post("/account/delete", {"form": hidden, **{name.replace("_", "-"): f for name, f in fields.items()}})


def _receipt_page(site: Site, path: str) -> str:
    """The page of a receipt once there is one, asked for as somebody who is not signed in."""
    nobody = replace(site, cookie="")
    for _ in range(300):
        status, headers, text = nobody.ask("GET", path)
        assert status == 200, text
        if "refresh" not in headers:
            return text
        assert "bytes are going" in text
        time.sleep(0.1)
    raise AssertionError("the receipt did not come")


@pytest.mark.attack("T04")
@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("AL-8.3")
@pytest.mark.clause("VA-8.3")
def test_an_account_is_deleted_from_its_page(ours: tuple[Site, People, People], tmp_path: Path) -> None:
    """Pages, an open socket and the other owner are cut off within a second; no byte is left; the receipt is good."""
    site, anne, bela = ours
    second, other = replace(site), replace(site)
    assert [one.sign_in(email)[0] for one, email in ((site, anne.first), (second, anne.second), (other, bela.first))]
    with sockets.shake_hands(second, second.cookie) as socket, sockets.shake_hands(other, other.cookie) as theirs:
        assert b" 101 " in socket.recv(4096)
        assert b" 101 " in theirs.recv(4096)
        assert b"figures x" in sockets.said(socket)
        began = time.monotonic()
        status, headers, _ = _delete(
            site, what="account", account_typed="Delete this account", account_password=PASSWORD
        )
        assert (status, headers["location"][:8]) == (303, "/erased/")
        assert [one.ask("GET", "/figures")[0] for one in (site, second, other)] == [403, 403, 200]
        socket.settimeout(2)
        # The server hangs up by itself: nothing was sent, and what comes is the way to sign in.
        assert b"/sign-in" in socket.recv(4096)
        assert time.monotonic() - began < 1.5
        assert b"figures x" in sockets.said(theirs)
    text = _receipt_page(site, headers["location"])
    assert "nothing was found" in text
    assert "the gateway&#x27;s own database" in text
    assert site.ask("GET", headers["location"], Cookie="")[2].count("zq001") == 0
    assert (_ANNE.found(site.home), rows_of(site.home, anne)) == ({}, {})
    assert not withholding.is_withheld(site.home)
    for name, path in (
        ("receipt.json", f"{headers['location']}/receipt.json"),
        ("verify_receipt.py", "/erased/verify_receipt.py"),
    ):
        (tmp_path / name).write_text(replace(site, cookie="").ask("GET", path)[2])
    check = [sys.executable, "-I", "-S", "verify_receipt.py", "receipt.json"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1 receipt follows")
    saved = json.loads((tmp_path / "receipt.json").read_text())
    saved["receipt"]["rows"]["control.member"] = 2
    (tmp_path / "receipt.json").write_text(json.dumps(saved))
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_nothing_is_deleted_without_proof_and_words(ours: tuple[Site, People, People]) -> None:
    """A wrong password, other words, somebody else's right: refused, and everything is as it was."""
    site, anne, _ = ours
    site.sign_in(anne.first)
    before = rows_of(site.home, anne)
    typed = {"account_typed": "delete this account", "member_typed": "delete me"}
    refused = [
        _delete(site, what="account", account_password="another one", **typed)[0],
        _delete(site, what="account", account_password=PASSWORD, account_typed="yes")[0],
        _delete(site, what="member", member_password=PASSWORD, member_typed="")[0],
        _delete(site, what="other", other_password=PASSWORD, whose=_OPERATOR, typed=_OPERATOR)[0],
        _delete(site, what="", account_password=PASSWORD, **typed)[0],
    ]
    assert refused == [422, 422, 422, 404, 404]
    assert "the password is another one" in _delete(site, what="account", account_password="x", **typed)[2]
    viewer = replace(site)
    viewer.sign_in(anne.viewer)
    assert _delete(viewer, what="account", account_password=PASSWORD, **typed)[0] == 404
    assert "Delete this account" not in viewer.ask("GET", "/account/delete")[2]
    waits = [_delete(viewer, what="member", member_password="guess", **typed)[2] for _ in range(6)]
    assert "too many tries" in waits[-1]
    after = rows_of(site.home, anne)
    assert {name: after[name] for name in before if name not in {"session", "throttle", "known_place"}} == {
        name: before[name] for name in before if name not in {"session", "throttle", "known_place"}
    }
    with database.control(site.home) as control:
        assert control.execute("SELECT count(*) FROM erasure").fetchone() == (0,)


@pytest.mark.clause("AL-8.3")
@pytest.mark.clause("VA-8.3")
def test_an_owner_erases_a_user_of_their_account_by_its_id(ours: tuple[Site, People, People]) -> None:
    """Typed twice, proved, once, with a receipt; another account's user is nobody's, and a viewer erases none."""
    site, anne, bela = ours
    ids = {kind: f"{_ANNE.word(kind)}@example.org" for kind in ("user", "end_user")}
    site.sign_in(anne.viewer)
    fields = {"what": "user", "person": "user", "whose": ids["user"], "user_typed": ids["user"]}
    assert _delete(site, **fields, user_password=PASSWORD)[0] == 404
    site.sign_in(bela.first)
    theirs = _delete(site, **fields, user_password=PASSWORD)
    nobodys = _delete(site, **fields | {"whose": "zz", "user_typed": "zz"}, user_password=PASSWORD)
    assert (theirs[0], theirs[2]) == (nobodys[0], nobodys[2])
    assert "has no user of a gateway of that id" in theirs[2]
    site.sign_in(anne.first)
    assert "The id once more" in site.ask("GET", "/account/delete")[2]
    for wrong in ({"user_typed": "another"}, {"user_password": "wrong"}, {"person": "account"}, {"account": "other"}):
        assert _delete(site, **{**fields, "user_password": PASSWORD, **wrong})[0] == 422, wrong
    assert set(_ANNE.found(site.home)) != set()
    for kind, text in ids.items():
        told = {**fields, "person": kind, "whose": text, "user_typed": text.upper(), "account": _ANNE.account}
        status, headers, _ = _delete(site, **told, user_password=PASSWORD)
        assert status == 303
        assert "nothing was found" in _receipt_page(site, headers["location"])
    left = set().union(*_ANNE.found(site.home).values())
    assert {_ANNE.word(kind).encode() for kind in ids} & left == set()
    assert _ANNE.word("project").encode() in left
    assert _delete(site, **fields, user_password=PASSWORD)[0] == 422
    assert site.ask("GET", "/figures")[0] == 200


@pytest.mark.clause("AL-8.3")
def test_a_member_deletes_themselves_and_figures_stay(ours: tuple[Site, People, People]) -> None:
    """Twice clicked is once done; the co-owner goes on with the figures, and is the last, who has no such button."""
    site, anne, _ = ours
    owner, again = replace(site), replace(site)
    owner.sign_in(anne.second)
    site.sign_in(anne.first)
    again.cookie = site.cookie
    fields = {"what": "member", "member_typed": "delete me", "member_password": PASSWORD}
    status, headers, _ = _delete(site, **fields)
    assert status == 303
    assert _delete(again, **fields)[0] == 403
    assert owner.ask("GET", "/figures")[0] == 200
    assert not withholding.is_withheld(site.home)
    assert "nothing was found" in _receipt_page(site, headers["location"])
    assert byte_scan.found(site.home.root, rb"zq001ada") == {}
    assert site.sign_in(anne.first)[0] == 401
    assert "Delete me" not in owner.ask("GET", "/account/delete")[2]
    assert "zq001accountxv" in str(_ANNE.found(site.home))
    with database.control(site.home) as control:
        assert len(erasures.receipts(control)) == 1


def test_the_operator_erases_who_asked_for_it(ours: tuple[Site, People, People]) -> None:
    """An account by number, a member by address; typed twice; the operator stays signed in."""
    site, anne, bela = ours
    site.sign_in(_OPERATOR)
    number = str(anne.account_no)
    proof = {"what": "other", "other_password": PASSWORD}
    assert _delete(site, **proof, whose=number, typed=str(bela.account_no))[0] == 422
    assert "no account is called so" in _delete(site, **proof, whose="12345", typed="12345")[2]
    told = [_delete(site, **proof, whose=whose, typed=whose)[1]["location"] for whose in (number, bela.first)]
    for path in told:
        assert "nothing was found" in _receipt_page(site, path)
    assert site.ask("GET", "/figures")[0] == 200
    assert rows_of(site.home, anne) == {}
    assert (bela.member(site.home, bela.first), bela.member(site.home, bela.second) is None) == (None, False)
    # The operator's own account goes with its home.
    assert "Delete this account" not in site.ask("GET", "/account/delete")[2]


def test_a_receipt_is_for_who_has_its_address(ours: tuple[Site, People, People]) -> None:
    """Another erasure under this proof, another proof, one that is not there: the same answer as for nothing."""
    site, anne, _ = ours
    site.sign_in(anne.viewer)
    answer = _delete(site, what="member", member_typed="delete me", member_password=PASSWORD)
    _receipt_page(site, answer[1]["location"])
    _, _, first, proof = answer[1]["location"].split("/")
    second = int(first) + 1
    with database.control(site.home) as control:
        erasures.begin(control, "member", signing.now())
    site.cookie = "sid=" + "A" * 43
    guessed = [
        f"/erased/{second}/{proof}",
        f"/erased/{first}/{proof[:-1]}x",
        f"/erased/99/{proof}",
        f"/erased/{first}/%C3%A9",
    ]
    answers = {site.ask("GET", path + more)[::2] for path in guessed for more in ("", "/receipt.json")}
    assert {status for status, _ in answers} == {404}
    assert len({re.sub(r'value="\w+"', "", text) for _, text in answers}) == 1
