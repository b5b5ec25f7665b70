"""DeepSeek's balance: a look an hour; what fell is an estimate of spend, where nothing else tells."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.bills.billing_api import Clock
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from pipelines.cli import cli
from pipelines.commands import doctor
from pipelines.providers.deepseek import BILLER
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.deepseek_api import Purse
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.fixture_api import answering, fixture
from tests.pipelines.gateway_log import line, put, take_in
from warehouse import database
from warehouse.home import Home

START = datetime(2026, 6, 20, 10, 5, tzinfo=UTC)
KEY = "sk-canary-deepseek-7710"


def test_the_fixture_has_the_documented_form(shared: Path) -> None:
    """The same fields and types as the documented answer."""
    shapes = json.loads((shared / "data/other_provider_api/shapes.json").read_text())
    documented = shapes["deepseek_user_balance"]["documented_response"]
    made = fixture("deepseek/user_balance.json")
    assert made.keys() == documented.keys()
    assert all(info.keys() == documented["balance_infos"][0].keys() for info in made["balance_infos"])
    assert all(isinstance(value, str) for info in made["balance_infos"] for value in info.values())


def test_a_balance_is_its_two_parts_by_currency() -> None:
    """Strings of decimals, a row a currency."""
    with answering({"/user/balance": "deepseek/user_balance.json"}) as api:
        ((_, rows),) = api.read(BILLER, "balance", date(2026, 6, 20), date(2026, 6, 21)).items()
    assert rows == [
        {"currency": "CNY", "granted_amount": Decimal(10), "topped_up_amount": Decimal(100)},
        {"currency": "USD", "granted_amount": Decimal(0), "topped_up_amount": Decimal("5.25")},
    ]


@dataclass
class Account:
    """Made-up purses at DeepSeek, a home that looks at them, and the hour."""

    home: Home
    api: AdminApi
    purses: list[Purse]
    now: datetime = START
    drops_total: bool = field(default=False)

    def answer(self, api: AdminApi, query: Any) -> dict[str, Any]:
        """What /user/balance says now."""
        del api, query
        infos = [
            {
                "currency": purse.currency,
                "total_balance": f"{purse.topped_up + purse.granted - self.drops_total:f}",
                "granted_balance": f"{purse.granted:f}",
                "topped_up_balance": f"{purse.topped_up:f}",
            }
            for purse in self.purses
        ]
        return {"is_available": True, "balance_infos": infos}

    def look(self, hours: float = 1, **spent: str) -> Pulled:
        """Let time pass and purses be spent from, by currency; then look."""
        self.now += timedelta(hours=hours)
        for purse in self.purses:
            purse.spend(Decimal(spent.get(purse.currency, "0")))
        return pull(self.home, BILLER, self.now, lambda *_: None, Clock(sleep=lambda _: None))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the newest version after a pass that looks at nothing by itself."""
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("DEEPSEEK_API_KEY")
            take_in(self.home, self.now)
        with database.published(self.home) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Any:
    """An account with 100 dollars paid in and 10 granted."""
    assert master_key
    nothing = Bill.of(GroundTruth.make(seed=1, month_ends=START, days=1, calls=1), "nobody")
    made = Account(Home(tmp_path / "sandbox").make(("gateway_jsonl",), sandbox=True), None, [Purse()])  # type: ignore[arg-type]  # set two lines below
    with AdminApi(nothing, f"Bearer {KEY}", "Authorization", {"/user/balance": made.answer}) as api:
        made.api = api
        monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
        monkeypatch.setenv("APILEDGER_DEEPSEEK_API", api.address)
        yield made


def test_what_fell_is_spent_and_what_rose_came_in(account: Account) -> None:
    """Grants go first; a top-up hides nothing of what the grant paid; the first look is no spend."""
    account.look()
    account.look(USD="4")
    account.purses[0].topped_up += 50
    account.look(USD="1.5")
    account.look(USD="7.25")
    assert account.query("SELECT day, currency, spent_amount, added_amount, amount_usd FROM model.estimated_spend") == [
        (date(2026, 6, 20), "USD", Decimal("12.75"), Decimal(50), Decimal("12.75"))
    ]
    spend = account.query("SELECT basis, settlement, cost_usd, requests, model FROM mart.spend_daily")
    assert spend == [("estimate", "provisional", Decimal("12.75"), 0, None)]
    assert account.query("SELECT source, sum(cost_usd) FROM mart.spend_by_source GROUP BY ALL") == [
        ("estimate", Decimal("12.75"))
    ]


