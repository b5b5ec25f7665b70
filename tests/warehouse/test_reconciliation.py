"""Whatever log, counts and bills say: in the tables a day's causes add up to its bill less its log, exactly."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import bill_tables, causes, fee_tables, mart, reconciliation_tables, settlement_tables, tables
from warehouse.models import reconciliation
from warehouse.prices import PriceBook
from warehouse.tables import Table

MONTH = date(2026, 6, 1)
BOOK = PriceBook.load()
ALL_TABLES = (
    *tables.MODEL_TABLES,
    *bill_tables.BILL_TABLES,
    *reconciliation_tables.RECONCILIATION_TABLES,
    *fee_tables.FEE_TABLES,
    *settlement_tables.SETTLEMENT_TABLES,
)
ACCOUNT, OTHER = 11, 12


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that reconciliation reads and writes, and its mart."""
    with duckdb.connect() as connection:
        for table in ALL_TABLES:
            for statement in table.ddl():
                connection.execute(statement)
        connection.execute(f"CREATE VIEW mart.reconciliation_daily AS {mart.select('reconciliation_daily')}")
        connection.execute(f"CREATE VIEW mart.difference_cause AS {mart.select('difference_cause')}")
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Replace a table's rows; counts that are not given are 0, all else is NULL."""
    connection.execute(f"DELETE FROM {table.full_name}")
    for row in rows:
        zero = {c.name: 0 for c in table.columns if c.name.endswith("_tokens") or c.name.split("_")[-1] == "requests"}
        told = {**({} if table is bill_tables.CHARGES else zero), **row}
        names = ", ".join(f'"{name}"' for name in told)
        places = ", ".join("?" * len(told))
        connection.execute(f"INSERT INTO {table.full_name} ({names}) VALUES ({places})", list(told.values()))


def reconcile(connection: duckdb.DuckDBPyConnection, world: dict[Table, list[dict[str, Any]]]) -> dict[str, Decimal]:
    """Write June of a world; what each cause adds up to."""
    for table in ALL_TABLES:
        fill(connection, table, world.get(table, []))
    connection.execute(
        """INSERT INTO model.bill_day SELECT day, connection_no, count(*), sum(amount_usd), 'settled'
           FROM model.charges GROUP BY day, connection_no"""
    )
    reconciliation.write(connection, MONTH, BOOK)
    found = connection.execute("SELECT cause, sum(amount_usd) FROM mart.difference_cause GROUP BY cause").fetchall()
    return dict(found)


def paid(number: int, provider: str = "openai", account: int = ACCOUNT) -> dict[str, Any]:
    """A connection; the operator's."""
    told = {"connection_no": number, "source": provider, "provider": provider, "account_no": account}
    return told | {"is_operator": account == ACCOUNT}


