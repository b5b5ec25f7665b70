"""Accounts that nobody uses: their owners are told once, a month later they are gone like whoever asks for it."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from dashboards.figures import installation_figures
from dashboards.figures.viewer import Viewer
from pipelines.alerts import postman
from pipelines.cli import cli
from pipelines.commands import idle_health
from pipelines.orchestration import idle_accounts, retain
from pipelines.orchestration.idle_accounts import Looked
from retention import clock, policy
from retention.errors import ClockError, PolicyError
from tests.conftest import MASTER_KEY
from tests.pipelines.mail_trap import Trap
from tests.retention.erased_world import NOW, Canary, lived
from tests.retention.gateway_days import reading
from tests.retention.people_world import People, moved_in
from warehouse import database
from warehouse.control import audit, connection, erasure, hold, restriction, right, session
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)
DAY = timedelta(days=1)
SUBJECT = "Your account will be deleted after 20 Nov 2028"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, People, People]:
    """Two accounts with two owners and a viewer each, last used today; copied for each test."""
    home = Home(tmp_path_factory.mktemp("idle") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        lived(home, [ANNE, BELA])
        return home, moved_in(home, ANNE), moved_in(home, BELA)


@pytest.fixture
def ours(made: tuple[Home, People, People], tmp_path: Path, master_key: str) -> tuple[Home, People, People]:
    """A copy of them."""
    assert master_key
    shutil.copytree(made[0].root, tmp_path / "own", symlinks=True)
    return Home(tmp_path / "own"), made[1], made[2]


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """A mail server that is named and up."""
    made = Trap()
    with made.up() as where:
        monkeypatch.setenv("APILEDGER_SMTP", f"smtp://{where}")
        yield made


def night(home: Home, days: int, *, ahead: timedelta = timedelta(0)) -> Looked:
    """A night so many days on, and the postman's round after it; the machine was up all the time."""
    looked = idle_accounts.carry_out(home, reading(NOW + days * DAY, ahead=ahead), lambda *_: None)
    postman.deliver(home, lambda: NOW + days * DAY)
    return looked


def come(home: Home, people: People, days: int) -> None:
    """Somebody of an account signs in."""
    member = people.member(home, people.viewer)
    assert member
    with database.control(home) as control:
        session.begin(control, member.member_no, session.BY_PASSWORD, NOW + days * DAY)


def idle_acts(home: Home) -> list[tuple[str, str]]:
    """What was written down of accounts that nobody uses."""
    with database.control(home) as control:
        found = audit.acts(control, NOW, NOW + 9999 * DAY)
    return [(each.act, each.detail) for each in found if each.act in {"account.idle", "erasure.begun"}]


@pytest.mark.clause("AL-4.1")
def test_an_account_that_nobody_uses_is_told_once_and_erased_a_month_later(
    ours: tuple[Home, People, People], trap: Trap
) -> None:
    """Two years without a sign-in less thirty days: each owner gets a mail; the one who comes back stays, whole."""
    home, anne, bela = ours
    for days in (0, 365, 699):
        assert night(home, days) == Looked([], [], [])
    assert sorted(night(home, 700).told) == sorted((anne.account_no, bela.account_no))
    told = {(to[0], str(each["Subject"])) for each, to in zip(trap.mails, trap.receivers, strict=True)}
    assert told == {(email, SUBJECT) for people in (anne, bela) for email in (people.first, people.second)}
    body = trap.mails[0].get_body(("plain",))
    assert body
    assert "sign in once before that day" in body.get_content()
    come(home, bela, 710)
    for days in (711, 730):
        assert night(home, days).erased == []
    assert ANNE.found(home) != {}
    looked = night(home, 731)
    assert len(looked.erased) == 1
    assert ANNE.found(home) == {}
    assert BELA.found(home) != {}
    assert bela.member(home, bela.first)
    assert len(trap.mails) == 4
    assert idle_acts(home) == [("account.idle", "owners=2")] * 2 + [("erasure.begun", "reason=inactive")]
    with database.control(home) as control:
        ((receipt, _),) = erasure.receipts(control)
    assert json.loads(receipt)["found_in"] == {}
    # Who came back is told anew once they have been away as long again.
    assert night(home, 710 + 700).told == [bela.account_no]


