"""How far a budget is used and where the month ends: exact sums, and a range whose ends can be reckoned by hand."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from dashboards.figures import budget_figures
from dashboards.figures.budget_figures import Asked, Listed
from dashboards.figures.viewer import Viewer
from tests.pipelines.spend_version import known, limited
from warehouse import database
from warehouse.control import outbox
from warehouse.control.budget import Budget, Scope
from warehouse.control.outbox import Usage
from warehouse.home import Home

TODAY = date(2026, 11, 22)
SET = datetime(2026, 11, 1)  # noqa: DTZ001 (naive moments are UTC here)


def _listed(monthly: str = "100", project: str | None = None, account: str = "acme") -> Listed:
    number = None if project is None else 7
    budget = Budget(1, 1, 1, number, Decimal(monthly), (50, 80), SET)
    return Listed(budget, Scope(1, number, account, project))


@pytest.fixture
def spent() -> Iterator[DuckDBPyConnection]:
    """A version's tables, with no spend yet."""
    with duckdb.connect() as connection:
        connection.execute(
            """CREATE SCHEMA mart; CREATE SCHEMA model;
               CREATE TABLE mart.spend_summary_daily (day DATE, account VARCHAR, project VARCHAR, provider VARCHAR,
                   model VARCHAR, basis VARCHAR, requests BIGINT, unpriced_requests BIGINT, cost_usd DECIMAL(38,12));
               CREATE TABLE mart.published (version BIGINT, as_of TIMESTAMP, home VARCHAR);
               INSERT INTO mart.published VALUES (1, now()::TIMESTAMP, 'own');
               CREATE TABLE model.account (account_no BIGINT, label VARCHAR, valid_to TIMESTAMP);
               INSERT INTO model.account VALUES (1, 'acme', NULL);
               CREATE TABLE model.project (project_no BIGINT, label VARCHAR, valid_to TIMESTAMP);
               INSERT INTO model.project VALUES (7, 'web', NULL)"""
        )
        yield connection


def _spend(
    connection: DuckDBPyConnection, days_ago: int, cost: str | None, *, project: str = "web", requests: int = 10
) -> None:
    connection.execute(
        "INSERT INTO mart.spend_summary_daily VALUES (?, 'acme', ?, 'openai', 'gpt', 'log', ?, ?, ?)",
        [
            TODAY - timedelta(days=days_ago),
            project,
            requests,
            requests if cost is None else 0,
            None if cost is None else Decimal(cost),
        ],
    )


def _use(connection: DuckDBPyConnection, listed: Listed, looks: Viewer | None = None) -> budget_figures.Use:
    (use,) = budget_figures.uses(connection, looks or Viewer(), Asked(TODAY, (listed,)))
    return use


def test_the_month_ends_between_the_quietest_and_the_busiest_weeks_pace(spent: DuckDBPyConnection) -> None:
    """A dollar a day in three weeks, three in one: 21 days until yesterday and nine to come at 1 and at 3."""
    for days_ago in range(1, 29):
        _spend(spent, days_ago, "3" if 8 <= days_ago <= 14 else "1")
    _spend(spent, 0, "0.25")
    use = _use(spent, _listed())
    until_yesterday = Decimal(14 + 21)
    assert use.spent_usd == until_yesterday + Decimal("0.25")
    assert (use.low_usd, use.high_usd) == (until_yesterday + 9, until_yesterday + 27)


def test_calls_without_a_price_widen_the_range_alone(spent: DuckDBPyConnection) -> None:
    """The sum is of what is priced; at most, each costs what a call to the dearest model does on average."""
    for days_ago in range(1, 29):
        _spend(spent, days_ago, "1", requests=10)
    _spend(spent, 2, None, requests=11)
    use = _use(spent, _listed())
    assert (use.spent_usd, use.unpriced_requests) == (Decimal(21), 11)
    assert use.unpriced_high_usd == Decimal("0.1") * 11
    assert use.low_usd == 30
    assert use.high_usd == 30 + Decimal("1.1") * 30 / 22


def test_what_is_spent_already_is_the_least_it_can_be(spent: DuckDBPyConnection) -> None:
    """Today took more than any week's pace says: the range begins at what is spent."""
    for days_ago in range(1, 29):
        _spend(spent, days_ago, "0.01")
    _spend(spent, 0, "500")
    use = _use(spent, _listed())
    assert use.low_usd == use.spent_usd == Decimal("500.21")


def test_no_end_is_told_before_a_whole_day_is_known(spent: DuckDBPyConnection) -> None:
    """The first day says nothing of the next; three days are a pace."""
    _spend(spent, 0, "5")
    assert _use(spent, _listed()).low_usd is None
    for days_ago in (1, 2, 3):
        _spend(spent, days_ago, "2")
    use = _use(spent, _listed())
    assert use.low_usd == use.high_usd == 6 + 2 * 9


def test_a_project_has_its_own_spend_and_nobody_elses_budget_is_told(spent: DuckDBPyConnection) -> None:
    """Another project's money is in the account's budget alone; whoever may not see a scope is told nothing of it."""
    for days_ago in range(1, 9):
        _spend(spent, days_ago, "1")
        _spend(spent, days_ago, "5", project="search")
    assert _use(spent, _listed(project="web")).spent_usd == 8
    assert _use(spent, _listed()).spent_usd == 48
    limited_to_search = Viewer(("acme",), (), ("search",))
    for looks in (Viewer(("beta",)), Viewer(None, ("acme",)), limited_to_search):
        assert budget_figures.uses(spent, looks, Asked(TODAY, (_listed(project="web"),))) == []
    assert budget_figures.uses(spent, limited_to_search, Asked(TODAY, (_listed(),))) == []


def test_past_alerts_are_told_with_their_mail(home: Home, master_key: str) -> None:
    """Which share, how much, when, and that the mail waits; budgets of others are not listed."""
    assert master_key
    known(home, SET, "web")
    budget = limited(home, SET, "web")
    reached = datetime(2026, 11, 9, 12)  # noqa: DTZ001 (UTC)
    with database.control(home) as control:
        outbox.enqueue(control, [Usage(budget, date(2026, 11, 1), Decimal(85), 0, 1)], reached)
    (listed,) = budget_figures.visible(home, Viewer(("acme",)))
    told = budget_figures.told(home, listed)
    assert [(one.threshold_percent, one.spent_usd, one.crossed_at, one.state) for one in told] == [
        (80, Decimal(85), reached, "queued"),
        (50, Decimal(85), reached, "queued"),
    ]
    assert budget_figures.visible(home, Viewer(("beta",))) == ()
    assert budget_figures.visible(home, Viewer(("acme",), (), ("search",))) == ()
