"""Anthropic's two dialects: the one the key may read is found once, kept, and found anew when it is refused."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.bills.billing_api import Clock
from pipelines.bills.pull import pull
from pipelines.errors import KeyRefusedError
from pipelines.providers.anthropic import ANALYTICS, BILLER, LEGACY
from pipelines.sandbox import anthropic_analytics_api, anthropic_api
from pipelines.sandbox.admin_api import AdminApi
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.fixture_api import answering, fixture
from tests.pipelines.gateway_log import take_in
from warehouse import database
from warehouse.home import Home

DAY, AFTER = date(2026, 6, 20), date(2026, 6, 22)
NOW = datetime(2026, 8, 15, 1, tzinfo=UTC)
LEGACY_FILES = {"/cost_report": "anthropic/cost_report.json", "/usage_report/messages": "anthropic/usage_report.json"}
NEW_FILES = {"/analytics/cost": "anthropic/analytics_cost.json", "/analytics/usage": "anthropic/analytics_usage.json"}


def test_the_fixtures_have_the_documented_fields(shared: Path) -> None:
    """The cost report has exactly the documented example's fields; the usage report all that are documented."""
    shapes = json.loads((shared / "data/anthropic_admin_api/documented_shapes.json").read_text())
    (example,) = shapes["cost_report"]["documented_response"]["data"]
    for bucket in fixture("anthropic/cost_report.json")["data"]:
        assert bucket.keys() == example.keys()
        assert all(result.keys() == example["results"][0].keys() for result in bucket["results"])
        assert all(r["cost_type"] in shapes["cost_report"]["fields"]["cost_type"] for r in bucket["results"])
    fields = set(shapes["usage_report_messages"]["result_fields"])
    for bucket in fixture("anthropic/usage_report.json")["data"]:
        assert all(fields <= result.keys() for result in bucket["results"])


def test_the_cost_report_is_cents_with_its_kind_and_place() -> None:
    """Cents become dollars exactly; web search and code execution are lines of their own."""
    with answering(LEGACY_FILES) as api:
        days = api.read(BILLER, "costs", DAY, AFTER, LEGACY)
    assert [row["amount_usd"] for row in days[DAY]] == [Decimal("1.2378912"), Decimal("0.3"), Decimal("0.05")]
    assert [row["cost_type"] for row in days[DAY]] == ["tokens", "web_search", "code_execution"]
    assert days[date(2026, 6, 21)] == []


def test_web_searches_are_counted_beside_the_tokens() -> None:
    """Three searches are a row without tokens; the tokens' row is as it is without them."""
    with answering(LEGACY_FILES) as api:
        first, searches, priority = api.read(BILLER, "usage", DAY, AFTER, LEGACY)[DAY]
    assert (searches["quantity"], searches["quantity_unit"], searches["key"]) == (3, "calls", "apikey_ci")
    assert "uncached_tokens" not in searches
    assert first["cache_write_5m_tokens"] == 20
    assert first["cache_write_1h_tokens"] == 30
    assert priority["service_tier"] == "priority"


def test_the_analytics_api_tells_costs_by_key_under_its_beta_header() -> None:
    """Amount and list amount, the key, and the header that the beta asks for; quiet days are there, with nothing."""
    with answering(NEW_FILES) as api:
        costs = api.read(BILLER, "costs", DAY, AFTER, ANALYTICS)
        usage = api.read(BILLER, "usage", DAY, AFTER, ANALYTICS)
    assert [row["amount_usd"] for row in costs[DAY]] == [Decimal("0.995"), Decimal("0.3")]
    assert [row["list_amount_usd"] for row in costs[DAY]] == [Decimal("1.1"), None]
    assert costs[DAY][0]["key"] == usage[DAY][0]["key"] == "apikey_ci"
    assert usage[DAY][0]["requests"] == 12
    assert costs[date(2026, 6, 21)] == usage[date(2026, 6, 21)] == []
    assert {one.headers.get("anthropic-beta") for one in api.asked} == {"analytics-usage-cost-2026-08-24"}


@pytest.mark.parametrize(("files", "dialect"), [(LEGACY_FILES, LEGACY), (NEW_FILES, ANALYTICS)])
def test_the_dialect_is_what_the_key_may_read(files: dict[str, str], dialect: str) -> None:
    """One question tells."""
    with answering(files) as api, api.session(BILLER) as session:
        assert BILLER.probe is not None
        assert BILLER.probe(session) == dialect
        assert len(api.asked) == 1


@pytest.fixture
def home(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A sandbox with a key for Anthropic in the environment."""
    assert master_key
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", "sk-ant-admin01-canary-1")
    return Home(tmp_path / "sandbox").make((), sandbox=True)


def asked(api: AdminApi, home: Home, monkeypatch: pytest.MonkeyPatch, now: datetime = NOW) -> list[str]:
    """Pull from an API; the paths it was asked, in order, each once."""
    monkeypatch.setenv("APILEDGER_ANTHROPIC_API", api.address)
    before = len(api.asked)
    pull(home, BILLER, now, lambda *_: None, Clock(sleep=lambda _: None))
    return list(dict.fromkeys(path.partition("?")[0] for path in api.asked[before:]))


def test_the_dialect_is_kept_and_found_anew_when_it_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either dialect gives the same bill; a change of what the key may read loses no day and counts none twice."""
    truth = GroundTruth.make(seed=2, month_ends=datetime(2026, 7, 31, tzinfo=UTC), days=6, calls=400)
    bill = Bill.of(truth, "anthropic")
    oracle = bill.amount(date(2000, 1, 1), date(2100, 1, 1))
    spend = "SELECT sum(cost_usd) FROM mart.spend_daily"
    key = "sk-ant-admin01-canary-1"
    with anthropic_api.serve(bill, key) as old, anthropic_analytics_api.serve(bill, key) as new:
        assert asked(old, home, monkeypatch) == ["/analytics/cost", "/cost_report", "/usage_report/messages"]
        assert asked(old, home, monkeypatch, NOW + timedelta(hours=1)) == ["/cost_report", "/usage_report/messages"]
        take_in(home, NOW)
        with database.published(home) as connection:
            assert connection.execute(spend).fetchall() == [(oracle,)]
        moved = asked(new, home, monkeypatch, NOW + timedelta(hours=2))
        assert moved == ["/cost_report", "/analytics/cost", "/analytics/usage"]
        assert asked(new, home, monkeypatch, NOW + timedelta(hours=3)) == ["/analytics/cost", "/analytics/usage"]
        take_in(home, NOW)
    with database.published(home) as connection:
        assert connection.execute(spend).fetchall() == [(oracle,)]


def test_a_key_that_may_read_neither_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every path is refused the key is, and it is said once."""
    truth = GroundTruth.make(seed=2, month_ends=NOW, days=2, calls=50)
    with anthropic_api.serve(Bill.of(truth, "anthropic"), "sk-ant-admin01-canary-1") as api:
        api.faults = [403] * 50
        with pytest.raises(KeyRefusedError):
            asked(api, home, monkeypatch)


def test_usage_of_the_priority_tier_says_that_its_cost_is_missing() -> None:
    """A person is told; usage without that tier says nothing."""
    (usage,) = [one for one in BILLER.reports if one.name == "usage"]
    for dialect, files, said in ((LEGACY, LEGACY_FILES, True), (ANALYTICS, NEW_FILES, False)):
        with answering(files) as api, api.session(BILLER) as session:
            session.dialect = dialect
            list(usage.read(session, DAY, AFTER))
            assert ("priority tier" in session.notes) is said
