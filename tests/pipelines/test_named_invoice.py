"""Bills whose lines say which invoice they are on: it is held against those, whatever UTC day they are of."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from tests.pipelines.bill_folder import Folder, as_csv, row
from tests.pipelines.test_google import line
from warehouse.home import Home

LATER = datetime(2026, 12, 20, tzinfo=UTC)
TIED = "SELECT number, status, amount_usd - difference_usd, told_days FROM mart.invoice_tie_out ORDER BY number"


@pytest.fixture
def google(home: Home, master_key: str) -> Folder:
    """An empty home with an inbox of Google's export."""
    assert master_key
    return Folder(home, "google")


def entered(provider: str, number: str, period: str, amount: str) -> None:
    """Enter an invoice by the command line."""
    asked = ("--provider", provider, "--number", number, "--period", period, "--amount", amount)
    done = CliRunner().invoke(cli, ["invoice", "add", *asked])
    assert done.exit_code == 0, done.output


def on(month: str, cost: float, starts: str, **other: Any) -> dict[str, Any]:
    """An hour of use that is on the invoice of a month."""
    hour = {"usage_start_time": f"{starts}:00:00Z", "usage_end_time": f"{starts}:59:59Z"}
    return line(cost) | hour | {"invoice": {"month": month}} | other


def test_googles_invoice_is_that_of_its_month(google: Folder) -> None:
    """Pacific days at both ends, late usage on the next month's invoice, tax and a credit: both tie to the cent."""
    free = {"name": "Free tier", "amount": -1.0, "type": "FREE_TIER"}
    rows = [
        on("202609", 7.0, "2026-10-01T03"),
        on("202610", 10.0, "2026-10-01T09"),
        on("202610", 5.0, "2026-10-20T09", credits=[free]),
        on("202610", 2.0, "2026-11-01T03"),
        on("202610", 1.9, "2026-10-31T12", cost_type="tax"),
        on("202611", 3.0, "2026-10-31T23"),
        on("202611", 4.0, "2026-11-01T10"),
    ]
    google.drop("e.jsonl", "\n".join(json.dumps(one) for one in rows).encode())
    entered("vertex_ai", "5001", "2026-10", "17.90")
    entered("vertex_ai", "5002", "2026-11", "7")
    google.pull(LATER)
    assert google.query(TIED) == [("5001", "tied", Decimal("17.9"), 31), ("5002", "tied", Decimal(7), 30)]
    # A UTC day at the edge is on the invoice that has more of it.
    assert google.query("SELECT day, number FROM model.invoice_day ORDER BY day") == [
        (date(2026, 10, 1), "5001"),
        (date(2026, 10, 20), "5001"),
        (date(2026, 10, 31), "5002"),
        (date(2026, 11, 1), "5002"),
    ]
    ((spend,),) = google.query("SELECT sum(cost_usd) FROM mart.spend_daily")
    assert spend == Decimal("31.9")


def test_an_invoice_of_other_days_than_months_goes_by_days(google: Folder) -> None:
    """Only what covers whole months can be the one of a month; days that may still change leave it open."""
    google.drop("e.jsonl", json.dumps(on("202611", 3.0, "2026-10-31T23")).encode())
    entered("vertex_ai", "5001", "2026-10-31..2026-10-31", "3")
    google.pull(datetime(2026, 11, 20, tzinfo=UTC))
    assert google.query(TIED) == [("5001", "open", Decimal(3), 1)]


def test_a_focus_files_invoice_is_the_one_its_lines_name(google: Folder) -> None:
    """Two invoices of one month by their InvoiceId; a line of another period is on the one it names."""
    inbox = Folder(google.home)
    lines = [row(1, "1", InvoiceId="A-1"), row(2, "2", InvoiceId="A-1"), row(3, "4", InvoiceId="A-2"), row(4, "8")]
    inbox.drop("o.csv", as_csv(lines))
    entered("bedrock", "A-1", "2026-10", "3")
    entered("bedrock", "A-2", "2026-11", "5")
    inbox.pull(LATER)
    assert inbox.query(TIED) == [("A-1", "tied", Decimal(3), 31), ("A-2", "differs", Decimal(4), 30)]
    days = inbox.query("SELECT invoice, sum(cost_usd) FROM mart.spend_daily GROUP BY 1 ORDER BY 1 NULLS LAST")
    assert days == [("A-1", Decimal(3)), ("A-2", Decimal(4)), (None, Decimal(8))]
    assert inbox.query("SELECT DISTINCT invoice FROM model.charges WHERE day = '2026-10-04'") == [("202610",)]
