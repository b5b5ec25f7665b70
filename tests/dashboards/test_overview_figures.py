"""What AI costs at a glance equals what an independent sum in Python says."""

from datetime import date
from decimal import Decimal

from duckdb import DuckDBPyConnection

from dashboards.figures import overview_figures
from dashboards.figures.overview_figures import DailySpend
from dashboards.figures.viewer import Viewer
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from warehouse import database
from warehouse.home import Home

TODAY = UNTIL.date()


def _cost(connection: DuckDBPyConnection, start: date, end: date) -> Decimal:
    rows = connection.execute("SELECT day, cost_usd FROM mart.spend_daily").fetchall()
    return sum((cost for day, cost in rows if start <= day <= end and cost), Decimal(0))


def test_the_month_is_compared_with_the_same_days(connection: DuckDBPyConnection) -> None:
    """October 12 stands against September 1 to 12, to the last decimal place."""
    month = overview_figures.month_to(connection, Viewer(), date(2026, 10, 12))
    assert month.so_far.cost_usd == _cost(connection, date(2026, 10, 1), date(2026, 10, 12))
    assert month.before.cost_usd == _cost(connection, date(2026, 9, 1), date(2026, 9, 12))
    assert month.before_whole_usd == _cost(connection, date(2026, 9, 1), date(2026, 9, 30))


def test_the_last_day_of_a_long_month_stands_against_a_whole_short_one(connection: DuckDBPyConnection) -> None:
    """October has a 31st and September has none: the comparison ends with September."""
    month = overview_figures.month_to(connection, Viewer(), TODAY)
    assert month.before_today == date(2026, 9, 30)
    assert month.before.cost_usd == month.before_whole_usd > 0


def test_january_stands_against_december(connection: DuckDBPyConnection) -> None:
    """The month before January is in the year before; months without a row are 0, not missing."""
    month = overview_figures.month_to(connection, Viewer(), date(2027, 1, 15))
    assert (month.before_start, month.before_today) == (date(2026, 12, 1), date(2026, 12, 15))
    assert month.so_far.cost_usd == month.before.cost_usd == 0


def test_a_month_before_that_began_late_is_no_comparison(connection: DuckDBPyConnection) -> None:
    """The first call is of August 17: it says since when for September, and nothing is amiss for October."""
    assert overview_figures.month_to(connection, Viewer(), date(2026, 9, 12)).first_day == date(2026, 8, 17)
    assert overview_figures.month_to(connection, Viewer(), date(2026, 8, 30)).first_day == date(2026, 8, 17)
    assert overview_figures.month_to(connection, Viewer(), date(2026, 10, 12)).first_day is None


def test_a_month_that_begins_with_a_quiet_day_is_compared(home: Home) -> None:
    """A call long before covers the days compared, also where their first has none."""
    gap = "DELETE FROM mart.spend_daily WHERE day BETWEEN '2026-08-25' AND '2026-09-04'"
    made_version.publish(home, 1, UNTIL, extra=gap)
    with database.published(home) as connection:
        month = overview_figures.month_to(connection, Viewer(), TODAY)
    assert month.first_day is None
    assert month.before.cost_usd > 0


def test_an_account_that_began_late_is_not_compared(home: Home) -> None:
    """What other accounts did before is not its own past."""
    made_version.publish(
        home, 1, UNTIL, extra="DELETE FROM mart.spend_daily WHERE account = 'Beta GmbH' AND day < '2026-09-21'"
    )
    with database.published(home) as connection:
        assert overview_figures.month_to(connection, Viewer(("Beta GmbH",)), TODAY).first_day == date(2026, 9, 21)
        assert overview_figures.month_to(connection, Viewer(), TODAY).first_day is None


def test_what_may_still_change_is_told_apart(connection: DuckDBPyConnection) -> None:
    """The provisional part is what the last days' rows cost."""
    month = overview_figures.month_to(connection, Viewer(), TODAY)
    assert month.so_far.provisional_usd == _cost(connection, date(2026, 10, 28), TODAY) > 0


def test_each_list_of_shares_adds_up_to_the_month(connection: DuckDBPyConnection) -> None:
    """Providers, models and projects are three ways to cut one amount."""
    whole = overview_figures.month_to(connection, Viewer(), TODAY).so_far.cost_usd
    rows = overview_figures.shares(connection, Viewer(), TODAY)
    for dimension in ("provider", "model", "project"):
        assert sum(row.cost_usd for row in rows if row.dimension == dimension) == whole


def test_days_drawn_add_up_to_the_days_asked(connection: DuckDBPyConnection) -> None:
    """The chart leaves nothing out, whatever it tells apart."""
    for dimension in overview_figures.DIMENSIONS:
        asked = DailySpend(TODAY, 60, dimension)
        drawn = overview_figures.spend_by_day(connection, Viewer(), asked)
        assert sum(row.cost_usd for row in drawn) == _cost(connection, asked.start, TODAY)


def test_a_percentile_is_the_first_bucket_that_reaches_it(connection: DuckDBPyConnection) -> None:
    """Against sorting every single call by hand."""
    asked = DailySpend(TODAY, 7, "provider")
    whole, *days = overview_figures.latency(connection, Viewer(), asked)
    buckets = connection.execute(
        "SELECT bucket_ms, requests FROM mart.latency_daily WHERE day BETWEEN ? AND ? ORDER BY bucket_ms",
        [asked.start, TODAY],
    ).fetchall()
    calls = [bucket for bucket, requests in buckets for _ in range(requests)]
    expected = [calls[-(-len(calls) * percent // 100) - 1] for percent in (50, 95, 99)]
    assert [whole.p50_ms, whole.p95_ms, whole.p99_ms] == expected
    assert whole.day is None
    assert [row.day for row in days] == sorted({row.day for row in days if row.day})


def test_unpriced_models_are_named(connection: DuckDBPyConnection) -> None:
    """The count on the page is the sum of the models it names."""
    rows = overview_figures.unpriced(connection, Viewer(), TODAY)
    month = overview_figures.month_to(connection, Viewer(), TODAY)
    assert [(row.provider, row.model) for row in rows] == [("openrouter", "nova-preview")]
    assert sum(row.requests for row in rows) == month.so_far.unpriced_requests > 0


def test_an_account_sees_its_month_alone(connection: DuckDBPyConnection) -> None:
    """Two accounts' months add up to the operator's."""
    one, other, both = (
        overview_figures.month_to(connection, Viewer(account), TODAY).so_far.cost_usd
        for account in (("Acme",), ("Beta GmbH",), None)
    )
    assert one > 0 < other
    assert one + other == both
    assert {r.name for r in overview_figures.shares(connection, Viewer(("Beta GmbH",)), TODAY)}.isdisjoint(
        {"support-bot"}
    )
