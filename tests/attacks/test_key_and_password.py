"""A key and a password, each one word: in no file, log, record of Dagster, page or mail, whatever was done with them.

Signed up, guessed at, changed; given, refused, pulled with; a provider that repeats the key in its errors and leads
elsewhere. All in one home, of which every byte is searched, opened where it is packed.
"""

import base64
import gzip
import pickle
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette

from dashboards.people import connections
from dashboards.processes import connection_child
from dashboards.processes.connection_child import Provider
from pipelines.alerts import postman
from pipelines.bills import connecting
from pipelines.bills.biller import billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.connecting import KeyUnfitError
from pipelines.bills.pull import pull
from pipelines.errors import ProviderError
from pipelines.passage import make_home, run_pass
from tests.attacks.echoing_provider import REDIRECT, EchoingProvider, echoing
from tests.dashboards.people_site import EMAIL, Site, served, token
from tests.dashboards.people_site import app as people_app
from tests.pipelines.mail_trap import Trap
from tests.pipelines.stored_runs import run_job
from tests.retention import byte_scan
from tests.retention.erased_world import Canary
from tests.retention.whole_world import logged
from warehouse import database
from warehouse.control import burst
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

KEY, OTHER_KIND, REVOKED = (
    "sk-admin-zkcanary5f1e0c77aa21",
    "sk-proj-zkcanary81b7d3f0c2e4",
    "sk-admin-zkcanary0d9e6a3b17f5",
)
PASSWORD, NEXT, GUESS = "zpcanary walnut orbit", "zpcanary thicket violin", "zpcanary pebble lantern"
# Every one has it, as it is typed and as base64 packs it, wherever in a text it begins.
CORES = ("zkcanary", "zpcanary")
PATTERN = b"|".join(
    {
        form
        for core in CORES
        for form in (core.encode(), *(base64.b64encode(b" " * skip + core.encode())[4:-4] for skip in range(3)))
    }
)


@dataclass
class Told:
    """All that came back: answers of pages, and mails."""

    pages: list[str] = field(default_factory=list)
    trap: Trap = field(default_factory=Trap)

    def searched(self) -> list[str]:
        """What in them has a canary."""
        mails = [part.as_bytes() for mail in self.trap.mails for part in mail.walk()]
        opened = [part.get_payload(decode=True) or b"" for mail in self.trap.mails for part in mail.walk()]
        texts = [*(page.encode() for page in self.pages), *mails, *map(bytes, opened)]
        return [text[:400].decode("utf-8", "replace") for text in texts if _met(text)]


def _met(text: bytes) -> set[bytes]:
    return set(re.findall(PATTERN, text))


@contextmanager
def _dashboard(home: Home, told: Told) -> Iterator[Site]:
    """The plain pages, served; every answer is kept."""

    class Heard(Site):
        def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
            answer = super().ask(method, path, body, **headers)
            told.pages.append(f"{answer[1]} {answer[2]}")
            return answer

    made = people_app()
    whole = Starlette(routes=[*connections.ROUTES, *made.routes], middleware=made.user_middleware)
    with served(whole) as port:
        yield Heard(port, home)


@pytest.fixture
def provider() -> Iterator[EchoingProvider]:
    """What is asked for the bill."""
    with echoing(Canary(1)) as made:
        yield made


@pytest.fixture
def told(
    home: Home, master_key: str, provider: EchoingProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Told]:
    """The home with its log, a mail server and a temporary folder of its own."""
    assert master_key
    temp, made = tmp_path / "temp", Told()
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setenv("APILEDGER_OPENAI_API", provider.address)
    monkeypatch.setenv("APILEDGER_OPERATOR_MAIL", "operator@team.example")
    make_home(home, _now())
    with made.trap.up() as address, logged(home):
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{address}")
        yield made


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _people(site: Site) -> None:
    """Signed up, guessed at, signed in, the password changed, and asked for anew."""
    hidden = site.fresh("/sign-up")
    agreed = {"of_age": "yes", "policy": "yes"}
    assert site.post("/sign-up", {"form": hidden, "email": EMAIL, "password": PASSWORD})[0] == 422
    assert site.post("/sign-up", {"form": hidden, "email": EMAIL, "password": PASSWORD, **agreed})[0] == 303
    for _ in range(2):
        site.sign_in(EMAIL, GUESS)
    with database.control(site.home) as control:
        # More of the same, without their hashes' time; then the hour is over in which it has to be waited.
        control.execute("UPDATE throttle SET failures = failures + 4 WHERE member_no IS NOT NULL")
        assert burst.tell(control, _now()) == 1
        control.execute("DELETE FROM throttle")
    assert site.sign_in(EMAIL, PASSWORD)[0] == 303
    mine = token(site.ask("GET", "/account")[2])
    assert site.post("/account/password", {"form": mine, "current": GUESS, "password": NEXT})[0] == 422
    assert site.post("/account/password", {"form": mine, "current": PASSWORD, "password": NEXT})[0] == 303
    site.post("/forgot", {"form": site.fresh("/forgot"), "email": EMAIL})
    assert site.sign_in(EMAIL, NEXT)[0] == 303
    for path in ("/account", "/privacy", "/healthz", "/connections"):
        site.ask("GET", path)


