"""mart.spend_summary_daily -> how far budgets are used this month, and where they end if days go on as they went.

Which budgets there are, is the control store's to say: it is read anew each time, and what is asked of a version holds
it whole, so that no remembered answer outlives a changed budget.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import budget_use, database, money
from warehouse.control import budget as budgets
from warehouse.control.budget import Budget, Scope
from warehouse.home import Home

_WEEKS = 4
_WEEK = 7


class Told(NamedTuple):
    """A mail that a budget gave rise to: which month, the share reached, what was spent, when (UTC), how it went."""

    period_start: date
    threshold_percent: int
    spent_usd: Decimal
    crossed_at: datetime
    state: str


@dataclass(frozen=True)
class Listed:
    """A budget in force with the names of its scope."""

    budget: Budget
    scope: Scope


@dataclass(frozen=True)
class Asked:
    """The budgets asked about, and the UTC day that is on."""

    today: date
    listed: tuple[Listed, ...]


class Use(NamedTuple):
    """How far a budget is used: priced spend, and what its unpriced calls may add at most.

    By the month's end from `low_usd` to `high_usd`; None while no whole day is known.
    """

    listed: Listed
    spent_usd: Decimal
    unpriced_requests: int
    unpriced_high_usd: Decimal
    low_usd: Decimal | None
    high_usd: Decimal | None


def visible(home: Home, viewer: Viewer) -> tuple[Listed, ...]:
    """The budgets in force that a viewer may see: of their accounts, and of their projects where they are limited."""
    with database.control(home) as control:
        found = [Listed(one, budgets.scope_of(control, one)) for one in budgets.current(control)]
    return tuple(one for one in found if viewer.sees(one.scope.account, one.scope.project))


def told(home: Home, listed: Listed) -> list[Told]:
    """What was told of a budget, under each of its versions, the newest first."""
    with database.control(home) as control:
        rows = control.execute(
            """SELECT period_start_utc, threshold_percent, spent_usd, crossed_at, state
               FROM alert JOIN mail ON mail.mail_no = alert.mail_no WHERE budget_no = ?
               ORDER BY crossed_at DESC, threshold_percent DESC LIMIT 50""",
            (listed.budget.budget_no,),
        ).fetchall()
    return [
        Told(date.fromisoformat(start), percent, money.usd(spent), database.moment(crossed), state)
        for start, percent, spent, crossed, state in rows
    ]


def uses(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> list[Use]:
    """How far each budget is used, in the order asked; those that are not the viewer's to see are left out."""
    listed = [one for one in asked.listed if viewer.sees(one.scope.account, one.scope.project)]
    start, _ = budgets.month(asked.today)
    found = budget_use.usages(connection, [one.budget for one in listed], start)
    known = _known(connection, viewer, asked.today, listed)
    return [
        _use(asked.today, one, usage.spent_usd, usage.unpriced_requests, known[one.scope.account, one.scope.project])
        for one, usage in zip(listed, found, strict=True)
    ]


@dataclass
class _Known:
    """Of a scope: cost by day of the last four weeks and today, and cost and priced calls by model."""

    by_day: dict[date, Decimal] = field(default_factory=dict)
    by_model: dict[str, tuple[Decimal, int]] = field(default_factory=dict)

    @property
    def dearest_usd(self) -> Decimal:
        """What a call to the dearest model costs on average."""
        averages = [money.CONTEXT.divide(cost, Decimal(calls)) for cost, calls in self.by_model.values() if calls]
        return max(averages, default=Decimal(0))


def _use(today: date, listed: Listed, spent_usd: Decimal, unpriced: int, known: _Known) -> Use:
    by_day, unpriced_high = known.by_day, _times(known.dearest_usd, unpriced)
    start = today.replace(day=1)
    whole = monthrange(today.year, today.month)[1]
    paces = _paces(by_day, today)
    if not paces:
        return Use(listed, spent_usd, unpriced, unpriced_high, None, None)
    until_yesterday = spent_usd - by_day.get(today, Decimal(0))
    left = whole - today.day + 1
    low, high = (until_yesterday + _times(pace, left) for pace in (min(paces), max(paces)))
    # What has no price comes on as it came so far.
    more = money.CONTEXT.divide(_times(unpriced_high, whole), Decimal((today - start).days + 1))
    return Use(listed, spent_usd, unpriced, unpriced_high, max(low, spent_usd), max(high, spent_usd) + more)


def _known(
    connection: DuckDBPyConnection, viewer: Viewer, today: date, listed: list[Listed]
) -> dict[tuple[str, str | None], _Known]:
    """What is known of each scope, in one pass over the mart."""
    found = {(one.scope.account, project): _Known() for one in listed for project in {None, one.scope.project}}
    allowed, values = viewer.condition()
    rows = connection.execute(
        f"""SELECT account, project, day, model, sum(cost_usd),
                coalesce(sum(requests - unpriced_requests), 0)::BIGINT
            FROM mart.spend_summary_daily
            WHERE day BETWEEN ? AND ? AND list_contains(?::VARCHAR[], account) AND {allowed}
            GROUP BY GROUPING SETS ((account, project, day), (account, project, model))""",
        [today - timedelta(days=_WEEKS * _WEEK), today, sorted({one.scope.account for one in listed}), *values],
    ).fetchall()
    for account, project, day, model, cost, priced in rows:
        for scope in {(account, project), (account, None)} & found.keys():
            known = found[scope]
            if day is not None:
                known.by_day[day] = known.by_day.get(day, Decimal(0)) + (cost or Decimal(0))
            elif model is not None:
                before, calls = known.by_model.get(model, (Decimal(0), 0))
                known.by_model[model] = (before + (cost or Decimal(0)), calls + priced)
    return found


def _paces(by_day: dict[date, Decimal], today: date) -> list[Decimal]:
    """What a day cost in each of the last four weeks that is known whole; of what is known while no week is."""
    past = [day for day in by_day if day < today]
    if not past:
        return []
    first = min(past)
    paces = []
    for week in range(_WEEKS):
        days = [today - timedelta(days=week * _WEEK + back) for back in range(1, _WEEK + 1)]
        if days[-1] >= first:
            paces.append(_mean([by_day.get(day, Decimal(0)) for day in days]))
    return paces or [_mean([by_day.get(first + timedelta(days=n), Decimal(0)) for n in range((today - first).days)])]


def _mean(amounts: list[Decimal]) -> Decimal:
    return money.CONTEXT.divide(sum(amounts, Decimal(0)), Decimal(len(amounts)))


def _times(amount: Decimal, count: int) -> Decimal:
    return money.CONTEXT.multiply(amount, Decimal(count))
