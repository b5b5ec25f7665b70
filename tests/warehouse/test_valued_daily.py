"""As billed, as listed then, as listed now and by contract stand in one row, as deep as the bill tells; no guess."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.warehouse.test_reconciliation import ACCOUNT, ALL_TABLES, MONTH, OTHER, billed, counted, fill, logged, paid
from warehouse import bill_tables, fee_tables, mart, price_tables, tables
from warehouse.tables import Table

TABLES = (*ALL_TABLES, *price_tables.PRICE_TABLES)
World = dict[Table, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that the mart reads, and the mart."""
    with duckdb.connect() as connection:
        for table in TABLES:
            for statement in table.ddl():
                connection.execute(statement)
        connection.execute(f"CREATE VIEW mart.valued_daily AS {mart.select('valued_daily')}")
        connection.execute("INSERT INTO model.account VALUES (?, 'payer', NULL, NULL)", [ACCOUNT])
        yield connection


def valued(connection: duckdb.DuckDBPyConnection, world: World) -> list[tuple[Any, ...]]:
    """What the mart says of a world: model, key, basis, and the four values."""
    for table in TABLES:
        if table is not tables.NAMES["account"]:
            fill(connection, table, world.get(table, []))
    connection.execute(
        """INSERT INTO model.bill_day SELECT day, connection_no, count(*), sum(amount_usd), 'settled'
           FROM model.charges GROUP BY day, connection_no"""
    )
    return connection.execute(
        """SELECT model, key_label, basis, billed_cost_usd, list_cost_usd, list_cost_now_usd, contracted_cost_usd
           FROM mart.valued_daily ORDER BY ALL"""
    ).fetchall()


def now(day: int, amount: str, model: str = "gpt-4o", contract: str | None = None) -> dict[str, Any]:
    """A day's calls by today's list; by contract they cost 1 USD."""
    told = {"day": MONTH + timedelta(days=day), "account_no": ACCOUNT, "provider": "openai", "model": model}
    agreed = {"contract": contract, "contracted_cost_usd": Decimal(1)} if contract else {}
    return told | {"list_cost_now_usd": Decimal(amount)} | agreed


def test_a_model_that_the_bill_names_has_all_in_one_row(made: duckdb.DuckDBPyConnection) -> None:
    """Dated names are one model; a tool that no model is named for stands by itself; other accounts pay for nothing."""
    found = valued(
        made,
        {
            bill_tables.CONNECTION: [paid(1)],
            tables.USAGE_DAILY: [
                logged(0, 1_000_000, model="gpt-4o-2024-08-06"),
                logged(0, 2_000_000, account_no=OTHER, key_no=5),
                logged(0, 400_000, model="gpt-4.1"),
            ],
            price_tables.REPRICED_DAILY: [now(0, "2", "gpt-4o-2024-08-06", "ours")],
            bill_tables.CHARGES: [
                billed(0, "7.1", model="gpt-4o-2024-11-20"),
                billed(0, "0.3", line="web search"),
            ],
        },
    )
    assert found == [
        ("gpt-4.1", None, "log", None, Decimal(1), Decimal(1), None),
        ("gpt-4o", None, "log", Decimal("7.1"), Decimal("7.5"), Decimal(7), Decimal(6)),
        (None, None, "bill", Decimal("0.3"), None, None, None),
    ]


def test_a_bill_that_names_no_model_is_held_against_all_of_them(made: duckdb.DuckDBPyConnection) -> None:
    """One row, since what each model was billed nobody says; without a bill each model has its own."""
    usage = [logged(day, 400_000, model=model) for day in (0, 1) for model in ("gpt-4o", "gpt-4.1")]
    world: World = {bill_tables.CONNECTION: [paid(1)], tables.USAGE_DAILY: usage}
    found = valued(made, world | {bill_tables.CHARGES: [billed(0, "2.2")]})
    assert found == [
        ("gpt-4.1", None, "log", None, Decimal(1), Decimal(1), None),
        ("gpt-4o", None, "log", None, Decimal(1), Decimal(1), None),
        (None, None, "log", Decimal("2.2"), Decimal(2), Decimal(2), None),
    ]


def test_keys_are_told_where_bill_and_count_tell_them(made: duckdb.DuckDBPyConnection) -> None:
    """Without a log: each key's bill beside its count; today's list is not known of what a provider counted."""
    keys = [{"key_no": no, "label": f"key {no}", "account_no": ACCOUNT} for no in (7, 8)]
    world: World = {
        bill_tables.CONNECTION: [paid(1)],
        tables.NAMES["key"]: keys,
        bill_tables.USAGE_REPORTED: [counted(0, 9, key_no=no, list_cost_usd=Decimal(no)) for no in (7, 8)],
        bill_tables.CHARGES: [billed(0, str(no + 1), key_no=no, model="gpt-4o") for no in (7, 8)],
    }
    assert valued(made, world) == [
        ("gpt-4o", "key 7", "usage", Decimal(8), Decimal(7), None, None),
        ("gpt-4o", "key 8", "usage", Decimal(9), Decimal(8), None, None),
    ]
    one_open = [*world[bill_tables.CHARGES], billed(0, "1", model="gpt-4o")]
    assert valued(made, world | {bill_tables.CHARGES: one_open}) == [
        ("gpt-4o", None, "usage", Decimal(18), Decimal(15), None, None)
    ]
    with_log = world | {tables.USAGE_DAILY: [logged(0, 400_000, key_no=7)]}
    assert valued(made, with_log) == [("gpt-4o", None, "log", Decimal(17), Decimal(1), Decimal(1), None)]


def test_what_a_plan_pays_for_is_held_against_no_bill(made: duckdb.DuckDBPyConnection) -> None:
    """Its calls are left out; where they share a price of today with others, that price's sum is not known."""
    covered = {"plan_no": 1, "gateway": "claude_code", "provider": "openai", "account_no": ACCOUNT}
    dates = {"starts_on": MONTH, "ends_on": MONTH + timedelta(days=5)}
    of_plan = [logged(day, 800_000, gateway="claude_code") for day in (0, 1, 2)]
    world: World = {
        fee_tables.PLAN_COVER: [covered | dates, covered | dates | {"plan_no": 2}],
        tables.USAGE_DAILY: [*of_plan, logged(1, 400_000), logged(2, 400_000)],
        price_tables.REPRICED_DAILY: [now(2, "9")],
    }
    assert valued(made, world) == [
        ("gpt-4o", None, "log", None, Decimal(1), Decimal(1), None),
        ("gpt-4o", None, "log", None, Decimal(1), None, None),
    ]
