"""Google's FOCUS table in BigQuery: what a FOCUS file would say, appended to, and never told beside another table."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipelines.bills.ai_service import AiServices
from pipelines.bills.charge import Charge
from pipelines.errors import ProviderError
from pipelines.providers.google import BILLING_EXPORT
from pipelines.sandbox import bigquery_api
from pipelines.sandbox.bigquery_api import BigQueryApi
from tests.pipelines.bill_folder import NOW, Folder
from tests.pipelines.test_google import line
from warehouse.home import Home

FOCUS_TABLE = "acme.gcp_billing_immutable_01AAAA_eu.gcp_billing_export_focus_01AAAA_BBBBBB"
EXPORTED = datetime(2026, 10, 2, 3, tzinfo=UTC)
# Google bills a month of Pacific days.
OCTOBER = {"BillingPeriodStart": "2026-10-01T07:00:00Z", "BillingPeriodEnd": "2026-11-01T07:00:00Z"}
NOVEMBER = {"BillingPeriodStart": "2026-11-01T07:00:00Z", "BillingPeriodEnd": "2026-12-01T08:00:00Z"}


def row(
    billed: str,
    start: str = "2026-10-01T09:00:00Z",
    exported: datetime = EXPORTED,
    period: dict[str, str] | None = None,
    **other: Any,
) -> str:
    """One row of the table as BigQuery says it: NUMERIC as text where it has places."""
    hour = datetime.fromisoformat(start)
    told = {
        "BilledCost": billed,
        "BillingAccountId": "01AAAA-BBBBBB-CCCCCC",
        "BillingCurrency": "USD",
        **(period or OCTOBER),
        "ChargeCategory": "Usage",
        "ChargeDescription": "Gemini 2.5 Flash Text Input - Predictions",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": (hour + timedelta(hours=1)).isoformat(),
        "ConsumedQuantity": 12345,
        "ConsumedUnit": "count",
        "ContractedCost": "3.5",
        "EffectiveCost": billed,
        "ListCost": "4.25",
        "ProviderName": "Google Cloud",
        "RegionId": "europe-west4",
        "ServiceName": "Vertex AI",
        "SkuId": "FDAB-647C-5A22",
        "SubAccountId": "research-1",
        "SubAccountName": "research",
        "x_Credits": [{"Name": "Free tier", "Amount": "-1.5", "Type": "FREE_TIER"}],
        "x_CostType": "regular",
        "x_ExportTime": exported.isoformat(),
        "x_Labels": [{"Key": "owner", "Value": "canary-78@example.test"}],
    }
    return json.dumps(told | other)


@pytest.fixture
def inbox(home: Home, master_key: str) -> Folder:
    """An empty home."""
    assert master_key
    return Folder(home, "google")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryApi]:
    """BigQuery on loopback with an empty FOCUS table, and the settings that lead there."""
    with BigQueryApi([], page_rows=7, columns=bigquery_api.FOCUS) as api:
        monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", FOCUS_TABLE)
        monkeypatch.setenv("APILEDGER_BIGQUERY_API", api.address)
        yield api


def test_the_table_says_what_a_file_of_it_says(
    inbox: Folder, table: BigQueryApi, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Net of credits, at list price, late usage within the period that bills it: the lines are a FOCUS file's."""
    late = row("1.5", "2026-10-30T05:00:00Z", period=NOVEMBER)
    edge = row("0.000000000007", "2026-11-01T03:00:00Z")
    table.rows = [row("2.25"), row("2.75"), late, edge, row("99", ServiceName="Compute Engine")]
    inbox.pull()
    asked = "day, charge_category, service, line, model, token_type, region, amount_usd, list_amount_usd, quantity"
    told = inbox.query(f"SELECT {asked} FROM model.charges ORDER BY ALL")
    assert inbox.days() == {"2026-10-01": Decimal(5), "2026-11-01": Decimal("1.500000000007")}
    by_invoice = "SELECT invoice, sum(amount_usd), sum(list_amount_usd) FROM model.charges GROUP BY 1 ORDER BY 1"
    assert inbox.query(by_invoice) == [
        ("202610", Decimal("5.000000000007"), Decimal("12.75")),
        ("202611", Decimal("1.5"), Decimal("4.25")),
    ]
    assert len(table.found) == 4
    assert {name for text in table.found for name in json.loads(text)}.isdisjoint({"x_Labels", "x_Credits"})
    monkeypatch.delenv("APILEDGER_GOOGLE_TABLE")
    file = Folder(Home(home.root.with_name("other")).make(), "focus")
    file.drop("f.jsonl", "\n".join(table.rows).encode())
    file.pull()
    assert file.query(f"SELECT {asked} FROM model.charges ORDER BY ALL") == told


def test_what_is_appended_joins_and_is_told_once(inbox: Folder, table: BigQueryApi) -> None:
    """A later export takes a row back and says it anew; a day of which nothing more comes settles all the same."""
    table.rows = [row("2.25"), row("1", "2026-10-02T09:00:00Z")]
    early = datetime(2026, 10, 5, 12, tzinfo=UTC)
    assert inbox.pull(early).rows == 2
    states = "SELECT DISTINCT settlement FROM model.bill_day"
    assert inbox.query(states) == [("provisional",)]
    later = EXPORTED + timedelta(days=9)
    table.rows += [row("-2.25", exported=later, ChargeClass="Correction"), row("2", exported=later)]
    inbox.pull(NOW)
    assert inbox.days() == {"2026-10-01": Decimal(2), "2026-10-02": Decimal(1)}
    assert inbox.query(states) == [("settled",)]
    # What is asked again is a little before the last export, and nothing older.
    assert inbox.pull(NOW + timedelta(hours=2)).rows == 0
    assert len(table.found) == 2


