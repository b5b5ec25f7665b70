"""Whatever lines a bill has: each is on one invoice in spend, as the tie-out has it, and no day's sum moves for it."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.warehouse.test_reconciliation import ACCOUNT, ALL_TABLES, MONTH, billed, fill, logged, paid
from warehouse import bill_tables, fee_tables, mart, price_tables, settlement_tables, spend_tables, tables
from warehouse.models import invoice_day, spend_daily

TABLES = tuple(dict.fromkeys((*ALL_TABLES, *spend_tables.SPEND_TABLES, *price_tables.PRICE_TABLES)))
PERIODS = {
    "JUNE": (MONTH, date(2026, 6, 30)),
    "JULY": (date(2026, 7, 1), date(2026, 7, 31)),
    "NAMED": (date(2026, 8, 1), date(2026, 8, 31)),
}
ENTERED = datetime(2026, 7, 5)  # noqa: DTZ001 - naive moments are UTC in the marts
FIRST, LAST = 28, 31
LINES = st.lists(
    st.tuples(
        st.integers(FIRST, LAST),
        st.sampled_from((1, 2)),
        st.sampled_from(("202606", "202607", "NAMED", "OTHER", None)),
        st.decimals("-9", "9", places=12),
    ),
    max_size=12,
)
EVEN = [(29, 1, "202606", Decimal(5)), (29, 1, "202607", Decimal(-5))]
CALLS = st.lists(st.tuples(st.integers(FIRST, LAST), st.decimals(0, "9", places=12)), max_size=4)


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that bills, invoices and spend are in, and the marts that tell of them."""
    with duckdb.connect() as connection:
        for table in TABLES:
            for statement in table.ddl():
                connection.execute(statement)
        for name in ("invoice_tie_out", "spend_daily", "repriced_daily", "contracted_daily", "focus_1_2", "focus_1_4"):
            connection.execute(f"CREATE VIEW mart.{name} AS {mart.select(name)}")
        yield connection


def _entered(number: str, first: date, last: date) -> dict[str, Any]:
    told = {"provider": "openai", "account_no": ACCOUNT, "number": number, "period_start": first, "period_end": last}
    return told | {"amount_usd": Decimal(1), "added_at": ENTERED}


def _write(connection: duckdb.DuckDBPyConnection, world: dict[tables.Table, list[dict[str, Any]]]) -> None:
    for table in TABLES:
        fill(connection, table, world.get(table, []))
    connection.execute(
        """INSERT INTO model.bill_day SELECT day, connection_no, count(*), sum(amount_usd), 'settled'
           FROM model.charges GROUP BY day, connection_no"""
    )
    invoice_day.write(connection)
    spend_daily.write(connection, MONTH, MONTH + timedelta(days=60))


def _sums(connection: duckdb.DuckDBPyConnection, query: str) -> dict[Any, Decimal]:
    return {row[:-1]: row[-1] for row in connection.execute(query).fetchall() if row[-1]}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# What is charged on one invoice is credited on the other: the day's bill is nothing.
@example(lines=EVEN, calls=[], numbers={"JUNE", "JULY"})
@given(lines=LINES, calls=CALLS, numbers=st.sets(st.sampled_from(sorted(PERIODS))))
def test_spend_by_invoice_is_what_the_lines_on_it_add_up_to(
    made: duckdb.DuckDBPyConnection,
    lines: list[tuple[int, int, str | None, Decimal]],
    calls: list[tuple[int, Decimal]],
    numbers: set[str],
) -> None:
    """To the pico-dollar, in spend and in FOCUS; a day's sum is its bill, its calls are there once."""
    _write(
        made,
        {
            bill_tables.CONNECTION: [paid(1), paid(2, account=12)],
            bill_tables.CHARGES: [billed(day, str(amount), no, invoice=word) for day, no, word, amount in lines],
            tables.USAGE_DAILY: [logged(day, 0, list_cost_usd=cost) for day, cost in calls],
            fee_tables.INVOICE: [_entered(number, *PERIODS[number]) for number in sorted(numbers)],
        },
    )
    tied = _sums(
        made,
        "SELECT number, charges_usd + adjustments_usd + taxes_usd + credited_usd FROM mart.invoice_tie_out",
    )
    spend = "SELECT invoice, sum(cost_usd) FROM mart.spend_daily WHERE invoice IS NOT NULL GROUP BY 1"
    assert _sums(made, spend) == tied
    for view in ("focus_1_2", "focus_1_4"):
        numbered = f"FROM mart.{view} WHERE NOT starts_with(InvoiceId, 'provisional-') GROUP BY 1"
        assert _sums(made, f"SELECT InvoiceId, sum(BilledCost) {numbered}") == tied
    by_day = "SELECT day, connection_no, sum(cost_usd) FROM model.spend_daily SEMI JOIN model.bill_day"
    assert _sums(made, f"{by_day} USING (day, connection_no) GROUP BY ALL") == _sums(
        made, "SELECT day, connection_no, amount_usd FROM model.bill_day"
    )
    assert made.execute("SELECT coalesce(sum(requests), 0) FROM model.spend_daily").fetchone() == (len(calls),)
    main = made.execute("SELECT day, connection_no FROM model.invoice_day WHERE is_main").fetchall()
    assert set(Counter(main).values()) <= {1}
    assert set(main) == set(made.execute("SELECT DISTINCT day, connection_no FROM model.invoice_day").fetchall())


