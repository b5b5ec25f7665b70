"""A restricted account is kept and not processed: pulls, roll-ups, alerts and exports obey; lifting brings all back."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.alerts import budget_state
from pipelines.bills.biller import billers
from pipelines.bills.billing_api import Clock
from pipelines.bills.pull import pull_or_say
from pipelines.exports import export
from pipelines.gateways import watch
from pipelines.gateways.provider import gateways
from pipelines.materialization.landed import missing_loads
from retention import holding, restrict
from retention.errors import RetentionError
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention.erased_world import NOW, Canary, lived
from tests.retention.gateway_days import night_of
from warehouse import conservation, database
from warehouse.control import budget, claim, consent, objection, outbox, restriction
from warehouse.control import connection as connections
from warehouse.control import member as members
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key


def _restrict(home: Home, whose: str) -> int:
    with database.control(home) as control:
        found = holding.find(control, Vault(control, NOW), whose)
        restrict.begin(control, found, NOW)
        return found.owner_no


def _lift(home: Home, number: int) -> None:
    with database.control(home) as control:
        assert restriction.lift(control, number, NOW)


def _requests(home: Home) -> dict[str, int]:
    return dict(query(home, "SELECT account, sum(requests)::INT FROM mart.spend_daily GROUP BY 1"))


def _days(home: Home) -> list[tuple[Any, ...]]:
    return query(home, "SELECT day, account, requests, cost_usd FROM mart.spend_daily ORDER BY ALL")


@pytest.mark.clause("VA-8.4")
def test_calls_land_and_are_not_made_into_figures_until_it_is_lifted(home: Home, tmp_path: Path) -> None:
    """Also on days that are made anew for somebody else; after lifting, every figure is as if nothing had been."""
    lived(home, [ANNE, BELA])
    number = _restrict(home, ANNE.account)
    before = [row for row in _days(home) if row[1] == ANNE.account]
    # Of a day that both have calls of already, and of one that nobody has.
    told = ((each, back) for each in (ANNE, BELA) for back in (3, 7))
    late = [one for each, back in told for one in each.lines([back], request_id=f"late-{each.number}-{back}")]
    put(home, "late.jsonl", late)
    take_in(home, NOW)
    assert [row for row in _days(home) if row[1] == ANNE.account] == before
    assert _requests(home) == {ANNE.account: 6, BELA.account: 8}
    assert query(home, "SELECT count(*) FROM raw_gateway_jsonl.calls")[0] == (16,)
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert conservation.differences(build) == []
        assert missing_loads(build, control) == []
    _lift(home, number)
    take_in(home, NOW)
    other = Home(tmp_path / "other").make()
    lived(other, [ANNE, BELA])
    put(other, "late.jsonl", late)
    take_in(other, NOW)
    assert _days(home) == _days(other)
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM restriction").fetchone() == (0,)


@pytest.mark.soak
@pytest.mark.clause("VA-8.4")
def test_the_seal_leaves_what_waits(home: Home) -> None:
    """Ten nights later the calls that came while it was restricted are there, and are counted once it is lifted."""
    lived(home, [ANNE, BELA])
    number = _restrict(home, ANNE.account)
    put(home, "late.jsonl", ANNE.lines(range(1), request_id="waits"))
    take_in(home, NOW)
    night_of(home, NOW.date() + timedelta(days=10))
    assert query(home, "SELECT request_id FROM raw_gateway_jsonl.calls WHERE request_id = 'waits'") == [("waits",)]
    assert query(home, "SELECT DISTINCT requested_at::DATE FROM raw_gateway_jsonl.calls") == [(NOW.date(),)]
    _lift(home, number)
    take_in(home, NOW + timedelta(days=10))
    assert _requests(home) == {ANNE.account: 7, BELA.account: 6}
    night_of(home, NOW.date() + timedelta(days=11))
    assert query(home, "SELECT count(*) FROM raw_gateway_jsonl.calls") == [(0,)]


@pytest.mark.clause("VA-8.4")
def test_alerts_mails_and_exports_leave_a_restricted_account_out(home: Home, tmp_path: Path) -> None:
    """No alert, no mail is handed to a sender, no row in FOCUS or Parquet; after lifting each is there."""
    lived(home, [ANNE, BELA])
    with database.control(home) as control:
        for each in (ANNE, BELA):
            place = budget.scope(control, each.account, None)
            budget.put(control, Vault(control, NOW), place, Decimal("0.0001"), (50,), "a@team.example", NOW)
    number = _restrict(home, ANNE.account)
    assert budget_state.evaluate(home, NOW) == 1
    anne, bela = ANNE.account.encode(), BELA.account.encode()
    focus, marts = tmp_path / "focus", tmp_path / "marts"
    export.focus(home, str(focus), NOW)
    export.marts(home, str(marts), NOW)
    (file,) = focus.rglob("focus.csv")
    assert (anne in file.read_bytes(), bela in file.read_bytes()) == (False, True)
    whole = {path.name: str(pl.read_parquet(path).rows()) for path in marts.glob("*.parquet")}
    assert [name for name, text in whole.items() if ANNE.account in text] == []
    assert BELA.account in whole["spend_daily.parquet"]
    with database.control(home) as control:
        control.execute("UPDATE mail SET account_no = ? WHERE mail_no = 1", (number,))
        assert outbox.take(control, NOW) is None
    _lift(home, number)
    assert budget_state.evaluate(home, NOW) == 1
    export.focus(home, str(focus), NOW)
    assert anne in file.read_bytes()
    with database.control(home) as control:
        assert outbox.take(control, NOW) is not None


@pytest.mark.clause("VA-8.4")
@pytest.mark.clause("AL-8.4")
def test_a_restricted_or_withdrawn_connection_is_not_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request goes out: where nobody answers, what is said is the right that holds it back, not that silence."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-made-up")
    monkeypatch.setenv("APILEDGER_OPENAI_API", "http://127.0.0.1:9")
    clock = Clock(sleep=lambda _: None, jitter=lambda: 1.0)
    monkeypatch.setattr("pipelines.bills.turn.Clock", lambda **_: clock)
    home.make((), sandbox=True)

    def said() -> str:
        return pull_or_say(home, billers()["openai"], NOW, lambda *_: None).skipped or ""

    with database.control(home) as control:
        with database.transaction(control):
            ids = OutsideIds(control, Vault(control, NOW), NOW)
            found = connections.of_environment(control, ids, "openai", "openai", NOW)
        consent.withdraw(control, found.account_no, found.connection_no, NOW)
        assert "withdrawn its consent" in said()
        consent.give(control, found.account_no, found.connection_no, NOW)
        restriction.begin(control, found.account_no, [], NOW)
        assert "restricted" in said()
        restriction.lift(control, found.account_no, NOW)
        control.execute("UPDATE connection SET refused_key = NULL")
    assert "withdrawn" not in said()
    assert "restricted" not in said()


@pytest.mark.clause("VA-8.4")
def test_a_label_of_a_restricted_account_waits_in_every_gateway(home: Home) -> None:
    """An account that signs in is restricted with all that it claims, also what another gateway calls so later."""
    with database.control(home) as control:
        vault = Vault(control, NOW)
        members.sign_up(control, vault, "a@team.example", "hash", NOW)
        found = members.find(control, vault, "a@team.example")
        assert found
        claim.put(control, ANNE.account, found[0].account_no, NOW)
    lived(home, [ANNE, BELA])
    _restrict(home, "a@team.example")
    put(home, "b.jsonl", BELA.lines(range(1), account_id="else", request_id="else"))
    put(home, "a.jsonl", ANNE.lines(range(1), request_id="waits"))
    take_in(home, NOW)
    assert _requests(home) == {ANNE.account: 6, BELA.account: 6, "else": 1}
    with database.control(home) as control:
        assert restriction.labels(control) == (ANNE.account,)
        ids = OutsideIds(control, Vault(control, NOW), NOW)
        other = ids.accounts("litellm", [ANNE.account])[ANNE.account]
        restriction.widen(control)
        assert other in restriction.numbers(control)
        with pytest.raises(RetentionError, match="owns the installation"):
            restrict.begin(
                control,
                holding.of_account(control, members.operator(control, Vault(control, NOW), NOW).account_no),
                NOW,
            )


def test_who_objects_to_alerts_gets_none(home: Home) -> None:
    """A purpose that is objected to is not served, of the account and of its labels; a mail that waits is withdrawn."""
    with database.control(home) as control:
        vault = Vault(control, NOW)
        members.sign_up(control, vault, "a@team.example", "hash", NOW)
        found = members.find(control, vault, "a@team.example")
        assert found
        number = found[0].account_no
        claim.put(control, ANNE.account, number, NOW)
    lived(home, [ANNE, BELA])
    with database.control(home) as control:
        for each in (ANNE, BELA):
            place = budget.scope(control, each.account, None)
            budget.put(control, Vault(control, NOW), place, Decimal("0.0001"), (50,), "a@team.example", NOW)
    assert budget_state.evaluate(home, NOW) == 2
    with database.control(home) as control:
        objection.begin(control, number, "alerts", NOW)
        states = control.execute("SELECT state FROM mail ORDER BY 1").fetchall()
        assert states == [("queued",), ("withdrawn",)]
        control.execute("DELETE FROM mail")
    assert budget_state.evaluate(home, NOW) == 1


def test_whose_sessions_are_not_to_be_read_keeps_them(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit says that it is objected to, and the sensor sees no news, until the objection is taken back."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "one.jsonl").write_text("{}\n")
    monkeypatch.setenv("APILEDGER_CLAUDE_CODE", str(tmp_path / "sessions"))

    def visited() -> tuple[str | None, bool]:
        news = watch.has_news(home, NOW)
        (found,) = watch.collect(home, gateways()["claude_code"], NOW, lambda *_: None)
        return found.skipped, news

    with database.control(home) as control:
        number = members.operator(control, Vault(control, NOW), NOW).account_no
        objection.begin(control, number, "agent_sessions", NOW)
        skipped, news = visited()
        assert "objects" in str(skipped)
        assert not news
        assert objection.end(control, number, "agent_sessions")
    assert visited() == (None, True)