def charged(named: str) -> list[Charge]:
    """The charges of a table as it is asked for them, without a home."""
    form = BILLING_EXPORT.form(named)
    rows = BILLING_EXPORT.rows(named, form, ["Vertex AI*"], datetime(2026, 9, 1), date(2026, 9, 1))  # noqa: DTZ001 (naive moments are UTC here)
    return [one for row in rows if row for one in form.charges(row, AiServices()) or ()]


def test_an_invoices_number_is_read_where_the_table_has_one(table: BigQueryApi) -> None:
    """The table gets a column: it is asked for from then on; else the month of the period is the invoice."""
    table.rows = [row("1", InvoiceId="5555-1")]
    assert [dict(one.words)["invoice"] for one in charged(FOCUS_TABLE)] == ["202610"]
    table.columns = [*bigquery_api.FOCUS, "InvoiceId"]
    assert [dict(one.words)["invoice"] for one in charged(FOCUS_TABLE)] == ["5555-1"]


def test_the_list_price_of_the_detailed_export_is_read_where_it_is_there(table: BigQueryApi) -> None:
    """An older table has no cost_at_list, which a query must not name; a newer one has."""
    table.columns = bigquery_api.STANDARD
    table.rows = [json.dumps(line(1.0, cost_at_list=1.25))]
    detailed = "acme.export.gcp_billing_export_resource_v1_01AAAA"
    assert [one.amounts["list_amount"] for one in charged(detailed)] == [None]
    table.columns = [*bigquery_api.STANDARD, "cost_at_list"]
    assert [one.amounts["list_amount"] for one in charged(detailed)] == [Decimal("1.25")]


def test_a_view_says_its_form_by_a_setting(table: BigQueryApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of another name is FOCUS where the setting says so, and no export where a needed column misses."""
    table.rows = [row("2")]
    with pytest.raises(ProviderError, match="the table has no column cost, currency"):
        charged("acme.views.ours")
    monkeypatch.setenv("APILEDGER_GOOGLE_FORM", "detailed")
    with pytest.raises(ProviderError, match="APILEDGER_GOOGLE_FORM is one of standard, focus"):
        charged("acme.views.ours")
    monkeypatch.setenv("APILEDGER_GOOGLE_FORM", "focus")
    assert [one.amounts["billed_amount"] for one in charged("acme.views.ours")] == [Decimal(2)]


STANDARD_TABLE = "acme.export.gcp_billing_export_v1_01AAAA"
DETAILED_TABLE = "acme.export.gcp_billing_export_resource_v1_01AAAA"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("first", "second"),
    [(STANDARD_TABLE, DETAILED_TABLE), pytest.param(DETAILED_TABLE, STANDARD_TABLE, marks=pytest.mark.soak)],
)
def test_a_day_is_of_one_export_whichever_came_first(
    first: str, second: str, inbox: Folder, table: BigQueryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard and the detailed export are in one form: no day is of both, also where they change places again."""

    def told(named: str, hours: int, *rows: dict[str, Any]) -> dict[str, Decimal]:
        monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", named)
        table.rows = [json.dumps(one) for one in rows]
        inbox.pull(NOW + timedelta(hours=hours))
        return {day[-2:]: usd for day, usd in inbox.days().items()}

    table.columns = bigquery_api.STANDARD
    late, later = EXPORTED + timedelta(days=1), EXPORTED + timedelta(days=2)
    ours = [line(float(day), day=day) for day in (1, 2, 3)]
    assert told(first, 0, *ours) == {"01": 1, "02": 2, "03": 3}
    # One that is empty still takes nobody's place.
    assert told(second, 1) == {"01": 1, "02": 2, "03": 3}
    theirs = [line(day + 0.5, day=day, exported=late) for day in (1, 3)]
    assert told(second, 2, *theirs) == {"01": 1, "02": 2, "03": Decimal("3.5")}
    # A day that it tells late is its own, and what it appends joins.
    theirs += [line(0.25, day=2, exported=later), line(0.25, day=3, exported=later)]
    assert told(second, 3, *theirs) == {"01": 1, "02": Decimal("0.25"), "03": Decimal("3.75")}
    ours += [line(4.0, day=3, exported=later)]
    assert told(first, 4, *ours) == {"01": 1, "02": 2, "03": 7}
    assert told(first, 5, *ours) == {"01": 1, "02": 2, "03": 7}


def test_another_table_takes_the_place_of_the_first(
    inbox: Folder, table: BigQueryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the standard export to FOCUS: no day twice, the first day as it was, for it may not be whole."""
    monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", "acme.export.gcp_billing_export_v1_01AAAA")
    table.columns = bigquery_api.STANDARD
    table.rows = [json.dumps(line(float(day), day=day)) for day in (1, 2, 3)]
    inbox.pull()
    monkeypatch.setenv("APILEDGER_GOOGLE_TABLE", FOCUS_TABLE)
    table.columns = bigquery_api.FOCUS
    table.rows = [row("0.5", "2026-10-02T09:00:00Z"), row("3.5", "2026-10-03T09:00:00Z")]
    inbox.pull(NOW + timedelta(hours=1))
    assert inbox.days() == {"2026-10-01": Decimal(1), "2026-10-02": Decimal(2), "2026-10-03": Decimal("3.5")}
    table.rows.append(row("0.25", "2026-10-03T11:00:00Z", exported=EXPORTED + timedelta(days=3)))
    inbox.pull(NOW + timedelta(hours=2))
    assert inbox.days()["2026-10-03"] == Decimal("3.75")