def _account_no(home: Home) -> int:
    with database.control(home) as control:
        found = members.find(control, Vault(control, _now()), EMAIL)
    assert found
    return found[0].account_no


def _deliver(home: Home) -> None:
    postman.deliver(home, _now, limit=timedelta(minutes=5))


def _assert_nowhere(home: Home, told: Told) -> None:
    """The scanner finds what is planted, and nothing else; nor do pages and mails say it."""
    planted = home.tmp / "planted"
    planted.write_bytes(gzip.compress(pickle.dumps([KEY, f"x{base64.b64encode(NEXT.encode()).decode()}"])))
    found = byte_scan.found(home.root, PATTERN)
    assert {word[:8] for words in found.values() for word in words} >= {b"zkcanary"}
    assert {name.partition(" ")[0] for name in found} == {"tmp/planted"}
    planted.unlink()
    assert byte_scan.found(home.root, PATTERN) == byte_scan.found(Path(tempfile.gettempdir()), PATTERN) == {}
    assert (home.dagster / "output" / "dagster.log").stat().st_size > 0
    assert len(told.pages) > 15
    assert told.trap.mails
    assert told.searched() == []


@pytest.mark.attack("T13")
@pytest.mark.clause("AL-1.2")
@pytest.mark.clause("AL-5.6")
def test_a_key_and_a_password_are_nowhere(
    home: Home, told: Told, provider: EchoingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process: kept, refused, pulled with; repeated by errors, and led elsewhere, where it never arrives."""
    # What the command line lists does not change, and asking it costs a second.
    listed = (Provider("openai", "OpenAI", "an admin key", "https://openai.com/policies/privacy-policy"),)
    monkeypatch.setattr(connection_child.PROVIDERS, "_known", listed)
    biller, clock = billers()["openai"], Clock(sleep=lambda _: None, jitter=lambda: 1.0)
    with _dashboard(home, told) as site:
        _people(site)
        number = _account_no(home)
        for fault, key in ((None, OTHER_KIND), (401, REVOKED)):
            provider.faults = [fault] * 3 if fault else []
            with pytest.raises(KeyUnfitError) as refused:
                connecting.connect(home, biller, number, "main", key, _now())
            assert not _met(str(refused.value).encode())
        provider.faults = []
        kept = connecting.connect(home, biller, number, "main", KEY, _now()).credential.connection_no
        site.ask("GET", "/connections")
        for faults in ([500, 500], [], [REDIRECT], [403] * 9, [401] * 9):
            provider.faults = list(faults)
            try:
                said = repr(pull(home, biller, _now(), lambda *_: None, clock, kept))
            except ProviderError as error:
                said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
            assert not _met(said.encode())
        assert "KeyRefusedError" in said
        provider.faults = []
        run_pass(home, _now(), lambda *_: None)
        _deliver(home)
        for path in ("/connections", "/account"):
            site.ask("GET", path)
    assert (KEY in provider.met, provider.echoed > 4, provider.led_to) == (True, True, [])
    _assert_nowhere(home, told)


@pytest.mark.soak
@pytest.mark.attack("T13")
@pytest.mark.clause("AL-1.2")
@pytest.mark.timeout(3600)
def test_a_key_and_a_password_are_nowhere_once_dagster_has_pulled(
    home: Home, told: Told, provider: EchoingProvider
) -> None:
    """Given on the page, whose child process tries it; pulled by runs that Dagster stores, one of which fails."""
    with _dashboard(home, told) as site:
        _people(site)
        for faults, key, status in (([], OTHER_KIND, 422), ([401] * 3, REVOKED, 422), ([], KEY, 303)):
            provider.faults = list(faults)
            hidden = token(site.ask("GET", "/connections")[2])
            fields = {"form": hidden, "provider": "openai", "label": "main", "key": key, "proof": NEXT}
            assert site.post("/connections/add", fields)[0] == status
        for faults in ([500], [REDIRECT], [403] * 9, [401] * 9):
            provider.faults = list(faults)
            assert run_job(home, "bills")
            _deliver(home)
            for path in ("/connections", "/account"):
                site.ask("GET", path)
        (home.root / "prices.toml").write_text(f"{PASSWORD[:3]} no prices")
        assert not run_job(home, "a_pass")
    assert (KEY in provider.met, provider.echoed > 4, provider.led_to) == (True, True, [])
    with sqlite3.connect(home.dagster / "history" / "runs.db") as runs:
        stored = dict(runs.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall())
    assert (stored["SUCCESS"], stored["FAILURE"]) == (4, 1)
    _assert_nowhere(home, told)
