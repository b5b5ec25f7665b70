"""FOCUS's views tell classes of tokens, the list's and the contract's price whoever pays, a bill's own currency."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.warehouse.test_reconciliation import ACCOUNT, ALL_TABLES, MONTH, billed, fill, logged, paid
from warehouse import bill_tables, fee_tables, mart, price_tables, spend_tables, tables
from warehouse.models import spend_daily

TABLES = tuple(dict.fromkeys((*ALL_TABLES, *spend_tables.SPEND_TABLES, *price_tables.PRICE_TABLES)))
CLASSES = {
    "x_UncachedInputTokens": 1,
    "x_CacheReadTokens": 2,
    "x_CacheWrite5mTokens": 4,
    "x_CacheWrite1hTokens": 8,
    "x_AudioInputTokens": 16,
    "x_ImageInputTokens": 32,
    "x_TextOutputTokens": 64,
    "x_ReasoningOutputTokens": 128,
    "x_AudioOutputTokens": 256,
}


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two days: one that a plan pays for in part, one that is billed in euros."""
    with duckdb.connect() as connection:
        for table in TABLES:
            for statement in table.ddl():
                connection.execute(statement)
        for name in ("spend_daily", "repriced_daily", "contracted_daily", "focus_1_2", "focus_1_4"):
            connection.execute(f"CREATE VIEW mart.{name} AS {mart.select(name)}")
        counts: dict[str, Any] = dict(
            zip((*tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES), CLASSES.values(), strict=True)
        )
        totals: dict[str, Any] = {"input_tokens": 63, "output_tokens": 448}
        cover: dict[str, Any] = {
            "gateway": "claude_code",
            "provider": "openai",
            "account_no": ACCOUNT,
            "starts_on": MONTH,
        }
        euros: dict[str, Any] = {"billing_currency": "EUR", "fx_usd_per_unit": Decimal("1.25"), "fx_day": MONTH}
        world = {
            bill_tables.CONNECTION: [paid(1)],
            fee_tables.PLAN_COVER: [{"plan_no": 1, "ends_on": MONTH, **cover}],
            tables.USAGE_DAILY: [
                logged(0, 0, **counts, **totals, list_cost_usd=Decimal(3)),
                logged(0, 0, gateway="claude_code", list_cost_usd=Decimal(2), **totals),
                logged(1, 0, **counts, **totals, list_cost_usd=Decimal(5)),
            ],
            bill_tables.CHARGES: [
                billed(1, "7.5", billed_amount=Decimal(6), **euros),
                billed(1, "2.5", billed_amount=Decimal(2), **euros),
            ],
        }
        for table, rows in world.items():
            fill(connection, table, rows)
        connection.execute(
            """INSERT INTO model.bill_day SELECT day, connection_no, count(*), sum(amount_usd), 'settled'
               FROM model.charges GROUP BY ALL"""
        )
        spend_daily.write(connection, MONTH, MONTH + timedelta(days=5))
        yield connection


@pytest.mark.parametrize("version", ["1_2", "1_4"])
def test_every_class_of_tokens_has_its_column(made: duckdb.DuckDBPyConnection, version: str) -> None:
    """Disjoint, and together the input and the output."""
    rows = made.execute(
        f"""SELECT {", ".join(CLASSES)}, x_InputTokens, x_OutputTokens FROM mart.focus_{version}
            WHERE x_Basis = 'log' AND BilledCost > 0"""
    ).fetchall()
    assert rows == [(*CLASSES.values(), 63, 448)] * 2


@pytest.mark.parametrize("version", ["1_2", "1_4"])
def test_what_a_plan_pays_for_has_a_list_price(made: duckdb.DuckDBPyConnection, version: str) -> None:
    """Billed is what it costs here, which is nothing; of what is billed beyond the detail both are the same."""
    rows = made.execute(
        f"""SELECT x_Basis, BilledCost, EffectiveCost, ContractedCost, ListCost FROM mart.focus_{version}
            ORDER BY ChargePeriodStart, BilledCost, x_Basis"""
    ).fetchall()
    amounts = [(basis, *map(int, costs)) for basis, *costs in rows]
    assert amounts == [("log", 0, 0, 0, 2), ("log", 3, 3, 3, 3), ("bill", 5, 5, 5, 5), ("log", 5, 5, 5, 5)]