def logged(day: int, tokens: int, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """A day of the log: input alone, at 2.50 USD a million."""
    cost = Decimal(tokens) * Decimal("0.0000025")
    told = {"day": MONTH + timedelta(days=day), "gateway": "gateway_jsonl", "account_no": ACCOUNT, "model": model}
    return told | {"provider": "openai", "uncached_tokens": tokens, "list_cost_usd": cost, "requests": 1} | more


def counted(day: int, tokens: int, number: int = 1, key_no: int = 7, **more: Any) -> dict[str, Any]:
    """A day of a provider's count."""
    told = {"day": MONTH + timedelta(days=day), "connection_no": number, "key_no": key_no, "model": "gpt-4o"}
    return told | {"uncached_tokens": tokens, "requests": 1, "report": "usage"} | more


def billed(day: int, amount: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A line of a bill."""
    told = {"day": MONTH + timedelta(days=day), "connection_no": number, "amount_usd": Decimal(amount)}
    return told | {"report": "costs", "line": "gpt-4o, input"} | more


def claimed(upstream_no: int, number: int, first: int = -9_999, last: int = 9_999) -> dict[str, Any]:
    """A claim of an upstream from one day to another, as it is resolved."""
    days = {"first_day": MONTH + timedelta(days=first), "last_day": MONTH + timedelta(days=last)}
    told = {"upstream_no": upstream_no, "account_no": ACCOUNT, "provider": "openai", "connection_no": number}
    return told | days


def test_calls_that_name_none_of_two_connections_are_unclaimed(made: duckdb.DuckDBPyConnection) -> None:
    """Neither gateway key is stray; the key that is, is found on its bill."""
    found = reconcile(
        made,
        {
            bill_tables.CONNECTION: [paid(1), paid(2)],
            tables.USAGE_DAILY: [logged(n, 3_000_000) for n in range(8)],
            bill_tables.USAGE_REPORTED: [
                row
                for n in range(8)
                for row in (counted(n, 2_000_000), counted(n, 1_000_000, 2, 8), counted(n, 400_000, 2, 9))
            ],
            bill_tables.CHARGES: [row for n in range(8) for row in (billed(n, "5"), billed(n, "3.5", 2))],
        },
    )
    assert found == {causes.UNCLAIMED: 8 * Decimal("7.5"), causes.UNLOGGED: 8}
    keys = made.execute(
        "SELECT DISTINCT connection_no, key_no FROM model.difference WHERE cause = 'unlogged'"
    ).fetchall()
    assert keys == [(2, 9)]


def test_a_bills_own_quantities_are_the_count_where_there_is_no_report(made: duckdb.DuckDBPyConnection) -> None:
    """More tokens on the bill than in the log, by the bill's own key; a line without a class keeps it to the amount."""
    lines = [
        billed(n, "3", model="gpt-4o", token_type="uncached_tokens", quantity=1200, quantity_unit="1K tokens", key_no=k)
        for n in range(6)
        for k in (7, 8)
        if k == 7 or n % 2
    ]
    world = {
        bill_tables.CONNECTION: [paid(1)],
        tables.USAGE_DAILY: [logged(n, 1_200_000) for n in range(8)],
        bill_tables.CHARGES: lines,
    }
    assert reconcile(made, world) == {causes.UNLOGGED: 9}
    assert made.execute("SELECT DISTINCT key_no FROM model.difference").fetchall() == [(8,)]
    open_lines = [{**line, "token_type": None} for line in lines]
    assert set(reconcile(made, world | {bill_tables.CHARGES: open_lines})) == {causes.UNEXPLAINED}


def test_priority_tokens_that_a_bill_leaves_out_are_billed_apart(made: duckdb.DuckDBPyConnection) -> None:
    """As Anthropic's cost report does: each of its lines names a tier, and none of them priority."""
    found = reconcile(
        made,
        {
            bill_tables.CONNECTION: [paid(1)],
            tables.USAGE_DAILY: [logged(n, 1_000_000) for n in range(8)],
            bill_tables.USAGE_REPORTED: [
                row for n in range(7) for row in (counted(n, 600_000), counted(n, 400_000, service_tier="priority"))
            ],
            bill_tables.CHARGES: [billed(n, "1.5", service_tier="standard") for n in range(7)],
        },
    )
    assert found.pop(causes.TIER, Decimal(0)) + found.pop(causes.APART) == -7
    assert found == {}


def test_what_is_taken_back_is_a_credit_and_a_correction_is_none(made: duckdb.DuckDBPyConnection) -> None:
    """A refund lowers its day; an amount booked, taken back and booked anew on one line is the last of them."""
    world = {bill_tables.CONNECTION: [paid(1)], tables.USAGE_DAILY: [logged(n, 4_000_000) for n in range(8)]}
    refunded = [billed(n, "10") for n in range(6)] + [billed(2, "-4", line="refund of output tokens")]
    assert reconcile(made, world | {bill_tables.CHARGES: refunded}) == {causes.CREDIT: -4}
    corrected = [billed(n, "10") for n in range(6)] + [billed(2, "-10"), billed(2, "10")]
    assert reconcile(made, world | {bill_tables.CHARGES: corrected}) == {}


def used(day: int, uses: int, usd: str | None, **more: Any) -> dict[str, Any]:
    """A day's uses of a tool, as the provider counts them."""
    told = {"day": MONTH + timedelta(days=day), "connection_no": 1, "report": "usage_web_search_calls"}
    cost = None if usd is None else Decimal(usd)
    told |= {"operation": "web_search", "quantity": uses, "quantity_unit": "calls", "list_cost_usd": cost}
    return told | more


def test_counted_uses_of_a_tool_explain_its_lines_and_a_line_that_nobody_counted_is_a_fee(
    made: duckdb.DuckDBPyConnection,
) -> None:
    """By project, at list price; the same discount as all else is the price, another amount is a fee."""
    search: dict[str, Any] = {"line": "web search tool calls", "project_no": 5}
    world = {
        bill_tables.CONNECTION: [paid(1)],
        tables.USAGE_DAILY: [logged(n, 4_000_000) for n in range(8)],
        bill_tables.USAGE_REPORTED: [
            row for n in range(8) for row in (counted(n, 4_000_000), used(n, 90, "0.9", project_no=5))
        ],
    }

    def bill(tokens: str, searches: str, flat: str = "0") -> dict[str, Decimal]:
        rows = [
            row
            for n in range(8)
            for row in (
                billed(n, tokens),
                billed(n, searches, **search),
                billed(n, flat, line="web search", project_no=6),
            )
        ]
        return reconcile(made, world | {bill_tables.CHARGES: rows})

    assert bill("10", "0.9") == {causes.TOOL: Decimal("7.2")}
    assert bill("10", "0.9", "0.37") == {causes.TOOL: Decimal("7.2"), causes.FEE: 8 * Decimal("0.37")}
    assert bill("9", "0.81") == {causes.TOOL: Decimal("7.2"), causes.PRICE: 8 * Decimal("-1.09")}
    assert bill("10", "2.25") == {causes.TOOL: Decimal("7.2"), causes.FEE: 8 * Decimal("1.35")}
    unpriced = [
        row | {"list_cost_usd": None} if "quantity" in row else row for row in world[bill_tables.USAGE_REPORTED]
    ]
    world[bill_tables.USAGE_REPORTED] = unpriced
    assert bill("10", "0.9") == {causes.FEE: Decimal("7.2")}


def test_the_newest_day_waits_for_its_log_and_not_for_ever(made: duckdb.DuckDBPyConnection) -> None:
    """Late while the log may be behind; unlogged once bills were read days after, and its month is made again."""
    world = {
        bill_tables.CONNECTION: [paid(1)],
        tables.USAGE_DAILY: [logged(20, 1_000_000)],
        bill_tables.USAGE_REPORTED: [counted(20, 1_400_000)],
        settlement_tables.BILL_STATE: [{"connection_no": 1, "last_read_on": MONTH + timedelta(days=22)}],
    }
    assert set(reconcile(made, world)) == {causes.LATE}
    assert reconciliation.months(made, []) == []
    made.execute("UPDATE model.bill_state SET last_read_on = ?", [MONTH + timedelta(days=23)])
    assert reconciliation.months(made, []) == [MONTH]
    reconciliation.write(made, MONTH, BOOK)
    assert made.execute("SELECT DISTINCT cause FROM model.difference").fetchall() == [(causes.UNLOGGED,)]


MODELS = st.sampled_from(["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "nobody-knows"])
TIERS = st.sampled_from([None, "standard", "batch", "priority", "flex"])
DAYS = st.integers(0, 5)
TOKENS = st.fixed_dictionaries(
    {name: st.integers(0, 10**7) for name in ("uncached_tokens", "cache_read_tokens", "text_out_tokens")}
)
LOGGED = st.builds(
    lambda day, tokens, **more: logged(day, 0, **more) | tokens,
    DAYS,
    TOKENS,
    model=MODELS,
    service_tier=TIERS,
    account_no=st.sampled_from([ACCOUNT, OTHER, 13]),
    provider=st.sampled_from(["openai", "anthropic"]),
    upstream_no=st.sampled_from([None, 91, 92]),
    cancelled_requests=st.integers(0, 2),
    error_requests=st.integers(0, 1),
    list_cost_usd=st.none() | st.decimals(0, 50, places=12),
)
COUNTED = st.builds(
    lambda day, tokens, **more: counted(day, 0, **more) | tokens,
    DAYS,
    TOKENS,
    number=st.integers(1, 4),
    key_no=st.integers(7, 9),
    model=MODELS,
    service_tier=TIERS,
    requests=st.none() | st.integers(0, 3),
    context_band=st.sampled_from([None, "<=200k"]),
    list_cost_usd=st.none() | st.decimals(0, 50, places=12),
)
USED = st.builds(
    used,
    DAYS,
    st.integers(0, 500),
    st.none() | st.decimals(0, 20, places=12).map(str),
    connection_no=st.integers(1, 4),
    project_no=st.sampled_from([None, 5, 6]),
)
BILLED = st.builds(
    billed,
    DAYS,
    st.decimals(-20, 90, places=12).map(str),
    number=st.integers(1, 4),
    list_amount_usd=st.none() | st.decimals(0, 90, places=12),
    charge_category=st.sampled_from([None, "Usage", "Credit", "Tax", "Purchase", "Adjustment"]),
    model=st.none() | MODELS,
    service_tier=TIERS,
    token_type=st.sampled_from([None, "uncached_tokens", "output_tokens"]),
    quantity=st.none() | st.decimals(0, 10**9, places=3),
    quantity_unit=st.sampled_from([None, "tokens", "1K tokens", "1M tokens", "count", "requests"]),
    line=st.sampled_from(["gpt-4o, input", "web search", None]),
    project_no=st.sampled_from([None, 5, 6]),
)
SINGLE = st.builds(
    lambda number, minute, latency_ms, tokens, **more: {
        "request_no": number,
        "requested_at": datetime(2026, 6, 2) + timedelta(minutes=minute),  # noqa: DTZ001 (UTC, naive by DuckDB's wish)
        "latency_ms": latency_ms,
        "account_no": ACCOUNT,
        "provider": "openai",
        **tokens,
        **more,
    },
    st.integers(1, 99),
    st.integers(0, 5_000),
    st.sampled_from([200, 9_000_000]),
    TOKENS,
    model=MODELS,
    outcome=st.sampled_from(["ok", "cancelled", "error"]),
)


@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.soak)])
def test_in_any_world_the_causes_add_up_to_bill_less_log(made: duckdb.DuckDBPyConnection, examples: int) -> None:
    """To the last of twelve places, and each connection's log is what its claimed calls cost, bill what was billed."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.sets(st.integers(1, 4)),
        st.lists(LOGGED, max_size=8),
        st.lists(COUNTED | USED, max_size=8),
        st.lists(BILLED, max_size=8),
        st.lists(SINGLE, max_size=4),
    )
    def holds(
        connections: set[int],
        log: list[dict[str, Any]],
        counts: list[dict[str, Any]],
        bill: list[dict[str, Any]],
        singles: list[dict[str, Any]],
    ) -> None:
        all_paid = {1: paid(1), 2: paid(2), 3: paid(3, "anthropic"), 4: paid(4, account=OTHER)}
        claims = [claimed(91, 1, last=2), claimed(91, 2, first=3), claimed(92, 1, first=1)]
        reconcile(
            made,
            {
                bill_tables.CONNECTION: [all_paid[number] for number in sorted(connections)],
                bill_tables.UPSTREAM_CLAIM: [row for row in claims if row["connection_no"] in connections],
                tables.USAGE_DAILY: log,
                bill_tables.USAGE_REPORTED: [row for row in counts if row["connection_no"] in connections],
                bill_tables.CHARGES: [row for row in bill if row["connection_no"] in connections],
                tables.REQUESTS: singles,
            },
        )
        days = "FROM mart.reconciliation_daily WHERE bill_cost_usd IS NOT NULL"
        assert made.execute(f"SELECT * {days} AND bill_cost_usd - log_cost_usd <> difference_usd").fetchall() == []
        told, charged = (
            made.execute(f"SELECT coalesce(sum({column}), 0) FROM {table}").fetchone()
            for column, table in (("bill_cost_usd", "model.reconciliation"), ("amount_usd", "model.charges"))
        )
        assert told == charged
        assert {cause for (cause,) in made.execute("SELECT DISTINCT cause FROM model.difference").fetchall()} <= set(
            causes.CAUSES
        )

    holds()
