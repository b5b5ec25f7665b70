"""What a class of tokens costs is rounded as money is, however small its price and however many there are."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from warehouse import money
from warehouse.causes import Bucket, Cell
from warehouse.reconciliation_tables import RECONCILIATION
from warehouse.side_rows import SideRows

DAY = date(2026, 6, 1)
IN, BATCH = ("standard", "uncached_tokens"), ("batch", "uncached_tokens")
PRICES = st.integers(0, 10**12).map(lambda pico: Decimal(pico).scaleb(-18))


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """The table that is written."""
    with duckdb.connect() as connection:
        for statement in RECONCILIATION.ddl():
            connection.execute(statement)
        yield connection


def written(connection: duckdb.DuckDBPyConnection, *cells: Cell) -> list[tuple[object, ...]]:
    """The rows of some cells: key, class, tokens and cost of log and count."""
    connection.execute(f"DELETE FROM {RECONCILIATION.full_name}")
    rows = SideRows(connection)
    rows.add(1, cells, {})
    rows.write()
    found = connection.execute(
        f"""SELECT key_no, token_class, log_tokens, usage_tokens, log_cost_usd, usage_cost_usd
            FROM {RECONCILIATION.full_name} ORDER BY ALL"""
    ).fetchall()
    assert rows.written == len(found)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**10), PRICES, st.integers(0, 10**6), PRICES)
@example(1, Decimal("0.0000000000005"), 3, Decimal("0.0000000000005"))
@example(10**10, Decimal("0.000999999999999999"), 1, Decimal(0))
def test_each_bucket_is_rounded_half_even_before_it_is_added_up(
    made: duckdb.DuckDBPyConnection, tokens: int, price: Decimal, others: int, other_price: Decimal
) -> None:
    """Of two tiers of one class the sum of both, as money itself rounds; what is left of the count's cost is a row."""
    worth = money.usd(tokens * price) + money.usd(others * other_price)
    usd = {IN: price, BATCH: other_price}
    counted: dict[int | None, dict[Bucket, int]] = {7: {IN: tokens, BATCH: others}}
    cell = Cell(DAY, "gpt-4o", counted=counted, counted_usd=worth + Decimal("0.25"), usd_per_token=usd)
    assert written(made, cell) == [
        (7, "uncached_tokens", None, tokens + others, None, worth),
        (None, None, None, None, None, Decimal("0.25")),
    ]


def test_a_log_and_a_count_without_keys_share_a_row(made: duckdb.DuckDBPyConnection) -> None:
    """Each side in its own column; calls are no class of tokens."""
    usd = {IN: Decimal("0.000001")}
    calls = ("standard", "calls")
    cell = Cell(
        DAY, "m", {IN: 5, calls: 2}, {None: {IN: 7, calls: 3}}, logged_usd=Decimal("0.000005"), usd_per_token=usd
    )
    row = (None, "uncached_tokens", 5, 7, Decimal("0.000005"), Decimal("0.000007"))
    assert written(made, cell) == [row]
