"""Keys and projects: what each costs, when it was used last, what it is called and by whom."""

from datetime import timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from dashboards.figures import name_figures, rhythm_figures
from dashboards.figures.name_figures import Asked
from dashboards.figures.period import Period
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()
ASKED = Period(TODAY - timedelta(days=29), TODAY)


def test_the_sum_of_keys_is_the_spend_and_none_is_lost(connection: DuckDBPyConnection) -> None:
    """Every key of the mart, those that nobody used, too; costs and changes add up."""
    rows = name_figures.rows(connection, Viewer(), Asked("key", ASKED)).to_pylist()
    sums = "SELECT sum(cost_usd) FROM mart.spend_daily WHERE day BETWEEN ? AND ?"
    ((now,),) = connection.execute(sums, [ASKED.start, TODAY]).fetchall()
    ((before,),) = connection.execute(sums, [ASKED.before_start, ASKED.before_end]).fetchall()
    assert sum((row["cost_usd"] or Decimal(0) for row in rows), Decimal(0)) == now
    assert sum((row["change_usd"] for row in rows), Decimal(0)) == now - before
    assert {row["label"] for row in rows} >= {"retired", "unborn", "laptop", made_version.FORMULA_KEY}


def test_what_nobody_used_is_found_with_its_last_day(connection: DuckDBPyConnection) -> None:
    """One that rested for a hundred days, and one that was never used."""
    rows = name_figures.rows(connection, Viewer(), Asked("key", ASKED, unused=True)).to_pylist()
    assert {(row["label"], row["idle_days"], row["requests"]) for row in rows} == {
        ("retired", 100, 0),
        ("unborn", None, 0),
    }


def test_a_name_holds_from_its_date(connection: DuckDBPyConnection) -> None:
    """Of last month's days the key has the name of then, and no owner yet."""

    def named(until: Period) -> tuple[str, str | None]:
        rows = name_figures.rows(connection, Viewer(), Asked("key", until)).to_pylist()
        (row,) = [row for row in rows if row["label"] == "prod-7f3a"]
        return row["name"], row["owner"]

    assert named(ASKED) == ("Checkout", "payments")
    assert named(Period(ASKED.start - timedelta(days=30), TODAY - timedelta(days=30))) == ("Shop", None)
    history = name_figures.history(connection, Viewer(), ("key", "prod-7f3a"))
    assert [one.name for one in history] == ["prod-7f3a", "Shop", "Checkout"]
    assert history[0].since is None


def test_a_search_finds_people_and_tags_too(connection: DuckDBPyConnection) -> None:
    """By owner, by tag, by what it is called here."""
    for text in ("PAYMENTS", "eu", "checkout"):
        rows = name_figures.rows(connection, Viewer(), Asked("key", Period(ASKED.start, TODAY, text)))
        assert "prod-7f3a" in rows["label"].to_pylist()
        assert rows.num_rows < 3


def test_a_viewer_of_one_project_sees_it_and_its_keys(connection: DuckDBPyConnection) -> None:
    """No other project, no key that was never used in it, no name of either."""
    mine = Viewer(("Acme",), (), ("search",))
    projects = name_figures.rows(connection, mine, Asked("project", ASKED)).to_pylist()
    assert [row["label"] for row in projects] == ["search"]
    keys = name_figures.rows(connection, mine, Asked("key", ASKED)).to_pylist()
    assert {row["label"] for row in keys} == {"prod-91bc", "retired"}
    assert name_figures.history(connection, mine, ("key", "prod-7f3a")) == []


def test_a_weeks_hours_are_the_spend_of_four_weeks(connection: DuckDBPyConnection) -> None:
    """168 hours at most; four times their sum is what four whole weeks cost."""
    hours = rhythm_figures.week(connection, Viewer(), TODAY)
    query = "SELECT sum(cost_usd) FROM mart.spend_hourly WHERE hour >= ? AND hour < ?"
    ((whole,),) = connection.execute(query, [TODAY - timedelta(weeks=4), TODAY]).fetchall()
    assert len({(one.weekday, one.hour) for one in hours}) == len(hours) <= 168
    assert abs(sum(one.cost_usd for one in hours) * 4 - whole) < Decimal("1e-15")
    monday = [one for one in hours if one.weekday == 1]
    sunday = [one for one in hours if one.weekday == 7]
    assert sum(one.cost_usd for one in monday) > sum(one.cost_usd for one in sunday)


def test_what_moved_is_the_difference_of_two_months_of_days(connection: DuckDBPyConnection) -> None:
    """Three of each dimension at most, by how much they moved."""
    movers = rhythm_figures.movers(connection, Viewer(), TODAY)
    query = """SELECT coalesce(sum(cost_usd) FILTER (day >= $start), 0),
                 coalesce(sum(cost_usd) FILTER (day < $start), 0)
               FROM mart.spend_daily WHERE day BETWEEN $first AND $last AND provider = $name"""
    for one in movers:
        if one.dimension == "provider":
            bound = {"start": TODAY - timedelta(days=30), "first": TODAY - timedelta(days=60)}
            bound |= {"last": TODAY - timedelta(days=1)}
            assert connection.execute(query, {**bound, "name": one.name}).fetchall() == [(one.cost_usd, one.before_usd)]
    assert {one.dimension for one in movers} == {"provider", "model", "project"}
    assert all(sum(one.dimension == name for one in movers) <= 3 for name in ("provider", "model", "project"))
