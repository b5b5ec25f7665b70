"""What the page of changes shows equals what the marts say, for the viewer and since the date asked for."""

from datetime import timedelta
from decimal import Decimal

import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import change_figures
from dashboards.figures.change_figures import Asked
from dashboards.figures.viewer import Viewer
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()
ALL = Asked(TODAY - timedelta(days=7))


def test_each_kind_of_figure_is_told_by_itself(connection: DuckDBPyConnection) -> None:
    """Bills and logs tell of the same money and are never added; a day told first did not move."""
    bill, log = change_figures.moved(connection, Viewer(), ALL)
    assert (bill.basis, bill.days, bill.up_usd, bill.down_usd) == ("bill", 5, Decimal("12.5"), Decimal("-6.25"))
    assert (log.basis, log.moved_usd) == ("log", Decimal("3.75"))
    with_first = change_figures.moved(connection, Viewer(), Asked(ALL.since, with_first=True))
    assert with_first[0].moved_usd == bill.moved_usd + 5 * 7


def test_the_chart_and_the_table_add_up_to_the_head(connection: DuckDBPyConnection) -> None:
    """Of one kind of figure, all that moved."""
    asked = Asked(ALL.since, "bill")
    (head,) = change_figures.moved(connection, Viewer(), asked)
    assert sum(amount for *_, amount in change_figures.by_day(connection, Viewer(), asked)) == head.moved_usd
    table = change_figures.rows(connection, Viewer(), asked)
    assert str(table.schema.field("moved_usd").type) == "decimal128(38, 12)"
    assert sum(table["moved_usd"].to_pylist()) == head.moved_usd


def test_only_what_moved_since_is_told(connection: DuckDBPyConnection) -> None:
    """A later date, fewer days."""
    moved = change_figures.moved(connection, Viewer(), Asked(TODAY - timedelta(days=1)))
    assert {each.days for each in moved} == {2}


def test_an_account_sees_its_own_moves_and_windows(connection: DuckDBPyConnection) -> None:
    """Nothing of another account, nor how long another's sources take."""
    viewer = Viewer(("Beta GmbH",))
    assert set(change_figures.rows(connection, viewer, ALL)["provider"].to_pylist()) == {"anthropic"}
    assert {provider for _, _, provider, *_ in change_figures.windows(connection, viewer, None)} == {"anthropic"}
    assert len(change_figures.windows(connection, Viewer(), None)) == 3


@pytest.mark.parametrize(
    "query", [{}, {"since": ["2026-10-03"], "figure": ["log"]}, {"with": ["first"]}, {"figure": ["usage"]}]
)
def test_a_question_survives_the_url(query: dict[str, list[str]]) -> None:
    """What the page writes into the URL is what it reads from it."""
    asked = Asked.from_query(query, TODAY)
    assert Asked.from_query(asked.to_query(TODAY), TODAY) == asked


@pytest.mark.parametrize("query", [{"since": ["soon"]}, {"since": ["9999-12-31"], "figure": ["<b>"]}, {"with": ["x"]}])
def test_a_url_that_makes_no_sense_is_the_usual_question(query: dict[str, list[str]]) -> None:
    """No error, no date in the future, no figure that is none."""
    asked = Asked.from_query(query, TODAY)
    assert asked.since <= TODAY
    assert asked.basis is None
    assert not asked.with_first
