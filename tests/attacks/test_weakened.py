"""Attacks against a build from which what holds them off was taken: each succeeds there, and nowhere else."""

import http.client
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.testing.v1 import AppTest
from streamlit.web.server.server import MEDIA_ENDPOINT

from dashboards import states
from dashboards.access import address
from dashboards.access.handed import Handed
from dashboards.gate import Gate
from dashboards.people import sign_in
from dashboards.rights import rights_parts
from dashboards.views import download
from pipelines.alerts import budget_mail, mail
from pipelines.bills.billing_api import BillingApi
from pipelines.errors import ProviderError
from pipelines.materialization import dlt_load
from pipelines.passage import make_home, run_pass
from retention import forget, lock_safe
from tests.attacks.test_stolen_home import EMAILS, MOMENT, fill
from tests.dashboards import people_site
from tests.dashboards.people_site import EMAIL, PASSWORD, Site, now, served, token
from tests.pipelines.gateway_log import NOW, line, put
from tests.pipelines.test_billing_api import KEY, answering, api, saying
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


@pytest.mark.attack("T02", weakened=True)
def test_a_file_is_anybodys_where_nobody_asks_who_was_told(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T02: a file that another's page named is one that is not there; where the gate does not ask, it is read."""
    assert master_key
    with database.control(home) as control:
        assert members.sign_up(control, Vault(control, now()), EMAIL, people_site.HASH, now())
    file = f"{MEDIA_ENDPOINT}/0123abcd.csv"
    routes = [*sign_in.ROUTES, Route(file, lambda _: PlainTextResponse("another's rows"))]
    with served(Starlette(routes=routes, middleware=[Middleware(Gate)])) as port:
        site = Site(port, home)
        site.sign_in()
        assert site.ask("GET", file)[0] == 404
        monkeypatch.setattr(Handed, "may_have", lambda *_: True)
        assert site.ask("GET", file)[2] == "another's rows"


@pytest.mark.attack("T03", weakened=True)
@pytest.mark.soak
def test_a_planted_id_opens_figures_where_ids_stay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T03: 403; where a sign-in keeps the browser's id, the one who planted it sees the figures."""
    assert _planted(site) == 403
    monkeypatch.setattr(sessions, "secrets", SimpleNamespace(token_urlsafe=lambda _: "planted-by-somebody-else"))
    assert _planted(site) == 200


def _answered(port: int, path: str, **headers: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


@pytest.mark.attack("T05")
@pytest.mark.attack("T05", weakened=True)
def test_another_sites_page_has_a_socket_where_nobody_looks_at_its_name(
    home: Home, master_key: str, whole_dashboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T05: a foreign Origin, another port's and a rebound Host, all with a living session: refused; else let in."""
    assert master_key
    with database.control(home) as control:
        member = members.operator(control, Vault(control, now()), now())
        cookie = f"sid={sessions.begin(control, member.member_no, sessions.BY_LINK, now())}"
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Cookie": cookie,
    }
    port = whole_dashboard

    def socket_of(origin: str) -> int:
        return _answered(port, "/_stcore/stream", Origin=origin, **upgrade)

    def rebound() -> int:
        return _answered(port, "/sign-in", Host=f"evil.example:{port}")

    assert socket_of(f"http://127.0.0.1:{port}") == 101
    for origin in ("http://evil.example", "http://127.0.0.1:1", f"https://127.0.0.1:{port}", "null"):
        assert socket_of(origin) == 403
    assert rebound() == 400
    monkeypatch.setattr(address, "is_ours", lambda *_: True)
    monkeypatch.setattr(TrustedHostMiddleware, "__call__", lambda it, *sent: it.app(*sent))
    assert (socket_of("http://127.0.0.1:1"), rebound()) == (101, 200)


@pytest.mark.attack("T07", weakened=True)
@pytest.mark.soak
def test_guessing_goes_on_where_nobody_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """T07: after five wrong words the right one is not even tried; without the throttle the ninth guess is in."""
    guesses = [*["wrong"] * 8, PASSWORD]
    assert 303 not in {site.sign_in(secret=guess)[0] for guess in guesses}
    monkeypatch.setattr(throttle, "admit", lambda *_: None)
    assert site.sign_in(secret=PASSWORD)[0] == 303


@pytest.mark.attack("T08", weakened=True)
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


@pytest.mark.attack("T13")
@pytest.mark.attack("T13", weakened=True)
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


@pytest.mark.attack("T13", weakened=True)
def test_an_error_repeats_the_key_where_it_says_what_the_provider_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """T13: a provider that echoes the key is quoted nowhere; an error that quoted it would hold the key."""

    def failed() -> str:
        echo = saying(f"Incorrect API key provided: {KEY}".encode(), 401)
        with answering(echo) as address, api(address) as session, pytest.raises(ProviderError) as caught:
            session.get("/costs", [])
        return str(caught.value)

    def quoted(_api: BillingApi, _path: str, response: Any) -> None:
        raise ProviderError(response.text)

    assert KEY not in failed()
    monkeypatch.setattr(BillingApi, "_judge", quoted)
    assert KEY in failed()


@pytest.mark.attack("T14", weakened=True)
def test_a_cell_is_a_formula_where_nothing_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: `=HYPERLINK(` begins a cell of the CSV only where no sign is taken for a formula's start."""
    table = pa.table({"project": ['=HYPERLINK("http://203.0.113.9","x")']})
    cell = re.compile(rb'^"?=', re.MULTILINE)
    assert not cell.search(download.csv_bytes(table))
    monkeypatch.setattr(download, "_FORMULA_STARTS", ())
    assert cell.search(download.csv_bytes(table))


@pytest.mark.attack("T15", weakened=True)
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


@pytest.mark.attack("T16", weakened=True)
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


@pytest.mark.attack("T20", weakened=True)
@pytest.mark.soak
def test_a_pickle_runs_where_the_tools_folder_is_not_made_anew(
    home: Home, master_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T20: a trace that somebody swapped is gone before dlt is asked for it; in a folder that was kept, it runs."""
    from dlt.pipeline.pipeline import Pipeline

    assert master_key
    mark, clean, run = tmp_path / "ran", dlt_load._destination, Pipeline.run
    work = home.dlt / "gateway_jsonl"
    kept = work.with_suffix(".kept")

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(mark),)

    def swap() -> None:
        trace = work / work.name / "trace.pickle"
        trace.parent.mkdir(parents=True, exist_ok=True)
        trace.write_bytes(pickle.dumps(Hostile()))

    def keep(folder: Path, **_: object) -> None:
        if folder.exists():
            folder.rename(kept)

    def bring_back(connection: Any) -> Any:
        if kept.exists():
            work.rmdir()
            kept.rename(work)
            swap()
        return clean(connection)

    def curious(pipeline: Pipeline, *given: Any, **named: Any) -> Any:
        assert pipeline.last_trace is None
        return run(pipeline, *given, **named)

    def passed(name: str) -> None:
        put(home, f"{name}.jsonl", [line(request_id=name)])
        run_pass(home, NOW, lambda *_: None)

    make_home(home, NOW)
    monkeypatch.setattr(Pipeline, "run", curious)
    swap()
    passed("a")
    assert not mark.exists()
    monkeypatch.setattr(dlt_load, "shutil", SimpleNamespace(rmtree=lambda folder, **_: keep(folder)))
    monkeypatch.setattr(dlt_load, "_destination", bring_back)
    passed("b")
    passed("c")
    assert mark.exists()


@pytest.mark.attack("T21", weakened=True)
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


@pytest.mark.attack("T22", weakened=True)
def test_a_thief_reads_addresses_where_nothing_is_sealed(
    home: Home, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T22: without the master key no byte tells who the members are; stored as they are, they are found."""
    assert master_key

    def read() -> bool:
        files = [path for path in home.root.rglob("control*") if path.is_file()]
        return any(EMAILS[0].encode() in b"".join(lock_safe.pieces(path)) for path in files)

    with database.control(home) as control:
        sealing = Vault(control, MOMENT)
        fill(control, sealing)
        assert not read()
        monkeypatch.setattr(Vault, "seal", lambda _vault, _number, _place, text: text)
        (number,) = control.execute("SELECT account_no FROM member WHERE sealed_email NOT NULL LIMIT 1").fetchone()
        ticket.invitation(control, sealing, number, EMAILS[0], "viewer", None, MOMENT)
        assert read()


@pytest.mark.attack("T30", weakened=True)
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
