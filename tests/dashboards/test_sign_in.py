"""Attacks on signing in, against the real app on a loopback port: each is refused, and hits where its guard is away."""

import json
import re
import socket
import statistics
import time
from datetime import timedelta

import pytest
from streamlit.web.server.server import MEDIA_ENDPOINT

from dashboards import gate
from dashboards.access import address, session
from tests.dashboards.people_site import EMAIL, HASH, PASSWORD, Site, now, token
from warehouse import database
from warehouse.control import acceptance, claim, password, throttle, ticket
from warehouse.control import member as members
from warehouse.control import session as sessions
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.home import Home


def _member(home: Home, email: str = EMAIL) -> Member:
    with database.control(home) as control:
        found = members.find(control, Vault(control, now()), email)
    assert found
    return found[0]


@pytest.mark.clause("VA-1.1")
@pytest.mark.clause("AL-9.1")
@pytest.mark.parametrize("left_out", ["of_age", "policy"])
def test_nobody_is_a_member_without_an_agreement_and_18_years(site: Site, left_out: str) -> None:
    """A form without a tick makes no account; with both, its row carries the policy's version."""
    fields = {"email": "new@team.example", "password": PASSWORD, "of_age": "yes", "policy": "yes"}
    hidden = site.fresh("/sign-up")
    assert site.post("/sign-up", {"form": hidden, **fields} | {left_out: ""})[0] == 422
    with database.control(site.home) as control:
        assert members.find(control, Vault(control, now()), "new@team.example") is None
    assert site.post("/sign-up", {"form": hidden, **fields})[0] == 303
    with database.control(site.home) as control:
        rows = control.execute("SELECT policy_version, is_of_age FROM member").fetchall()
    assert set(rows) == {(acceptance.SHIPPED_VERSION, 1)}


@pytest.mark.clause("AL-1.1")
@pytest.mark.clause("VA-2.1")
def test_an_account_asks_for_an_address_and_a_password_alone(site: Site) -> None:
    """The form has these two fields, two ticks and its token; the rows hold the password as a hash alone."""
    _, _, text = site.ask("GET", "/sign-up")
    names = re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', text)
    assert sorted(names) == ["email", "form", "of_age", "password", "policy"]
    stored = b"".join(path.read_bytes() for path in site.home.root.glob("control*"))
    assert HASH.encode() in stored
    assert PASSWORD.encode() not in stored
    assert EMAIL.encode() not in stored


@pytest.mark.clause("AL-6.1")
@pytest.mark.clause("AL-6.2")
@pytest.mark.clause("AL-6.3")
@pytest.mark.clause("AL-6.4")
def test_one_cookie_is_set_and_what_is_open_needs_none(site: Site) -> None:
    """Through every form, in and out, the cookie's name is one; without it the open pages are answered all the same."""
    site.sign_in()
    kept, names = site.cookie, set()
    for path in ("/sign-in", "/sign-up", "/privacy", "/account", "/figures", "/link", "/reset", "/invitation"):
        for site.cookie in (kept, ""):
            status, headers, _ = site.ask("GET", path, Accept="text/html")
            # Who is signed in is not asked to; who is not is sent to it.
            away = path == "/sign-in" if site.cookie else path in {"/account", "/figures"}
            assert status == (303 if away else 200), path
            if "set-cookie" in headers:
                names.add(headers["set-cookie"].partition("=")[0])
    assert names == {"sid"}


def test_without_a_session_nothing_is_given(site: Site) -> None:
    """A person is sent to sign in and back; a program gets a plain no; a made-up cookie is none."""
    assert site.ask("GET", "/figures")[0] == 403
    status, headers, _ = site.ask("GET", "/figures?a=1", Accept="text/html")
    assert (status, headers["location"]) == (303, "/sign-in?to=/figures%3Fa%3D1")
    assert site.ask("GET", "/figures", Cookie="sid=" + "A" * 43)[0] == 403
    assert site.ask("GET", f"{MEDIA_ENDPOINT}/abc.csv", Accept="text/html")[0] == 303
    site.sign_in()
    assert site.ask("GET", "/figures")[2] == "figures"


@pytest.mark.attack("T03")
@pytest.mark.clause("AL-5.4")
def test_the_id_is_new_at_every_sign_in_and_only_its_hash_rests(site: Site) -> None:
    """T03: a planted id is worth nothing after the sign-in; the store has no id that a browser could send."""
    site.fresh()
    planted = site.cookie
    _, _, text = site.ask("GET", "/sign-in")
    status, headers, _ = site.post("/sign-in", {"form": token(text), "email": EMAIL, "password": PASSWORD})
    assert status == 303
    given = headers["set-cookie"]
    assert planted not in given
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {part.strip() for part in given.split(";")}
    assert site.ask("GET", "/figures", Cookie=planted)[0] == 403
    name, _, value = given.partition(";")[0].partition("=")
    assert (name, len(value)) == ("sid", 43)
    site.home.control_file.with_name("copy").write_bytes(site.home.control_file.read_bytes())
    stolen = b"".join(path.read_bytes() for path in site.home.root.glob("control*"))
    assert value.encode() not in stolen
    assert sessions.lookup(value) in stolen
    assert site.ask("GET", "/figures", Cookie=f"sid={sessions.lookup(value).hex()}")[0] == 403


