"""An invoice is held against the bills of its days, says which days it is of, and is FOCUS's InvoiceId there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli
from tests.pipelines.bill_folder import Folder, as_csv, row
from tests.pipelines.billed_world import LATER, World, world
from tests.pipelines.gateway_log import NOW, take_in
from tests.templates import Templates
from warehouse import database, fx
from warehouse.control import invoice
from warehouse.errors import WarehouseError
from warehouse.home import Home

JUNE = ("--provider", "openai", "--number", "INV-1", "--period", "2026-06-24..2026-06-29")
EUROS = ("--amount", "100", "--currency", "EUR")
CENT = Decimal("0.01")


@pytest.fixture
def billed(templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week of one world, its bill of OpenAI pulled and settled."""
    assert master_key
    monkeypatch.setenv("APILEDGER_HOME", str(tmp_path / "sandbox"))
    with world(tmp_path, monkeypatch) as made:

        def billed(_: Home) -> None:
            made.pull("openai")
            made.take_in()

        templates.once(made.home, billed)
        yield made


def told(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(cli, list(arguments))


def bill(made: World) -> Decimal:
    """What OpenAI billed on the invoice's days."""
    ((amount,),) = made.query(
        """SELECT sum(bill_cost_usd) FROM mart.reconciliation_daily
           WHERE provider = 'openai' AND day BETWEEN '2026-06-24' AND '2026-06-29'"""
    )
    return Decimal(amount)


def tied(made: World) -> tuple[str, Decimal, int, int]:
    """Status, difference, days told and days still open of the one invoice."""
    ((status, difference, days, still_open),) = made.query(
        "SELECT status, difference_usd, told_days, open_days FROM mart.invoice_tie_out"
    )
    return status, difference, days, still_open


def test_an_invoice_of_the_bill_ties(billed: World) -> None:
    """Rounded to cents, with its own tax and credit beside the bill: tied, and the command ends well."""
    amount = bill(billed).quantize(CENT) + Decimal("12.30") - 5
    assert told("invoice", "add", *JUNE, "--amount", str(amount), "--tax", "12.30", "--credits", "-5").exit_code == 0
    billed.take_in()
    status, difference, days, still_open = tied(billed)
    assert (status, days, still_open) == ("tied", 6, 0)
    assert abs(difference) <= CENT
    done = told("invoice", "tie")
    assert (done.exit_code, "; tied" in done.output) == (0, True)


def test_an_invoice_that_is_more_differs(billed: World) -> None:
    """By two cents already; the command says by how much and ends with 1."""
    told("invoice", "add", *JUNE, "--amount", str(bill(billed).quantize(CENT) + Decimal("0.02")))
    billed.take_in()
    assert tied(billed)[0] == "differs"
    assert told("invoice", "tie").exit_code == 1


def test_an_invoice_of_days_that_are_not_told_is_open(billed: World) -> None:
    """Days before the first pull of a bill are not told, so the sum says nothing yet."""
    told("invoice", "add", "--provider", "openai", "--number", "X", "--period", "2026-08", "--amount", "0")
    billed.take_in()
    status, _, days, _ = tied(billed)
    assert (status, days < 31) == ("open", True)


@pytest.mark.soak
def test_two_accounts_may_have_an_invoice_of_one_number(billed: World) -> None:
    """Each is held against its own account's bills alone; which one is removed has to be said."""
    told("invoice", "add", *JUNE, "--amount", "1")
    with database.control(billed.home) as control:
        other = invoice.Invoice("openai", 77, "INV-1", date(2026, 6, 24), date(2026, 6, 29), Decimal(9))
        invoice.add(control, [other], LATER.replace(tzinfo=None))
    billed.take_in()
    rows = billed.query("SELECT amount_usd, status, told_days FROM mart.invoice_tie_out ORDER BY amount_usd")
    assert rows == [(1, "differs", 6), (9, "open", 0)]
    assert "--account" in str(told("invoice", "remove", "INV-1").exception)


def test_its_days_are_invoiced_and_carry_its_number(billed: World) -> None:
    """Settlement and FOCUS's InvoiceId, on its days at its provider alone; a removed one leaves no trace."""
    before = billed.query("SELECT sum(cost_usd) FROM mart.spend_daily")
    told("invoice", "add", *JUNE, "--amount", str(bill(billed).quantize(CENT)))
    billed.take_in()
    states = """SELECT DISTINCT settlement FROM mart.spend_daily
        WHERE provider = 'openai' AND day BETWEEN '2026-06-24' AND '2026-06-29'"""
    assert billed.query(states) == [("invoiced",)]
    numbered = """SELECT min(ChargePeriodStart), max(ChargePeriodStart), min(InvoiceIssuerName), max(InvoiceIssuerName)
        FROM mart.focus_1_4 WHERE InvoiceId = 'INV-1'"""
    first, last = datetime(2026, 6, 24), datetime(2026, 6, 29)  # noqa: DTZ001 - naive moments are UTC in the marts
    assert billed.query(numbered) == [(first, last, "openai", "openai")]
    assert billed.query("SELECT sum(cost_usd) FROM mart.spend_daily") == before
    assert told("invoice", "remove", "INV-1").exit_code == 0
    billed.take_in()
    assert billed.query("SELECT count(*) FROM mart.spend_daily WHERE invoice IS NOT NULL") == [(0,)]
    assert billed.query(states) == [("settled",)]


def test_a_bill_that_moves_after_its_invoice_is_corrected(billed: World) -> None:
    """The provider restates a day: that one is corrected, the others stay invoiced."""
    invoices = [invoice.Invoice("openai", _payer(billed), "INV-1", date(2026, 6, 24), date(2026, 6, 29), bill(billed))]
    with database.control(billed.home) as control:
        invoice.add(control, invoices, LATER.replace(tzinfo=None))
    billed.take_in()
    with database.held(billed.home.build_lock), database.build(billed.home) as build:
        build.execute(
            """INSERT INTO model.change (day, account_no, basis, source, connection_no, provider, changed_at, reason)
               SELECT '2026-06-25', account_no, 'bill', source, connection_no, provider, ?, 'restated'
               FROM model.connection WHERE provider = 'openai'""",
            [LATER.replace(tzinfo=None) + timedelta(days=1)],
        )
    billed.take_in(LATER + timedelta(days=1))
    states = """SELECT day::VARCHAR FROM mart.spend_daily WHERE provider = 'openai' AND settlement = 'corrected'
        GROUP BY 1"""
    assert billed.query(states) == [("2026-06-25",)]


def _payer(made: World) -> int:
    with database.control(made.home) as control:
        ((number,),) = control.execute("SELECT account_no FROM connection WHERE provider = 'openai'").fetchall()
    return int(number)


def test_an_invoice_of_a_plan_is_held_against_its_fee(home: Home, master_key: str) -> None:
    """October's seat, invoiced in full: tied, and each of its days is invoiced under its number."""
    assert master_key
    told("plan", "add", "seat", "--provider", "openai", "--monthly", "30", "--seats", "4", "--from", "2026-10-01")
    done = told(
        "invoice",
        "add",
        "--provider",
        "openai",
        "--number",
        "T-1",
        "--period",
        "2026-10",
        "--amount",
        "120",
        "--plan",
        "seat",
    )
    assert done.exit_code == 0, done.output
    take_in(home, NOW)
    with database.published(home) as connection:
        assert connection.execute("SELECT status, told_days FROM mart.invoice_tie_out").fetchall() == [("tied", 31)]
        query = "SELECT settlement, invoice, count(*) FROM mart.spend_daily WHERE day < '2026-11-01' GROUP BY ALL"
        assert connection.execute(query).fetchall() == [("invoiced", "T-1", 31)]


def test_an_invoice_in_euros_is_held_against_dollars_by_the_rate_of_its_last_day(home: Home, master_key: str) -> None:
    """Open until a rate is known, tied by it, and made anew where it is put right; the rate and its day are shown."""
    assert master_key
    told("plan", "add", "seat", "--provider", "openai", "--monthly", "30", "--seats", "4", "--from", "2026-10-01")
    asked = ("--provider", "openai", "--number", "T-1", "--period", "2026-10", "--amount", "110.76", "--plan", "seat")
    assert told("invoice", "add", *asked, "--currency", "eur").exit_code == 0
    assert "110.76 EUR" in told("invoice", "list").output
    take_in(home, NOW)
    assert "bills say $120.00; open: no rate of EUR up to 2026-10-31" in told("invoice", "tie").output
    for worth, ends, says in (("1.0834", 0, "tied"), ("1.09", 1, "differs by $0.73")):
        fx.set_rate(home, fx.rate("2026-10-30", "EUR", worth, "ECB"))
        take_in(home, NOW)
        done = told("invoice", "tie")
        assert done.exit_code == ends
        assert f"110.76 EUR, ${Decimal(worth) * Decimal('110.76'):.2f} at {worth} of 2026-10-30" in done.output
        assert says in done.output


def test_a_bill_in_the_invoices_currency_is_held_against_it_in_that(home: Home, master_key: str) -> None:
    """To the cent, whatever the rates of its days were; what is missing is told in dollars by the last one."""
    assert master_key
    inbox, settled = Folder(home), datetime(2026, 12, 20, tzinfo=UTC)
    for day, worth in ((1, "1.05"), (3, "1.20")):
        fx.set_rate(home, fx.rate(f"2026-10-0{day}", "EUR", worth))
    inbox.drop("o.csv", as_csv([row(day, "33.333", BillingCurrency="EUR") for day in range(1, 4)]))
    told("invoice", "add", "--provider", "bedrock", "--number", "A", "--period", "2026-10-01..2026-10-03", *EUROS)
    inbox.pull(settled)
    query = "SELECT status, difference_usd, amount_usd - difference_usd, told_amount FROM mart.invoice_tie_out"
    billed = 2 * Decimal("33.333") * Decimal("1.05") + Decimal("33.333") * Decimal("1.20")
    ((status, difference, dollars, euros),) = inbox.query(query)
    assert (status, dollars, euros) == ("tied", billed, Decimal("99.999"))
    assert difference == Decimal("0.001") * Decimal("1.20")
    inbox.drop("n.csv", as_csv([row(day, "33", BillingCurrency="EUR") for day in range(1, 4)]))
    inbox.pull(settled)
    ((status, difference, _, euros),) = inbox.query(query)
    assert (status, difference, euros) == ("differs", Decimal("1.20"), Decimal(99))
    assert "100.00 EUR, bills say 99.00 EUR; differs by $1.20" in told("invoice", "tie").output


def test_a_currency_is_three_letters(home: Home, master_key: str) -> None:
    """What is none is refused, and nothing is entered."""
    assert master_key
    add = ("invoice", "add", "--provider", "openai", "--number", "1", "--period", "2026-09", "--amount", "1")
    for currency in ("EURO", "E1", "$"):
        assert "three capital letters" in str(told(*add, "--currency", currency, "--home", str(home.root)).exception)
    assert "No invoice" in told("invoice", "list").output


def test_a_file_of_invoices_is_entered_whole_or_not_at_all(home: Home, master_key: str, tmp_path: Path) -> None:
    """Two at once; with one wrong line neither, and the message says which, not what stood there."""
    assert master_key
    good = "provider,number,period,amount,tax\nopenai,A-1,2026-09,10.00,\nanthropic,B-1,2026-09,20,1.5\n"
    file = tmp_path / "invoices.csv"
    file.write_text(good + "openai,A-2,2026-10,a secret,\n", encoding="utf-8-sig")
    refused = told("invoice", "add", "--file", str(file))
    assert "invoice 3 of 3" in str(refused.exception)
    assert "secret" not in str(refused.exception)
    assert "No invoice" in told("invoice", "list", "--home", str(home.root)).output
    file.write_text(good)
    done = told("invoice", "add", "--file", str(file), "--home", str(home.root))
    assert "2 invoices are entered" in done.output
    assert "B-1  anthropic, 2026-09-01 to 2026-09-30, $20.00" in told("invoice", "list").output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider,number\n", "first line names its columns"),
        ("provider,number,period,amount,who\n", "first line names its columns"),
        ("provider,number,period,amount\nopenai,A\n", "line 2 has 2 fields"),
    ],
)
def test_a_file_in_another_form_is_refused(text: str, said: str) -> None:
    """The message names what a file needs."""
    with pytest.raises(WarehouseError, match=said):
        invoice.told(text)


def test_a_day_is_on_one_invoice(home: Home, master_key: str) -> None:
    """The same number twice, and days that are another's, are refused; another provider's are not."""
    assert master_key
    add = ("invoice", "add", "--amount", "1", "--number")
    assert told(*add, "1", "--provider", "openai", "--period", "2026-09", "--home", str(home.root)).exit_code == 0
    assert "is there already" in str(told(*add, "1", "--provider", "openai", "--period", "2026-10").exception)
    overlap = told(*add, "2", "--provider", "openai", "--period", "2026-09-30..2026-10-02")
    assert "1 covers some of those days" in str(overlap.exception)
    assert told(*add, "1", "--provider", "anthropic", "--period", "2026-09").exit_code == 0
    assert "--provider" in str(told("invoice", "remove", "1").exception)
    assert told("invoice", "remove", "1", "--provider", "openai").exit_code == 0