@pytest.mark.clause("AL-4.1")
def test_nobody_is_erased_who_was_not_told(ours: tuple[Home, People, People], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is down, none at all: years on the account is there, and doctor and the page say why."""
    home, anne, bela = ours
    night(home, 0)
    (first, second) = night(home, 1_000).staying
    assert {first.account_no, second.account_no} == {anne.account_no, bela.account_no}
    found = list(idle_health.findings(home, NOW + 1_000 * DAY))
    assert len(found) == 2
    assert "no mail server is named" in found[0].what
    shown = installation_figures.idle_accounts(home, Viewer(), (NOW + 1_000 * DAY).date())
    assert [one.kept_by for one in shown] == ["no mail server is named, so nobody could be told"] * 2
    down = Trap()
    monkeypatch.setenv("APILEDGER_SMTP", f"smtp://127.0.0.1:{down.port}?from=a@costs.example")
    assert len(night(home, 1_001).told) == 2
    assert night(home, 1_100).erased == []
    assert "has not gone out" in str(night(home, 1_100).staying[0].kept_by)
    with down.up():
        night(home, 1_110)
    assert {str(each["Subject"]) for each in down.mails} == {"Your account will be deleted after 04 Jan 2030"}
    assert night(home, 1_140).erased == []
    assert len(night(home, 1_141).erased) == 2


def sign_up(control: sqlite3.Connection, name: str) -> int:
    """Another account, used by nobody since it was made."""
    vault = Vault(control, NOW)
    assert members.sign_up(control, vault, f"{name}@team.example", "hash", NOW)
    found = members.find(control, vault, f"{name}@team.example")
    assert found
    return found[0].account_no


@pytest.mark.clause("AL-4.1")
def test_what_is_kept_or_used_in_another_way_stays(ours: tuple[Home, People, People], trap: Trap) -> None:
    """A hold, a restriction, an open question, a bill that is read, calls that come in; the other account goes."""
    home, anne, bela = ours
    late = (NOW + 720 * DAY).date()
    with database.control(home) as control:
        held, restricted, asking, billed = (sign_up(control, name) for name in ("hold", "rest", "ask", "bill"))
        days = (NOW.date(), NOW.date())
        hold.add(control, "tax", [held], days, ("law of there", "an audit"), (NOW + 2_000 * DAY).date(), NOW)
        restriction.begin(control, restricted, [], NOW)
        right.ask(control, Vault(control, NOW), asking, "question", "How?", NOW)
        one = connection.insert(control, "openai", "openai", billed, NOW, is_operator=False)
        control.execute("UPDATE connection SET read_until = ? WHERE connection_no = ?", (late.isoformat(), one))
        query = "SELECT no FROM label WHERE label = ?"
        (outside_no,) = control.execute(query, (ANNE.account,)).fetchone()
    with database.held(home.build_lock), database.build(home) as build:
        build.execute("UPDATE model.usage_daily SET day = ? WHERE account_no = ?", [late, outside_no])
    night(home, 0)
    assert night(home, 725).told == [bela.account_no]
    looked = night(home, 800)
    assert len(looked.erased) == 1
    assert {one.account_no: one.kept_by for one in looked.staying} == {
        held: "a hold keeps it",
        restricted: "it is restricted",
        asking: "a request of its waits for an answer",
    }
    assert anne.member(home, anne.first)
    assert bela.member(home, bela.first) is None
    assert {to[0] for to in trap.receivers} == {bela.first, bela.second}


@pytest.mark.clause("AL-4.1")
def test_a_clock_that_jumped_tells_and_erases_nobody(ours: tuple[Home, People, People], trap: Trap) -> None:
    """Forward by three years: nothing happens, however often; told by one that stood behind, nobody has less time."""
    home, anne, _ = ours
    night(home, 0)
    for days in (1, 2, 3):
        with pytest.raises(ClockError):
            night(home, days, ahead=1_100 * DAY)
    assert trap.mails == []
    night(home, 1_000)
    assert len(trap.mails) == 4
    with database.control(home) as control:
        control.execute("UPDATE told SET sent_at = '1970-01-01T00:00:00.000000Z'")
    assert night(home, 1_030).erased == []
    with pytest.raises(ClockError):
        night(home, 1_031, ahead=1_100 * DAY)
    assert anne.member(home, anne.first)


@pytest.mark.clause("AL-4.1")
def test_what_keeps_an_account_after_it_was_told_keeps_it(ours: tuple[Home, People, People], trap: Trap) -> None:
    """A hold and a question of the last month: both stay, and the one that was answered goes."""
    home, anne, bela = ours
    night(home, 0)
    assert len(night(home, 700).told) == 2
    assert trap.mails
    late = NOW + 720 * DAY
    with database.control(home) as control:
        days, ends = (NOW.date(), NOW.date()), (NOW + 2_000 * DAY).date()
        hold.add(control, "tax", [anne.account_no], days, ("law of there", "an audit"), ends, late)
        vault = Vault(control, late)
        asked = right.ask(control, vault, bela.account_no, "question", "Why?", late)
    assert night(home, 740).erased == []
    with database.control(home) as control:
        right.end(control, vault, asked.request_no, "done", "So.", late)
    assert len(night(home, 741).erased) == 1
    assert anne.member(home, anne.first)
    assert bela.member(home, bela.first) is None


def test_a_day_that_a_wrong_clock_noted_is_forgotten(ours: tuple[Home, People, People], trap: Trap) -> None:
    """A sign-in of the year 2090 and a mail of it keep and tell nobody: the account is used today at the latest."""
    home, anne, _ = ours
    night(home, 0)
    come(home, anne, 30_000)
    night(home, 10)
    with database.control(home) as control:
        query = "SELECT used_on FROM account_use WHERE account_no = ?"
        assert control.execute(query, (anne.account_no,)).fetchone() == ((NOW + 10 * DAY).date().isoformat(),)
    assert len(night(home, 710).told) == 2
    with database.control(home) as control:
        control.execute("UPDATE told SET queued_at = '2090-01-01T00:00:00.000000Z'")
    assert len(night(home, 711).told) == 2
    assert len(trap.mails) == 8


def test_the_owner_says_how_long_and_sixty_days_at_least(ours: tuple[Home, People, People], trap: Trap) -> None:
    """Ninety days in policy.toml are ninety; fewer than sixty leave no time after the mail and are refused."""
    home, *_ = ours
    own = home.root / "policy.toml"
    own.write_text("[kept_days]\nR-idle = 90\n", encoding="utf-8")
    night(home, 0)
    assert night(home, 59).told == []
    assert len(night(home, 60).told) == 2
    said = CliRunner().invoke(cli, ["policy", "plan", "--home", str(home.root)]).output
    assert trap.mails
    assert "R-idle" not in said, "by the true date nobody has been away yet"
    assert night(home, 90).erased == []
    assert len(night(home, 91).erased) == 2
    own.write_text("[kept_days]\nR-idle = 59\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="R-idle: at least 60 days"):
        policy.load(own)


def test_the_night_shows_it_as_an_asset(ours: tuple[Home, People, People], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the job of the nightly expiry, after it: how many were told and erased, and who stays, by number alone."""
    home, anne, _ = ours
    from pipelines.definitions import defs

    keys = {key.to_user_string() for key in defs.resolve_job_def("expiry").asset_layer.executable_asset_keys}
    assert keys == {"retention/expired", "retention/idle_accounts"}
    monkeypatch.setattr(idle_accounts, "HOME", home)
    with database.control(home) as control:
        control.execute("UPDATE account_use SET used_on = '2020-01-01'")
        clock.remember(control, retain.reading(datetime.now(UTC).replace(tzinfo=None)))
    home.build_file.unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([idle_accounts.idle_accounts], instance=instance)
        (event,) = run.get_asset_materialization_events()
    told = event.materialization.metadata
    assert (told["staying"].value, told["erased"].value) == (2, 0)
    assert str(anne.account_no) in str(told["accounts"].value)
    assert ANNE.word("ada") not in str(told)
