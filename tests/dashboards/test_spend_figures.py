"""Spend as asked equals what an independent sum in Python says."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import spend_figures
from dashboards.figures.spend_filter import DIMENSIONS, Grain, SpendFilter
from dashboards.figures.viewer import Viewer
from dashboards.theme import OTHER
from tests.dashboards.conftest import UNTIL
from warehouse import database
from warehouse.home import Home

TODAY = UNTIL.date()
ALL = SpendFilter(TODAY - timedelta(days=90), TODAY, group_by=())


def _rows(connection: DuckDBPyConnection) -> list[tuple[date, str, str | None, Decimal | None, int]]:
    return connection.execute("SELECT day, provider, project, cost_usd, requests FROM mart.spend_daily").fetchall()


@pytest.mark.parametrize("grain", ["day", "hour", "total"])
def test_every_grain_adds_up_to_the_same_cent(connection: DuckDBPyConnection, grain: Grain) -> None:
    """Days, hours and the whole range are one amount, to the last decimal place."""
    asked = replace(SpendFilter.default(TODAY), grain=grain)
    expected = sum((cost for day, _, _, cost, _ in _rows(connection) if day >= asked.start and cost), Decimal(0))
    totals = spend_figures.totals(connection, Viewer(), asked)
    table = spend_figures.rows(connection, Viewer(), asked)
    drawn = spend_figures.series(connection, Viewer(), asked)
    assert totals.cost_usd == expected
    assert sum(cost for cost in table["cost_usd"].to_pylist() if cost) == expected
    assert sum(row.cost_usd for row in drawn) == expected
    assert str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"


@pytest.mark.parametrize("grain", ["day", "hour", "total"])
@pytest.mark.parametrize("groups", [(), ("provider",), ("key", "model")])
def test_a_view_is_its_parts(made: Home, grain: Grain, groups: tuple[str, ...]) -> None:
    """What the page asks at once is what each question answers by itself, for the viewer and the filter."""
    asked = replace(SpendFilter.default(TODAY), grain=grain, group_by=groups, chosen={"provider": ("openai", "google")})
    looks = Viewer(("Acme",))
    with database.published(made) as connection:
        view = spend_figures.view(connection, looks, asked)
        assert view.totals == spend_figures.totals(connection, looks, asked)
        assert view.series == spend_figures.series(connection, looks, asked)
        whole = spend_figures.rows(connection, looks, asked)
        assert view.table == whole.slice(0, spend_figures.SHOWN_ROWS)
        assert view.has_more == (whole.num_rows > spend_figures.SHOWN_ROWS)


def test_groups_are_those_of_the_rows(connection: DuckDBPyConnection) -> None:
    """Per provider and project, what has no project included."""
    expected: dict[tuple[str, str | None], int] = defaultdict(int)
    for _, provider, project, _, requests in _rows(connection):
        expected[provider, project] += requests
    table = spend_figures.rows(
        connection, Viewer(), replace(ALL, grain="total", group_by=("provider", "project"))
    ).to_pylist()
    assert {(row["provider"], row["project"]): row["requests"] for row in table} == expected


def test_an_unpriced_group_costs_nothing_that_is_known(connection: DuckDBPyConnection) -> None:
    """Where no price is known the cost is NULL, never 0, and the calls are counted."""
    asked = replace(ALL, grain="total", group_by=("model",), chosen={"provider": ("openrouter",)})
    (row,) = spend_figures.rows(connection, Viewer(), asked).to_pylist()
    assert row["cost_usd"] is None
    assert row["unpriced_requests"] == row["requests"] > 0
    assert spend_figures.series(connection, Viewer(), asked) == []


def test_what_is_not_named_can_be_chosen(connection: DuckDBPyConnection) -> None:
    """Rows without a project have a choice of their own."""
    expected = sum(requests for _, _, project, _, requests in _rows(connection) if project is None)
    asked = replace(ALL, chosen={"project": ("",)})
    assert spend_figures.totals(connection, Viewer(), asked).requests == expected
    assert "" in spend_figures.names(connection, Viewer(), (ALL.start, TODAY))["project"]


def test_search_finds_part_of_any_name_as_it_is_written(connection: DuckDBPyConnection) -> None:
    """Words are looked for in every name, whatever their case; % and _ are only characters."""
    expected = sum(requests for _, provider, _, _, requests in _rows(connection) if provider == "anthropic")
    assert spend_figures.totals(connection, Viewer(), replace(ALL, search="OPUS")).requests > 0
    assert spend_figures.totals(connection, Viewer(), replace(ALL, search="Anthropic")).requests == expected
    assert spend_figures.totals(connection, Viewer(), replace(ALL, search="a%c")).requests == 0


def test_the_tail_of_a_chart_is_one_series(connection: DuckDBPyConnection) -> None:
    """Nine models make seven series and "Other"."""
    drawn = spend_figures.series(connection, Viewer(), replace(ALL, group_by=("model",)))
    names = list(dict.fromkeys(row.name for row in drawn))
    assert len(names) == 8
    assert names[-1] == OTHER


def test_an_account_sees_its_rows_alone(connection: DuckDBPyConnection) -> None:
    """Totals, table, series and names of one account hold nothing of another."""
    viewer, asked = Viewer(("Beta GmbH",)), replace(ALL, group_by=("account",))
    expected = connection.execute("SELECT sum(requests) FROM mart.spend_daily WHERE account = 'Beta GmbH'").fetchone()
    assert (spend_figures.totals(connection, viewer, asked).requests,) == expected
    assert set(spend_figures.rows(connection, viewer, asked)["account"].to_pylist()) == {"Beta GmbH"}
    assert {row.name for row in spend_figures.series(connection, viewer, asked)} == {"Beta GmbH"}
    names = spend_figures.names(connection, viewer, (ALL.start, TODAY))
    assert names["account"] == ["Beta GmbH"]
    assert set(names) == set(DIMENSIONS)
