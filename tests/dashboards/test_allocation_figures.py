"""What the page of cost centres shows equals what the mart says, for the viewer and the range that are asked for."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import allocation_figures
from dashboards.figures.allocation_figures import Asked
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from warehouse.home import Home

TODAY = UNTIL.date()
ALL = Asked(TODAY - timedelta(days=29), TODAY)


def _spent(connection: DuckDBPyConnection, condition: str = "TRUE") -> Decimal:
    query = f"SELECT sum(cost_usd) FROM mart.spend_daily WHERE day BETWEEN ? AND ? AND {condition}"
    ((spent,),) = connection.execute(query, [ALL.start, ALL.end]).fetchall()
    assert isinstance(spent, Decimal)
    return spent


def test_cost_centres_and_days_add_up_to_the_spend(connection: DuckDBPyConnection) -> None:
    """Unallocated is first though it is not the dearest, and list, chart and table are the spend, each by itself."""
    found = allocation_figures.view(connection, Viewer(), ALL)
    assert found.has_rules
    assert found.centres[0].cost_centre == found.series[0][1] == found.table["cost_centre"][0].as_py() == "unallocated"
    assert found.centres[0].cost_usd < found.centres[1].cost_usd  # type: ignore[operator] # both are priced
    spent = _spent(connection)
    assert sum(row.cost_usd or 0 for row in found.centres) == spent
    assert sum(cost for _, _, cost in found.series) == spent
    file = allocation_figures.rows(connection, Viewer(), ALL)
    assert sum(cost for cost in file["cost_usd"].to_pylist() if cost) == spent
    assert str(file.schema.field("cost_usd").type) == "decimal128(38, 12)"


def test_what_is_split_is_told_apart(connection: DuckDBPyConnection) -> None:
    """Of a cost centre that takes half of a shared project all is split; of one that has its own, nothing is."""
    shared = {
        row.cost_centre: (row.cost_usd, row.shared_usd)
        for row in allocation_figures.view(connection, Viewer(), ALL).centres
    }
    assert shared["left"][0] == shared["left"][1] == _spent(connection, "project = 'search'") / 2
    assert shared["to support-bot"][1] == 0


def test_an_account_sees_its_own_cost_centres_alone(connection: DuckDBPyConnection) -> None:
    """List, chart, table, file and names hold nothing of another account."""
    viewer = Viewer(("Beta GmbH",))
    found = allocation_figures.view(connection, viewer, ALL)
    assert sum(row.cost_usd or 0 for row in found.centres) == _spent(connection, "account = 'Beta GmbH'")
    assert set(allocation_figures.rows(connection, viewer, ALL)["account"].to_pylist()) == {"Beta GmbH"}
    assert "left" not in allocation_figures.names(connection, viewer, None)


def test_without_rules_all_is_unallocated(tmp_path: Path) -> None:
    """List, chart and table are the spend, though nothing is made of it, and there is nothing to choose."""
    made = made_version.publish(Home(tmp_path / "home"), 1, UNTIL)
    with duckdb.connect(str(made)) as connection:
        connection.execute("DELETE FROM model.allocation_rule; DELETE FROM model.allocated_summary_daily")
        found = allocation_figures.view(connection, Viewer(), ALL)
        spent = _spent(connection)
        assert not found.has_rules
        assert [(row.cost_centre, row.cost_usd) for row in found.centres] == [("unallocated", spent)]
        assert sum(cost for _, _, cost in found.series) == spent
        assert sum(cost for cost in found.table["cost_usd"].to_pylist() if cost) == spent
        assert set(found.table["rule"].to_pylist()) == {None}
        assert allocation_figures.names(connection, Viewer(), None) == []


def test_a_cost_centre_can_be_chosen(connection: DuckDBPyConnection) -> None:
    """Others are left out, and names that stand for code are only names."""
    asked = Asked(ALL.start, ALL.end, ("left", "x'; DROP TABLE mart.allocated_daily; --"))
    assert [row.cost_centre for row in allocation_figures.view(connection, Viewer(), asked).centres] == ["left"]
    assert allocation_figures.names(connection, Viewer(), None)[0] == "unallocated"


@pytest.mark.parametrize(
    "query", [{}, {"from": ["2026-09-01"], "to": ["2026-09-30"], "centre": ["a", "b"]}, {"to": ["x"]}]
)
def test_a_question_survives_the_url(query: dict[str, list[str]]) -> None:
    """What the page writes into the URL is what it reads from it."""
    asked = Asked.from_query(query, TODAY)
    assert Asked.from_query(asked.to_query(TODAY), TODAY) == asked