@pytest.mark.attack("T03")
@pytest.mark.clause("AL-5.1")
def test_over_tls_the_cookie_is_bound_to_the_host(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T03: `__Host-sid`, Secure, behind a proxy that is named; its origin alone may send forms."""
    monkeypatch.setenv("APILEDGER_PUBLIC_URL", "https://costs.team.example")
    hidden = site.fresh()
    assert site.cookie.startswith("__Host-sid=")
    fields = {"form": hidden, "email": EMAIL, "password": PASSWORD}
    assert site.post("/sign-in", fields)[0] == 403
    status, headers, _ = site.post("/sign-in", fields, Origin="https://costs.team.example")
    assert status == 303
    assert "Secure" in headers["set-cookie"]
    assert "Domain" not in headers["set-cookie"]
    assert address.link("reset", "t") == "https://costs.team.example/reset#t"


FORGED = {
    "another site": {"Origin": "http://evil.example"},
    "no origin": {"Origin": ""},
    "an origin of nowhere": {"Origin": "null"},
    "text/plain": {"Content_Type": "text/plain"},
    "JSON": {"Content_Type": "application/json"},
    "another port": {"Origin": "http://127.0.0.1:1"},
}


@pytest.mark.attack("T06")
@pytest.mark.parametrize(
    "path",
    [
        "/sign-in",
        "/account/delete",
        *(
            pytest.param(path, marks=pytest.mark.soak)
            for path in ("/sign-out", "/sign-out-everywhere", "/account/password", "/account/open")
        ),
    ],
)
@pytest.mark.parametrize("forged", FORGED)
def test_a_form_of_another_site_does_nothing(site: Site, path: str, forged: str) -> None:
    """T06: 403 whatever the route, with a right token and a right cookie; the session lives on."""
    site.sign_in()
    hidden = session.form_token(site.cookie.partition("=")[2])
    assert site.post(path, {"form": hidden, "email": EMAIL, "password": PASSWORD}, **FORGED[forged])[0] == 403
    assert site.ask("GET", "/figures")[0] == 200


@pytest.mark.attack("T06")
def test_a_form_without_its_token_does_nothing(site: Site) -> None:
    """T06: not without the token, not with another browser's, not by GET; with it, the same form signs out."""
    site.sign_in()
    mine = site.cookie
    theirs = Site(site.port, site.home).fresh()
    for wrong in ({}, {"form": ""}, {"form": theirs}):
        assert site.post("/sign-out", wrong)[0] == 403
    assert site.ask("GET", "/sign-out")[0] == 405
    assert site.ask("GET", "/figures")[0] == 200
    assert site.post("/sign-out", {"form": session.form_token(mine.partition("=")[2])})[0] == 303
    assert site.ask("GET", "/figures")[0] == 403


@pytest.mark.attack("T06", weakened=True)
def test_a_forged_form_hits_where_the_origin_is_not_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T06, weakened: without the checks of origin and token the other site's form signs the person out."""
    site.sign_in()
    monkeypatch.setattr(address, "is_ours", lambda *_: True)
    monkeypatch.setattr(session, "fits_form", lambda *_: True)
    assert site.post("/sign-out", {}, Origin="http://evil.example")[0] == 303
    assert site.ask("GET", "/figures")[0] == 403


def test_a_long_form_is_not_read(site: Site) -> None:
    """More than 16 kB is no form of ours."""
    hidden = site.fresh()
    assert site.post("/sign-in", {"form": hidden, "email": "a" * 20_000, "password": "b"})[0] == 403


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_the_sign_in_nobody_is_sent_away(site: Site, to: str) -> None:
    """An address of another site is not followed."""
    hidden = site.fresh()
    fields = {"form": hidden, "email": EMAIL, "password": PASSWORD, "to": to}
    assert site.post("/sign-in", fields)[1]["location"] == "/"


def _apart_ms(site: Site) -> float:
    """How far the medians of CPU time of twelve wrong guesses each lie apart, at a member and at nobody."""
    took: dict[str, list[float]] = {EMAIL: [], "nobody@team.example": []}
    texts: set[tuple[int, str]] = set()
    for turn in range(12):
        for email, times in took.items():
            with database.control(site.home) as control:
                control.execute("DELETE FROM throttle")
            hidden = site.fresh()
            began = time.process_time()
            status, _, text = site.post("/sign-in", {"form": hidden, "email": email, "password": f"wrong {turn}"})
            times.append((time.process_time() - began) * 1000)
            texts.add((status, text.replace(hidden, "")))
    assert len(texts) == 1
    known, unknown = map(statistics.median, took.values())
    return known - unknown


@pytest.mark.attack("T07")
@pytest.mark.attack("T07", weakened=True)
@pytest.mark.clause("AL-5.4")
def test_who_is_a_member_is_told_by_no_text_and_no_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T07: status and words are the same, the medians lie within 5 ms; weakened, a hash's time tells who is known."""
    # CPU time, which other work on the machine does not stretch as it does the clock's.
    assert abs(_apart_ms(site)) < 5
    fits = password.fits
    monkeypatch.setattr(password, "fits", lambda kept, secret: kept is not None and fits(kept, secret))
    assert _apart_ms(site) > 10


@pytest.mark.attack("T07")
def test_a_second_sign_up_of_an_address_is_answered_as_the_first(site: Site) -> None:
    """T07: and its password does not hold."""
    hidden = site.fresh("/sign-up")
    answers = []
    for email in (EMAIL, "new@team.example"):
        fields = {"email": email, "password": "another canary staple", "of_age": "yes", "policy": "yes"}
        status, headers, text = site.post("/sign-up", {"form": hidden, **fields})
        answers.append((status, headers["location"], text))
    assert answers[0] == answers[1]
    assert site.sign_in(EMAIL, "another canary staple")[0] == 401
    assert site.sign_in(EMAIL, PASSWORD)[0] == 303


@pytest.mark.attack("T07")
@pytest.mark.clause("AL-2.3")
@pytest.mark.clause("VA-4.6")
def test_guesses_wait_and_no_owner_is_locked_out(home: Home, master_key: str) -> None:
    """T07: 2,000 guesses at one account from 200 places; the owner comes in from a known place all the same."""
    assert master_key
    moment = now()
    with database.control(home) as control:
        vault = Vault(control, moment)
        owner = throttle.Guess.of(vault, EMAIL, "192.0.2.1")
        assert not throttle.admit(control, owner, moment)
        throttle.succeeded(control, owner, moment)
        control.execute("PRAGMA synchronous=OFF")
        admitted = 0
        for number in range(2_000):
            guess = throttle.Guess.of(vault, EMAIL, f"198.51.100.{number % 200}")
            admitted += not throttle.admit(control, guess, moment + timedelta(seconds=number / 10))
        assert admitted <= 101
        assert not throttle.admit(control, owner, moment + timedelta(seconds=200))
        # One place at many accounts is slowed as well, and everything is forgotten an hour later.
        many = [throttle.Guess.of(vault, f"{n}@team.example", "203.0.113.9") for n in range(200)]
        assert sum(not throttle.admit(control, guess, moment) for guess in many) == 60
        assert not throttle.admit(control, many[-1], moment + timedelta(hours=2))


@pytest.mark.attack("T07")
def test_the_throttle_answers_in_the_same_words(site: Site) -> None:
    """T07: the sixth wrong guess in a row waits, for a member and for nobody alike."""
    for email in (EMAIL, "nobody@team.example"):
        answers = [site.sign_in(email, "wrong")[0] for _ in range(7)]
        assert answers[:5] == [401] * 5
        assert 429 in answers[5:]


@pytest.mark.attack("T08")
def test_a_reset_is_good_once_for_ten_minutes_and_one_member(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T08: reused, expired, of another kind or made before a newer one: refused, and the password stays."""
    with database.control(site.home) as control:
        member = _member(site.home)
        old, new = (ticket.reset(control, member, now()) for _ in range(2))
        late = ticket.reset(control, member, now() - timedelta(minutes=11))
        link = ticket.link(control, member, now())
        good = ticket.reset(control, member, now())
    hidden = site.fresh("/reset")

    def used(sent: str) -> int:
        return site.post("/reset", {"form": hidden, "ticket": sent, "password": "a quite new password"})[0]

    assert [used(sent) for sent in (old, new, late, link, "", "x" * 43)] == [422] * 6
    assert site.sign_in()[0] == 303
    hidden = site.fresh("/reset")
    assert [used(good), used(good)] == [303, 422]
    assert site.sign_in()[0] == 401
    assert site.sign_in(secret="a quite new password")[0] == 303
    monkeypatch.setenv("APILEDGER_DASHBOARD_PORT", "1")
    assert "evil" not in site.ask("GET", "/reset", Host="evil.example")[2]


def shake_hands(site: Site, cookie: str) -> socket.socket:
    """A WebSocket to the figures, asked for with a cookie."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=20)
    connection.sendall(
        f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    return connection


def said(connection: socket.socket) -> bytes:
    """Send one masked text frame `x`; what comes back."""
    connection.sendall(b"\x81\x81\x00\x00\x00\x00x")
    return connection.recv(4096)


@pytest.mark.attack("T04")
def test_a_socket_ends_with_its_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T04: no handshake without a session; after signing out an open socket is cut and gives no more figures."""
    monkeypatch.setattr(gate, "LOOK_EVERY_S", 0.2)
    with shake_hands(site, "sid=" + "A" * 43) as refused:
        assert b" 403 " in refused.recv(4096)
    site.sign_in()
    with shake_hands(site, site.cookie) as connection:
        assert b" 101 " in connection.recv(4096)
        assert b"figures x" in said(connection)
        time.sleep(0.5)
        assert b"figures x" in said(connection)
        site.post("/sign-out", {"form": session.form_token(site.cookie.partition("=")[2])})
        time.sleep(0.6)
        told = said(connection)
        assert b"figures" not in told
        # The way to sign in, which takes what the page still shows off the screen, and the end.
        assert told[:1] == b"\x82"
        assert b"/sign-in?said=out" in told
        assert said(connection)[:1] in {b"\x88", b""} or b"\x88" in told


@pytest.mark.attack("T04", weakened=True)
def test_a_socket_outlives_its_session_where_nobody_looks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T04, weakened: without looking again the socket goes on after the sign-out."""
    monkeypatch.setattr(gate, "LOOK_EVERY_S", 3600.0)
    site.sign_in()
    with shake_hands(site, site.cookie) as connection:
        assert b" 101 " in connection.recv(4096)
        site.post("/sign-out", {"form": session.form_token(site.cookie.partition("=")[2])})
        assert b"figures x" in said(connection)


@pytest.mark.attack("T02")
def test_what_is_anothers_is_answered_as_what_is_not_there(site: Site) -> None:
    """T02: a member of another account, one that is not there, and the operator's doors: the same 404."""
    with database.control(site.home) as control:
        vault = Vault(control, now())
        assert members.sign_up(control, vault, "bob@other.example", HASH, now())
        members.operator(control, vault, now())
        other = _member(site.home, "bob@other.example")
    site.sign_in()
    hidden = session.form_token(site.cookie.partition("=")[2])
    answers = [
        site.post(path, {"form": hidden, **fields})
        for path, fields in (
            ("/account/remove", {"member": str(other.member_no)}),
            ("/account/remove", {"member": "12345"}),
            ("/account/remove", {"member": "1 OR 1=1"}),
            ("/account/open", {"account": str(other.account_no), "reason": "curiosity of mine"}),
            ("/account/open", {"account": "12345", "reason": "curiosity of mine"}),
            ("/account/close", {}),
        )
    ]
    assert {status for status, _, _ in answers} == {404}
    assert len({text for _, _, text in answers}) == 1
    assert _member(site.home, "bob@other.example") == other
    with database.control(site.home) as control:
        assert claim.openings(control, Vault(control, now()), other.account_no) == []


def test_idle_and_absolute_limits_end_a_session(home: Home, master_key: str) -> None:
    """30 minutes without a person, 12 hours at the longest, however busy; a remembered link: 14 and 30 days."""
    assert master_key
    start = now()
    with database.control(home) as control:
        member = members.operator(control, Vault(control, start), start)
        for limits in (sessions.BY_PASSWORD, sessions.BY_LINK):
            idle = sessions.lookup(sessions.begin(control, member.member_no, limits, start))
            assert sessions.find(control, idle, start + limits.idle - timedelta(seconds=1))
            assert sessions.find(control, idle, start + limits.idle) is None
            busy = sessions.lookup(sessions.begin(control, member.member_no, limits, start))
            moment = start
            while moment < start + limits.absolute - limits.idle / 2:
                moment += limits.idle / 2
                sessions.touch(control, busy, moment)
                assert sessions.find(control, busy, moment) or moment >= start + limits.absolute
            assert sessions.find(control, busy, start + limits.absolute) is None


def test_a_password_that_is_easy_to_guess_is_refused(home: Home) -> None:
    """Too short, too long, too even, or the name in the address; the sentence does not repeat it."""
    assert home
    for easy in ("short", "x" * 300, "aaaaaaaaaaaaaaa", "ada's password"):
        with pytest.raises(password.PasswordRefusedError) as refused:
            password.check(easy, EMAIL)
        assert easy not in str(refused.value)
    password.check(PASSWORD, EMAIL)
    assert json.dumps(HASH).startswith('"$argon2id$v=19$m=19456,t=2,p=1$')
