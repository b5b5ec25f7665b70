"""The filter in the URL: what people send each other, and what anyone may write there."""

from datetime import date

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import strategies as st

from dashboards.figures import spend_figures
from dashboards.figures.spend_filter import DIMENSIONS, GRAINS, HOURLY_DAYS, SpendFilter
from dashboards.figures.viewer import Viewer
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()
_days = st.dates(min_value=date(2026, 9, 1), max_value=TODAY)
_filters = st.builds(
    lambda days, **rest: SpendFilter(min(days), max(days), **rest).within_reach(),
    st.tuples(_days, _days),
    grain=st.sampled_from(GRAINS),
    group_by=st.lists(st.sampled_from(list(DIMENSIONS)), unique=True).map(tuple),
    chosen=st.dictionaries(
        st.sampled_from(list(DIMENSIONS)), st.lists(st.text(max_size=9), min_size=1, unique=True).map(tuple)
    ),
    search=st.text(max_size=20).map(str.strip),
)


@given(_filters)
def test_a_filter_comes_back_from_its_url(asked: SpendFilter) -> None:
    """What is written into the URL is read back whole, so that a view can be sent."""
    assert SpendFilter.from_query(asked.to_query(TODAY), TODAY) == asked


def test_the_usual_view_needs_no_parameters() -> None:
    """A plain address is the default, and the default writes a plain address."""
    assert SpendFilter.default(TODAY).to_query(TODAY) == {}
    assert SpendFilter.from_query({}, TODAY) == SpendFilter.default(TODAY)


@given(
    st.dictionaries(
        st.sampled_from(["from", "to", "grain", "by", "q", "nonsense", *DIMENSIONS]), st.lists(st.text(), max_size=4)
    )
)
def test_any_url_is_a_filter_in_order(query: dict[str, list[str]]) -> None:
    """Whatever a URL says, the days are in order and not ahead, and every column is one of ours."""
    asked = SpendFilter.from_query(query, TODAY)
    assert asked.start <= asked.end <= TODAY
    assert asked.grain in GRAINS
    assert set(asked.columns()) <= {"day", "hour", *DIMENSIONS.values()}


@pytest.mark.parametrize(
    "hostile",
    [
        {"by": ["model; DROP TABLE mart.spend_daily"]},
        {"by": ["cost_usd"]},
        {"grain": ["day UNION SELECT 1"]},
        {"from": ["2026-10-01' OR '1'='1"]},
        {"to": ["9999-99-99"]},
        {"from": ["0001-01-01"], "to": ["0001-01-01"]},
        {"q": ["%' OR 1=1 --"]},
        {"q": ["\x00"]},
        {"provider": ["') OR true --", "openai"]},
        {"model": ["x"] * 10_000},
        {"from": ["２０２６-10-01"]},  # noqa: RUF001 - digits of another script, which Python would take for digits
    ],
)
def test_a_hostile_url_is_answered_without_error(connection: DuckDBPyConnection, hostile: dict[str, list[str]]) -> None:
    """No value of a URL becomes SQL: every question of the page is answered, and the table is still there."""
    asked = SpendFilter.from_query(hostile, TODAY)
    for question in (spend_figures.view, spend_figures.totals, spend_figures.series, spend_figures.rows):
        question(connection, Viewer(), asked)
    assert connection.execute("SELECT count(*) FROM mart.spend_daily").fetchone() != (0,)


def test_names_that_no_row_has_are_left_out(connection: DuckDBPyConnection) -> None:
    """A stale link shows the rows there are, not an empty page."""
    asked = SpendFilter.from_query({"provider": ["openai", "gone"], "team": ["nobody"], "project": [""]}, TODAY)
    known = spend_figures.known(connection, Viewer(), asked)
    assert known.chosen == {"provider": ("openai",), "project": ("",)}
    assert spend_figures.known(connection, Viewer(("nobody",)), asked).chosen == {}


def test_hours_reach_back_a_month_at_most() -> None:
    """A year of hours would be more points than a chart has pixels."""
    asked = SpendFilter.from_query({"from": ["2025-01-01"], "grain": ["hour"]}, TODAY)
    assert (asked.end - asked.start).days + 1 == HOURLY_DAYS


def test_the_viewers_condition_is_part_of_every_filter() -> None:
    """An account sees its own rows whatever the URL chooses."""
    asked = SpendFilter.from_query({"account": ["Beta GmbH"]}, TODAY)
    condition, values = asked.condition(Viewer(("Acme",)))
    assert condition.startswith("list_contains(?::VARCHAR[], account) AND ")
    assert values[0] == ["Acme"]