def test_an_hour_is_looked_at_once_and_looks_are_never_replaced(account: Account) -> None:
    """Two looks of one hour are one; each hour's rows stay as they were told."""
    assert account.look().rows == 1
    assert account.look(hours=0.5, USD="1").rows == 0
    assert account.look(hours=0.5, USD="1").rows == 1
    assert len(account.api.asked) == 2
    assert account.query("SELECT sum(spent_amount), sum(snapshots) FROM model.estimated_spend") == [(Decimal(2), 1)]
    with database.held(account.home.build_lock), database.build(account.home) as build:
        assert build.execute("SELECT count(*) FROM raw_deepseek.balance").fetchall() == [(2,)]


def test_nothing_is_lost_over_a_gap_and_it_is_said(account: Account) -> None:
    """Days without a look have no row: what they spent is on the day of the next look, with the length of the gap."""
    account.look()
    account.look(hours=75, USD="9")
    assert account.query("SELECT day, spent_amount, longest_gap_minutes FROM model.estimated_spend") == [
        (date(2026, 6, 23), Decimal(9), 75 * 60)
    ]
    ((note,),) = account.query("SELECT note FROM mart.coverage")
    assert "cannot be told by day" in note
    assert any(note in finding.what and finding.warning for finding in doctor.findings(account.home, account.now))


def test_where_the_log_tells_the_estimate_is_not_added(account: Account) -> None:
    """A day with calls at DeepSeek in the log counts by them; the next without counts by the balance."""
    put(
        account.home,
        "a.jsonl",
        [line(provider="deepseek", model="deepseek-chat", ts="2026-06-20T11:00:00Z", request_id="1", account_id="own")],
    )
    account.look()
    account.look(USD="4")
    account.look(hours=24, USD="2")
    found = account.query("SELECT day, basis, cost_usd FROM mart.spend_daily ORDER BY day")
    assert [(day, basis) for day, basis, _ in found] == [
        (date(2026, 6, 20), "log"),
        (date(2026, 6, 21), "estimate"),
    ]
    assert found[1][2] == 2
    by_source = "SELECT sum(cost_usd) FROM mart.spend_by_source WHERE source = 'estimate'"
    assert account.query(by_source) == [(Decimal(6),)]


@pytest.mark.soak
def test_another_currency_counts_by_its_rate_and_not_without(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rate nothing is invented, and it is said; with one the day is made anew; a changed one, anew again."""
    account.purses.append(Purse(currency="CNY"))
    account.look()
    account.look(CNY="20")
    cny = "SELECT amount, amount_usd, fx_usd_per_unit, fx_day, unconverted_lines FROM mart.foreign_currency"
    assert account.query(cny) == [(Decimal(20), None, None, None, 1)]
    assert account.query("SELECT coalesce(sum(cost_usd), 0) FROM mart.spend_daily") == [(0,)]
    assert any("no rate is known" in finding.what for finding in doctor.findings(account.home, account.now))
    monkeypatch.delenv("DEEPSEEK_API_KEY")
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    for worth, spent in (("0.14", "2.8"), ("0.15", "3")):
        told = CliRunner().invoke(cli, ["fx", "set", "2026-06-18", "CNY", worth, "--home", str(account.home.root)])
        assert told.exit_code == 0, told.output
        assert account.query(cny) == [(Decimal(20), Decimal(spent), Decimal(worth), date(2026, 6, 18), 0)]
        assert account.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(Decimal(spent),)]
    listed = CliRunner().invoke(cli, ["fx", "list", "--home", str(account.home.root)])
    assert "2026-06-18  CNY  0.15" in listed.output


def test_a_balance_whose_parts_are_not_its_total_is_held_back(account: Account) -> None:
    """An answer that contradicts itself is no balance; it is said, and looked at again within the hour."""
    account.drops_total = True
    (note,) = account.look().notes
    assert "parts are not its total" in note
    account.drops_total = False
    assert (account.look(hours=0.5).rows, account.look(hours=0.1).rows) == (1, 0)