@pytest.mark.parametrize("version", ["1_2", "1_4"])
def test_a_bill_keeps_the_currency_it_was_billed_in(made: duckdb.DuckDBPyConnection, version: str) -> None:
    """Beside what it is in dollars: the day's whole bill, and the rate; in no other row."""
    of_bill = "x_BillCurrency, x_BillAmount, x_BillUsdPerUnit"
    query = f"SELECT x_Basis, BillingCurrency, BilledCost, {of_bill} FROM mart.focus_{version}"
    told = [row for row in made.execute(query).fetchall() if row[3] is not None]
    assert told == [("bill", "USD", Decimal(5), "EUR", Decimal(8), Decimal("1.25"))]
    made.execute("BEGIN")
    made.execute("UPDATE model.charges SET billing_currency = NULL, fx_usd_per_unit = NULL WHERE amount_usd = 2.5")
    assert [row for row in made.execute(query).fetchall() if row[3] is not None] == []
    made.execute("ROLLBACK")


def contracted(
    made: duckdb.DuckDBPyConnection, billed_usd: str | None, version: str, **other: Any
) -> list[tuple[Any, ...]]:
    """Two keys, 3 and 5 dollars at list, 6 by contract: basis, billed, effective, contracted, listed, by what."""
    day = MONTH + timedelta(days=4)
    agreed = {"list_cost_now_usd": Decimal(8), "contract": "ours", "contracted_cost_usd": Decimal(6), "model": "gpt-4o"}
    made.execute("BEGIN")
    try:
        usage = [logged(4, 0, key_no=no, list_cost_usd=Decimal(no), input_tokens=1) for no in (3, 5)]
        fill(made, tables.USAGE_DAILY, [*usage, *([logged(4, 0, **other)] if other else [])])
        fill(made, price_tables.REPRICED_DAILY, [{"day": day, "account_no": ACCOUNT, "provider": "openai", **agreed}])
        if billed_usd is not None:
            made.execute("INSERT INTO model.bill_day VALUES (?, 1, 1, ?, 'settled')", [day, billed_usd])
        spend_daily.write(made, day, day)
        return made.execute(
            f"""SELECT x_Basis, BilledCost, EffectiveCost, ContractedCost, ListCost, x_Contract
                FROM mart.focus_{version} WHERE ChargePeriodStart = ? ORDER BY ALL""",
            [day],
        ).fetchall()
    finally:
        made.execute("ROLLBACK")


LOGGED = [
    ("log", Decimal(3), Decimal("2.25"), Decimal("2.25"), Decimal(3), "ours"),
    ("log", Decimal(5), Decimal("3.75"), Decimal("3.75"), Decimal(5), "ours"),
]


@pytest.mark.parametrize("version", ["1_2", "1_4"])
def test_a_contract_is_in_what_calls_cost(made: duckdb.DuckDBPyConnection, version: str) -> None:
    """By contract each call's share; a bill has the contract in it already, so in sum it stays what is billed."""
    assert contracted(made, None, version) == LOGGED
    found = contracted(made, "6.5", version)
    rest = ("bill", Decimal("-1.5"), Decimal("0.5"), Decimal("0.5"), Decimal("-1.5"), None)
    assert found == [rest, *LOGGED]
    assert sum(row[2] for row in found) == sum(row[1] for row in found)


def test_a_rest_of_nothing_that_holds_the_contracts_share_is_told(made: duckdb.DuckDBPyConnection) -> None:
    """Billed at list price: the calls cost less by contract, and the rest says what was billed beyond it."""
    rest = ("bill", Decimal(0), Decimal(2), Decimal(2), Decimal(0), None)
    assert contracted(made, "8", "1_2") == [rest, *LOGGED]


def test_where_a_plan_pays_for_a_part_the_contract_is_not_known(made: duckdb.DuckDBPyConnection) -> None:
    """The contract's sum is of all of the day's calls: none is said to have a share of it."""
    made.execute("UPDATE model.plan_cover SET ends_on = ends_on + 9")
    found = contracted(made, None, "1_2", gateway="claude_code", list_cost_usd=Decimal(2), input_tokens=1)
    made.execute("UPDATE model.plan_cover SET ends_on = ends_on - 9")
    assert [row[1:] for row in found] == [
        (Decimal(0), Decimal(0), Decimal(0), Decimal(2), None),
        (*[Decimal(3)] * 4, None),
        (*[Decimal(5)] * 4, None),
    ]
