"""Bills whose lines say which invoice they are on: it is held against those, whatever UTC day they are of."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from tests.pipelines.bill_folder import Folder, as_csv, row
from tests.pipelines.gateway_log import line as call
from tests.pipelines.gateway_log import put, take_in
from tests.pipelines.test_google import line
from warehouse import database
from warehouse.checks import mart as checks
from warehouse.home import Home

LATER = datetime(2026, 12, 20, tzinfo=UTC)
SPEND = "SELECT invoice, sum(cost_usd) FROM mart.spend_daily GROUP BY 1 ORDER BY 1 NULLS LAST"
WHOLE = "SELECT sum(requests), sum(cost_usd) FROM mart.spend_daily WHERE day = '2026-10-31'"
EACH = {"5001": Decimal("1.25"), "5002": Decimal("0.75")}
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
    # A UTC day at the edge is on each invoice by what it has of it; what is on September's, nobody entered.
    days = "SELECT day, number, is_main, amount_usd FROM model.invoice_day ORDER BY day, is_main DESC"
    assert google.query(days) == [
        (date(2026, 10, 1), "5001", True, Decimal(10)),
        (date(2026, 10, 1), None, False, Decimal(7)),
        (date(2026, 10, 20), "5001", True, None),
        (date(2026, 10, 31), "5002", True, Decimal(3)),
        (date(2026, 10, 31), "5001", False, Decimal("1.9")),
        (date(2026, 11, 1), "5002", True, Decimal(4)),
        (date(2026, 11, 1), "5001", False, Decimal(2)),
    ]
    assert google.query(SPEND) == [("5001", Decimal("17.9")), ("5002", Decimal(7)), (None, Decimal(7))]
    assert google.query("SELECT sum(cost_usd) FROM mart.spend_daily") == [(Decimal("31.9"),)]


def edge(folder: Folder) -> None:
    """A UTC day that two months' invoices have a part of, told by a log and by the bill."""
    known = {"provider": "vertex_ai", "model": "gemini-2.5-flash", "account_id": "own", "input_tokens": 1_000_000}
    calls = [call(request_id=f"{n}", ts=f"2026-10-31T1{n}:00:00Z", **known) for n in range(3)]
    put(folder.home, "a.jsonl", calls)
    rows = [on("202610", 1.25, "2026-10-31T12"), on("202611", 0.75, "2026-10-31T23")]
    folder.drop("e.jsonl", "\n".join(json.dumps(one) for one in rows).encode())


def test_a_day_of_two_invoices_is_on_each_by_its_lines(google: Folder) -> None:
    """In spend and in FOCUS, each as the tie-out has it; calls are there once, and the day's sum is its bill."""
    edge(google)
    google.pull(LATER)
    (before,) = google.query(WHOLE)
    entered("vertex_ai", "5001", "2026-10", "1.25")
    entered("vertex_ai", "5002", "2026-11", "0.75")
    take_in(google.home, LATER)
    assert [row[:3] for row in google.query(TIED)] == [("5001", "tied", EACH["5001"]), ("5002", "tied", EACH["5002"])]
    assert dict(google.query(SPEND)) == EACH
    for view in ("focus_1_2", "focus_1_4"):
        assert dict(google.query(f"SELECT InvoiceId, sum(BilledCost) FROM mart.{view} GROUP BY 1")) == EACH
    rows = google.query("SELECT basis, invoice, settlement, requests FROM mart.spend_daily ORDER BY 1, 2")
    assert rows == [
        ("bill", "5001", "invoiced", 0),
        ("bill", "5002", "invoiced", 0),
        ("log", "5001", "invoiced", 3),
    ]
    assert google.query(WHOLE) == [before] == [(3, Decimal(2))]
    by_source = "SELECT settlement, sum(cost_usd) FROM mart.spend_by_source WHERE source = 'bill' GROUP BY 1"
    assert google.query(by_source) == [("invoiced", Decimal(2))]
    with database.published(google.home) as connection:
        verdict = checks.check(connection, date(2026, 10, 31))
    assert (verdict.passed, verdict.rows) == (True, 4)


@pytest.mark.parametrize("number", ["5001", "5002"])
def test_what_is_on_an_invoice_that_nobody_entered_is_on_none(google: Folder, number: str) -> None:
    """Whichever of the two is entered, and has less or more: the other's part stays as the bill's day is."""
    edge(google)
    entered("vertex_ai", number, {"5001": "2026-10", "5002": "2026-11"}[number], "1")
    google.pull(LATER)
    whole = sum(EACH.values())
    assert google.query(SPEND) == [(number, EACH[number]), (None, whole - EACH[number])]
    settled = google.query("SELECT DISTINCT invoice, settlement FROM mart.spend_daily ORDER BY 1 NULLS LAST")
    assert settled == [(number, "invoiced"), (None, "settled")]
    # Calls are with most of the day, on an invoice or on none.
    of_calls = "SELECT invoice FROM mart.spend_daily WHERE basis = 'log'"
    assert google.query(of_calls) == [("5001" if number == "5001" else None,)]
    for view in ("focus_1_2", "focus_1_4"):
        told = dict(google.query(f"SELECT InvoiceId, sum(BilledCost) FROM mart.{view} GROUP BY 1"))
        assert told == {number: EACH[number], "provisional-vertex_ai-own-2026-10": whole - EACH[number]}


def test_a_home_of_before_tells_the_parts_of_a_day(google: Folder) -> None:
    """The file of a program that knew one invoice a day, opened by this one: the next pass tells both."""
    edge(google)
    entered("vertex_ai", "5001", "2026-10", "1.25")
    entered("vertex_ai", "5002", "2026-11", "0.75")
    google.pull(LATER)
    tables = ("invoice_day", "spend_daily", "spend_summary_daily")
    now = [google.query(f"FROM model.{name} ORDER BY ALL") for name in tables]
    with duckdb.connect(str(google.home.build_file)) as connection:
        connection.execute("DELETE FROM model.spend_daily WHERE invoice = '5002'")
        connection.execute("UPDATE model.spend_daily SET cost_usd = cost_usd + 0.75 WHERE basis = 'bill'")
        connection.execute("DELETE FROM model.invoice_day WHERE NOT is_main")
        for name in ("is_main", "amount_usd", "billed_amount"):
            connection.execute(f"ALTER TABLE model.invoice_day DROP COLUMN {name}")
        connection.execute("DELETE FROM main.migration WHERE name = 'm053_invoice_parts'")
    take_in(google.home, LATER)
    assert [google.query(f"FROM model.{name} ORDER BY ALL") for name in tables] == now


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
