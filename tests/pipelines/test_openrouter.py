"""OpenRouter: true cost with own keys, usage by key to the last call, and no day lost without a word."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.bills.billing_api import Clock
from pipelines.bills.landing import Pulled
from pipelines.bills.pull import pull
from pipelines.providers.openrouter import BILLER
from pipelines.sandbox import openrouter_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.cause import USUAL
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.fixture_api import answering, fixture
from tests.pipelines.gateway_log import take_in
from warehouse import database
from warehouse.home import Home

DAY, AFTER = date(2026, 6, 20), date(2026, 6, 21)
ENDS = datetime(2026, 6, 30, 12, tzinfo=UTC)
FILES = {
    "/activity": "openrouter/activity.json",
    "/keys": "openrouter/keys.json",
    "/credits": "openrouter/credits.json",
}


def test_the_fixtures_have_the_documented_fields(shared: Path) -> None:
    """The SDK's fields in the wire's spelling; `workspace_id` comes only where it is asked for."""
    shapes = json.loads((shared / "data/other_provider_api/shapes.json").read_text())
    fields = shapes["openrouter_activity"]["item_fields_sdk_camelcase"].keys() - {"workspaceId"}
    wire = {"".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name) for name in fields}
    assert all(item.keys() == wire for item in fixture("openrouter/activity.json")["data"])
    assert fixture("openrouter/credits.json")["data"].keys() == shapes["openrouter_credits"]["fields"]["data"].keys()


def test_a_day_is_credits_and_what_own_keys_cost_apart() -> None:
    """Numbers keep their digits; the question names the day."""
    with answering(FILES) as api:
        rows = api.read(BILLER, "costs", DAY, AFTER)[DAY]
    assert [(row["credits_usd"], row["own_key_usd"]) for row in rows] == [
        (Decimal("0.015"), Decimal("0.012")),
        (Decimal("1.5"), Decimal(0)),
    ]
    assert api.asked[0].query == {"date": ["2026-06-20"]}


def test_credits_are_a_balance_that_counts_what_was_used() -> None:
    """What is left is bought less used."""
    with answering(FILES) as api:
        ((row,),) = api.read(BILLER, "balance", DAY, AFTER).values()
    assert row == {"currency": "USD", "topped_up_amount": Decimal("74.75"), "used_amount": Decimal("25.75")}


@dataclass
class Reader:
    """A home that reads a made-up OpenRouter."""

    home: Home
    api: AdminApi

    def pull(self, now: datetime) -> Pulled:
        """Pull once."""
        return pull(self.home, BILLER, now, lambda *_: None, Clock(sleep=lambda _: None))

    def query(self, sql: str, now: datetime = ENDS) -> list[tuple[Any, ...]]:
        """Ask the newest version after a pass that pulls nothing by itself."""
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("OPENROUTER_MANAGEMENT_KEY")
            take_in(self.home, now)
        with database.published(self.home) as connection:
            return connection.execute(sql).fetchall()


@contextmanager
def reading(folder: Path, environment: pytest.MonkeyPatch, days: int = 6) -> Iterator[Reader]:
    """Some days of calls through OpenRouter."""
    truth = GroundTruth.make(seed=4, month_ends=ENDS, days=days, calls=120)
    key = "sk-or-canary-0091"
    with openrouter_api.serve(Bill.of(truth, "openai", replace(USUAL, tool_percent=0)), key) as api:
        environment.setenv("OPENROUTER_MANAGEMENT_KEY", key)
        environment.setenv("APILEDGER_OPENROUTER_API", api.address)
        yield Reader(Home(folder / "sandbox").make((), sandbox=True), api)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[Reader]:
    """A home and its OpenRouter."""
    assert master_key
    with reading(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.soak
def test_usage_by_key_adds_up_to_the_day(reader: Reader) -> None:
    """Every call is under its key, and those of a deleted key under none; their sum is the truth's."""
    reader.pull(ENDS + timedelta(days=1))
    ((requests, tokens, keys, without),) = reader.query(
        """SELECT sum(requests), sum(input_tokens), count(DISTINCT key_no), sum(requests) FILTER (key_no IS NULL)
           FROM model.usage_reported"""
    )
    usage = reader.api.bill.usage
    assert requests == usage["requests"].sum()
    assert tokens == sum(usage["uncached_tokens"].to_list()) + sum(usage["cache_read_tokens"].to_list())
    newest = max(usage["key"].to_list())
    assert keys == usage["key"].n_unique() - 1
    assert without == usage.filter(usage["key"] == newest)["requests"].sum()


