"""Cost centres made where a day, a name or a rule changed: the mart's own figures to the pico-dollar, and no others."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings

from tests.warehouse.allocated_examples import all_bills, all_calls, all_rules
from tests.warehouse.allocated_world import DAYS, NAMES, Billed, Spent, fill, ruled, used, warehouse
from warehouse import stale_allocation
from warehouse.allocation import Rule, made

_SUMS = "sum(cost_usd), sum(requests)::BIGINT, sum(unpriced_requests)::BIGINT"
_MART = f"""SELECT day, account, project, team, cost_centre, rule, split, {_SUMS}
    FROM mart.allocated_daily GROUP BY ALL ORDER BY ALL"""
_MODEL = f"""
    SELECT day, account.label AS account, project.label AS project, team.label AS team, cost_centre, rule, split,
        {_SUMS} FROM model.allocated_summary_daily AS told
    LEFT JOIN model.account AS account USING (account_no) LEFT JOIN model.project AS project USING (project_no)
    LEFT JOIN model.team AS team USING (team_no) GROUP BY ALL ORDER BY ALL"""
_WEB = {"name": "web", "project": "web", "cost_centre": "shop"}
_REST = {"name": "rest", "project": "api", "by_use": "month"}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One warehouse for all tests; each puts its own rows in the place of the last."""
    with warehouse() as connection:
        yield connection


def _same(connection: duckdb.DuckDBPyConnection) -> None:
    stale_allocation.place(connection)
    assert connection.execute("FROM model.stale_allocation").fetchall() == []
    assert connection.execute(_MODEL).fetchall() == connection.execute(_MART).fetchall()


def _call(day: date, project: int, cost_usd: str) -> Spent:
    return Spent(day, 1, project, 0, 0, "gpt-4o", (), 1, Decimal(cost_usd))


@pytest.mark.parametrize("examples", [4, pytest.param(400, marks=pytest.mark.soak)])
def test_what_is_made_is_what_the_mart_says(connection: duckdb.DuckDBPyConnection, examples: int) -> None:
    """For any rules and rows, after days that came late, after another name, and after other rules."""

    @settings(max_examples=examples, deadline=None, database=None)
    @given(all_calls, all_bills, all_rules, all_calls, all_rules)
    def holds(calls: list[Spent], bills: list[Billed], first: list[Rule], late: list[Spent], then: list[Rule]) -> None:
        connection.execute("UPDATE model.project SET label = ? WHERE project_no = 1", [NAMES["project"][0]])
        fill(connection, calls, bills, first)
        stale_allocation.mark(connection, None)
        if first:
            _same(connection)
        used(connection, late)
        stale_allocation.mark(connection, {call.day for call in late})
        connection.execute("UPDATE model.project SET label = 'site' WHERE project_no = 1")
        stale_allocation.mark_named(connection, "project", [1])
        if first:
            _same(connection)
        ruled(connection, then)
        stale_allocation.mark(connection, None)
        if then:
            _same(connection)
        else:
            assert stale_allocation.place(connection) == 0
            assert connection.execute("FROM model.allocated_summary_daily").fetchall() == []

    holds()


def test_a_month_is_made_as_a_whole_where_its_use_shares_it(connection: duckdb.DuckDBPyConnection) -> None:
    """A late call of one day moves what another day's shared spend is split by; another month is left as it is."""
    connection.execute("UPDATE model.project SET label = ? WHERE project_no = 1", [NAMES["project"][0]])
    ops = made({"name": "ops", "model": "gpt-5", "cost_centre": "ops"}, "here")
    calls = [_call(DAYS[0], 1, "1"), _call(DAYS[0], 2, "6"), _call(DAYS[3], 1, "4")]
    fill(connection, calls, [], [made(_WEB, "here"), made(_REST, "here"), ops])
    stale_allocation.mark(connection, None)
    _same(connection)
    of_first = f"SELECT cost_centre, cost_usd FROM model.allocated_summary_daily WHERE day = '{DAYS[0]}' ORDER BY ALL"
    assert connection.execute(of_first).fetchall() == [("shop", Decimal(1)), ("shop", Decimal(6))]
    used(connection, [Spent(DAYS[1], 1, 0, 0, 0, "gpt-5", (), 1, Decimal(2))])
    stale_allocation.mark(connection, [DAYS[1]])
    connection.execute("UPDATE model.allocated_summary_daily SET requests = 77 WHERE day > '2026-09-30'")
    assert stale_allocation.place(connection) == 1
    assert connection.execute(of_first).fetchall() == [
        ("ops", Decimal("3.999999999996")),
        ("shop", Decimal(1)),
        ("shop", Decimal("2.000000000004")),
    ]
    october = "SELECT requests FROM model.allocated_summary_daily WHERE day > '2026-09-30'"
    assert connection.execute(october).fetchall() == [(77,)]


def test_without_rules_nothing_is_made(connection: duckdb.DuckDBPyConnection) -> None:
    """Neither a mark nor a row; and the last rule that goes takes what was made along."""
    fill(connection, [_call(DAYS[0], 1, "1")], [], [made(_WEB, "here")])
    stale_allocation.mark(connection, None)
    _same(connection)
    ruled(connection, [])
    stale_allocation.mark(connection, None)
    assert stale_allocation.place(connection) == 0
    for name in ("allocated_summary_daily", "stale_allocation"):
        assert connection.execute(f"FROM model.{name}").fetchall() == []
