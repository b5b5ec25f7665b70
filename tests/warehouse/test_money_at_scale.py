"""Money at scale: through hours, days, months, zones and cost centres no pico-dollar is lost or made."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.warehouse.allocated_world import warehouse
from warehouse import allocation_tables, frame, stale_spend, tables
from warehouse.allocation import made
from warehouse.models import usage_daily, usage_hourly, usage_monthly
from warehouse.tables import TOKEN_CLASSES
from warehouse.zone import days as days_of
from warehouse.zone_tables import ACCOUNT_ZONE, ZONE_DAY

FIRST = date(2026, 1, 30)
BATCH = 100_000
_RULES = (
    {"name": "web", "project": "web", "cost_centre": "shop"},
    {
        "name": "api",
        "project": "api",
        "until": date(2026, 2, 14),
        "shares": {"a": "33.3333333333", "b": "66.6666666667"},
    },
    {"name": "rest", "by_use": "month"},
)


def drawn(day: date, count: int, seed: int) -> pl.DataFrame:
    """Priced calls of a day: costs from a pico-dollar to 9,000 dollars, one in nine without a known price."""
    dice = np.random.default_rng(seed)
    costs = pl.Series(dice.integers(1, 10 ** dice.integers(1, 16, count)))
    named = dict.fromkeys(usage_hourly.GRAIN) | {"gateway": "gateway_jsonl", "provider": "openai"}
    start = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (naive moments are UTC here)
    calls = pl.DataFrame(
        {
            "requested_at": pl.Series(dice.integers(0, 86_400 * 10**6, count)).cast(pl.Duration("us")) + start,
            "project_no": dice.integers(0, 3, count),
            "list_cost_pico_usd": costs,
            "unknown": dice.integers(0, 9, count) == 0,
        }
    )
    types = {column.name: pl.Int64 if column.type == "BIGINT" else pl.String for column in tables.USAGE_HOURLY.columns}
    return calls.with_columns(
        pl.when("unknown").then(None).otherwise("list_cost_pico_usd").alias("list_cost_pico_usd"),
        pl.when(pl.col("project_no") > 0).then("project_no").alias("project_no"),
        *(
            pl.lit(value, types[name]).alias(name)
            for name, value in named.items()
            if name not in {"project_no", "account_no"}
        ),
        pl.lit(1, pl.Int64).alias("account_no"),
        pl.lit("ok").alias("outcome"),
        pl.lit(None, pl.Decimal(38, 12)).alias("logged_cost_usd"),
        *(pl.lit(1, pl.Int64).alias(column.name) for column in TOKEN_CLASSES),
        pl.lit(6, pl.Int64).alias("input_tokens"),
        pl.lit(3, pl.Int64).alias("output_tokens"),
    )


def assert_exact(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """Sum so many calls on the house's way, and one by one in Decimal; every figure differs by exactly 0."""
    expected: dict[tuple[date, int | None], Decimal] = {}
    cost = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
    with localcontext() as exact:
        exact.prec = 60
        for number in range(-(-count // BATCH)):
            day = FIRST + timedelta(days=number)
            calls = drawn(day, min(BATCH, count - number * BATCH), seed=number)
            for project, pico in calls.select("project_no", "list_cost_pico_usd").iter_rows():
                if pico is not None:
                    key = (day, project)
                    expected[key] = expected.get(key, Decimal(0)) + Decimal(pico).scaleb(-12)
            hours = usage_hourly.roll_up(calls)
            for table, rows in ((tables.USAGE_HOURLY, hours), (tables.USAGE_DAILY, usage_daily.roll_up(hours))):
                frame.insert(connection, rows, table.full_name, table.column_names, cost)
        total = sum(expected.values(), Decimal(0))
    _rules_and_zone(connection)
    stale_spend.mark(connection, None)
    stale_spend.add_up(connection)
    by_day = "SELECT day, project, sum(cost_usd) FROM mart.{} GROUP BY ALL"
    numbers = {"web": 1, "api": 2, None: None}
    for name in ("spend_daily", "allocated_daily"):
        found = connection.execute(by_day.format(name)).fetchall()
        assert {(day, numbers[project]): usd for day, project, usd in found} == expected, name
    for name in ("spend_hourly", "spend_local_daily"):
        assert connection.execute(f"SELECT sum(cost_usd) FROM mart.{name}").fetchall() == [(total,)], name
    assert connection.execute("SELECT count(*) FROM mart.spend_local_daily WHERE zone = 'UTC'").fetchall() == [(0,)]
    (months,) = connection.execute("SELECT count(DISTINCT cost_centre) FROM mart.allocated_daily").fetchall()[0]
    assert months == 3
    monthly = Decimal(0)
    for (month,) in connection.execute(
        "SELECT DISTINCT date_trunc('month', day)::DATE FROM model.usage_daily"
    ).fetchall():
        made_month = usage_monthly.roll_up(usage_monthly.read_days(connection, month))
        monthly += sum(made_month["list_cost_usd"].drop_nulls().to_list(), Decimal(0))
    assert monthly == total


def _rules_and_zone(connection: duckdb.DuckDBPyConnection) -> None:
    ruled, shared = allocation_tables.ALLOCATION_RULE, allocation_tables.ALLOCATION_SHARE
    for rule in (made(each, "here") for each in _RULES):
        places = ", ".join("?" * len(ruled.columns))
        connection.execute(f"INSERT INTO {ruled.full_name} VALUES ({places})", list(rule.row()))
        for share in rule.share_rows():
            connection.execute(f"INSERT INTO {shared.full_name} VALUES (?, ?, ?)", list(share))
    connection.execute(f"INSERT INTO {ACCOUNT_ZONE.full_name} VALUES (NULL, 'Asia/Kathmandu')")
    first, last = connection.execute("SELECT min(hour), max(hour) FROM model.usage_hourly").fetchall()[0]
    rows = [("Asia/Kathmandu", *day) for day in days_of("Asia/Kathmandu", first, last)]
    connection.executemany(f"INSERT INTO {ZONE_DAY.full_name} VALUES (?, ?, ?, ?)", rows)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in memory."""
    with warehouse() as connection:
        yield connection


def test_sums_are_those_of_decimal_arithmetic(connection: duckdb.DuckDBPyConnection) -> None:
    """A hundred and fifty thousand calls of two days."""
    assert_exact(connection, 150_000)


@pytest.mark.soak
def test_ten_million_calls_sum_to_the_pico_dollar(connection: duckdb.DuckDBPyConnection) -> None:
    """Ten million calls of a hundred days."""
    assert_exact(connection, 10_000_000)