def test_keys_that_count_more_than_their_day_wait_for_an_answer_that_fits(reader: Reader) -> None:
    """Counted after the day was: it stands whole and without keys, is said to lack some, and is asked for again."""
    by_day = (
        "SELECT day, sum(requests), bool_or(key_no IS NOT NULL) FROM model.usage_reported GROUP BY day ORDER BY day"
    )
    usage = reader.api.bill.usage
    days = sorted(set(usage["day"].to_list()))
    true = {day: usage.filter(usage["day"] == day)["requests"].sum() for day in days}
    told = reader.api.routes["/activity"]

    def later(api: AdminApi, query: dict[str, list[str]]) -> dict[str, Any]:
        answer = told(api, query)
        if "api_key_hash" in query and query["date"] == [days[1].isoformat()]:
            for item in answer["data"]:
                item["requests"] += true[days[1]]
        return answer

    reader.api.routes = {**reader.api.routes, "/activity": later}
    pulled = reader.pull(ENDS + timedelta(days=1))
    assert reader.query(by_day) == [(day, true[day], day != days[1]) for day in days]
    lacks = [note for note in pulled.notes if "keys of a day that count more than the day" in note]
    assert len(lacks) == 1
    assert days[1].isoformat() in lacks[0]
    reader.api.routes = {**reader.api.routes, "/activity": told}
    reader.pull(ENDS + timedelta(days=2))
    assert reader.query(by_day) == [(day, true[day], True) for day in days]


def test_an_own_keys_cost_counts_until_its_providers_bill_is_connected(reader: Reader) -> None:
    """True cost is credits plus what the provider asks, unless a connection there has that in its own bill."""
    reader.pull(ENDS + timedelta(days=1))
    with database.held(reader.home.build_lock), database.build(reader.home) as build:
        build.execute("UPDATE raw_openrouter.costs SET own_key_usd = 2, provider_name = 'OpenAI Eastern'")
        ((rows,),) = build.execute("SELECT count(*) FROM raw_openrouter.costs").fetchall()
    credits_usd = reader.api.bill.amount(date(2000, 1, 1), date(2100, 1, 1))
    spend = "SELECT sum(amount_usd) FROM model.charges"
    assert rows > 0
    assert reader.query(spend) == [(credits_usd + 2 * rows,)]
    with database.control(reader.home) as control:
        control.execute(
            """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
               SELECT 7, 'openai', 'openai', account_no, 1, created_at FROM connection"""
        )
    assert reader.query(spend) == [(credits_usd,)]


def test_no_day_of_the_last_thirty_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> None:
    """The first pull asks for each of the 30 days that are over, none twice, and none that OpenRouter would refuse."""
    assert master_key
    with reading(tmp_path, monkeypatch, days=40) as reader:
        reader.pull(ENDS)
        days = [
            path.split("date=")[1]
            for path in reader.api.asked
            if path.startswith("/activity?date=") and "&" not in path
        ]
        today = ENDS.date()
        asked = [(today - timedelta(days=n)).isoformat() for n in range(30, 0, -1)]
        # Once for the costs, once for the usage.
        assert sorted(days) == sorted(2 * asked)
        before = len(reader.api.asked)
        reader.pull(ENDS + timedelta(days=1))
        again = {path.split("date=")[1][:10] for path in reader.api.asked[before:] if "date=" in path}
        assert again == {"2026-06-28", "2026-06-29", "2026-06-30"}


@pytest.mark.soak
@pytest.mark.parametrize(
    ("away", "lost"), [pytest.param(29, None, marks=pytest.mark.soak), (30, None), (33, "2026-06-30 to 2026-07-02")]
)
def test_a_gap_that_lost_days_is_said(away: int, lost: str | None, reader: Reader) -> None:
    """A machine that slept for longer than OpenRouter remembers: the days are named, once and for all."""
    reader.pull(ENDS)
    told = reader.pull(ENDS + timedelta(days=away))
    said = [note for note in told.notes if "is lost" in note]
    assert len(said) == (2 if lost else 0)
    assert all(str(lost) in note for note in said)
    reader.pull(ENDS + timedelta(days=away, hours=1))
    notes = reader.query("SELECT note FROM mart.coverage WHERE note LIKE '%is lost%'")
    assert len(notes) == (2 if lost else 0)


@pytest.mark.soak
def test_today_is_an_estimate_until_its_day_is_told(reader: Reader) -> None:
    """Credits used since the last look are today's spend; once the day is over its activity replaces them."""
    noon = datetime(2026, 6, 30, 11, tzinfo=UTC)
    reader.api.billed_until = date(2026, 6, 30)
    reader.pull(noon)
    reader.api.billed_until = None
    reader.pull(noon + timedelta(hours=1))
    today = reader.api.bill.amount(date(2026, 6, 30), date(2026, 7, 1))
    spend = "SELECT DISTINCT basis FROM mart.spend_daily WHERE day = '2026-06-30'"
    total = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE day = '2026-06-30'"
    assert today > 0
    assert reader.query(spend) == [("estimate",)]
    assert reader.query(total) == [(today,)]
    reader.pull(noon + timedelta(days=1))
    assert ("estimate",) not in reader.query(spend)
    assert reader.query(total) == [(today,)]