def test_a_line_that_two_periods_cover_is_counted_once(made: duckdb.DuckDBPyConnection) -> None:
    """Neither invoice is named by it: one of the two has the day, and a day without a line."""
    days = MONTH, MONTH + timedelta(days=9)
    world = {
        bill_tables.CONNECTION: [paid(1)],
        bill_tables.CHARGES: [billed(1, "3"), billed(1, "4")],
        fee_tables.INVOICE: [_entered("A", *days), _entered("B", *days)],
    }
    _write(made, world)
    made.execute("INSERT INTO model.bill_day VALUES (?, 1, 0, 0, 'settled')", [MONTH])
    invoice_day.write(made)
    assert made.execute("SELECT number, is_main, amount_usd FROM model.invoice_day ORDER BY day").fetchall() == [
        ("A", True, None),
        ("A", True, None),
    ]
    assert made.execute("SELECT invoice, sum(cost_usd) FROM model.spend_daily GROUP BY 1").fetchall() == [("A", 7)]


def test_invoices_of_a_day_are_corrected_by_a_move_after_them(made: duckdb.DuckDBPyConnection) -> None:
    """A move says how much, not which line; what is on no invoice keeps the bill's own settlement."""
    moved = {"day": MONTH + timedelta(days=29), "connection_no": 1, "basis": "bill", "reason": "restated"}
    lines = [("202606", "5"), ("202607", "2"), ("OTHER", "1"), ("202608", "0.5")]
    _write(
        made,
        {
            bill_tables.CONNECTION: [paid(1)],
            bill_tables.CHARGES: [billed(29, amount, invoice=word) for word, amount in lines],
            fee_tables.INVOICE: [
                _entered("JUNE", *PERIODS["JUNE"]),
                _entered("JULY", *PERIODS["JULY"]) | {"added_at": ENTERED + timedelta(days=9)},
            ],
            settlement_tables.CHANGE: [moved | {"changed_at": ENTERED + timedelta(days=1)}],
        },
    )
    assert made.execute("SELECT cost_usd, invoice, settlement FROM mart.spend_daily ORDER BY 1 DESC").fetchall() == [
        (Decimal(6), "JUNE", "corrected"),
        (Decimal(2), "JULY", "invoiced"),
        (Decimal("0.5"), None, "settled"),
    ]


@pytest.mark.parametrize("version", ["1_2", "1_4"])
def test_a_part_keeps_the_currency_it_was_billed_in(made: duckdb.DuckDBPyConnection, version: str) -> None:
    """Each invoice of the day has its own euros, together the day's, and the contract's share is given once."""
    euros: dict[str, Any] = {"billing_currency": "EUR", "fx_usd_per_unit": Decimal("1.25"), "fx_day": MONTH}
    agreed = {"list_cost_now_usd": Decimal(4), "contract": "ours", "contracted_cost_usd": Decimal(3)}
    of_calls = {"account_no": ACCOUNT, "provider": "openai", "model": "gpt-4o"}
    _write(
        made,
        {
            bill_tables.CONNECTION: [paid(1)],
            tables.USAGE_DAILY: [logged(29, 0, list_cost_usd=Decimal(4), input_tokens=1)],
            price_tables.REPRICED_DAILY: [{"day": MONTH + timedelta(days=29), **of_calls, **agreed}],
            bill_tables.CHARGES: [
                billed(29, "7.5", invoice="202606", billed_amount=Decimal(6), **euros),
                billed(29, "2.5", invoice="202607", billed_amount=Decimal(2), **euros),
                billed(29, "1.25", invoice="202608", billed_amount=Decimal(1), **euros),
            ],
            fee_tables.INVOICE: [_entered(number, *PERIODS[number]) for number in ("JUNE", "JULY")],
        },
    )
    rows = made.execute(
        f"""SELECT split_part(InvoiceId, '-', 1), x_Basis, BilledCost, ContractedCost, x_BillAmount
            FROM mart.focus_{version} ORDER BY BilledCost DESC"""
    ).fetchall()
    assert [(*row[:2], *(each and float(each) for each in row[2:])) for row in rows] == [
        ("JUNE", "log", 4, 3, None),
        ("JUNE", "bill", 3.5, 4.5, 6),
        ("JULY", "bill", 2.5, 2.5, 2),
        ("provisional", "bill", 1.25, 1.25, 1),
    ]
