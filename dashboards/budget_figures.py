"""mart.spend_daily -> how far budgets are used this month, and where they end if days go on as they went.

Which budgets there are, is the control store's to say: it is read anew each time, and what is asked of a version holds
it whole, so that no remembered answer outlives a changed budget.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.viewer import Viewer
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
    return [
        _use(connection, viewer, asked.today, one, usage.spent_usd, usage.unpriced_requests)
        for one, usage in zip(listed, found, strict=True)
    ]


def _use(
    connection: DuckDBPyConnection, viewer: Viewer, today: date, listed: Listed, spent_usd: Decimal, unpriced: int
) -> Use:
    by_day, dearest = _days(connection, viewer, today, listed.scope)
    unpriced_high = _times(dearest, unpriced)
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


def _days(
    connection: DuckDBPyConnection, viewer: Viewer, today: date, scope: Scope
) -> tuple[dict[date, Decimal], Decimal]:
    """Cost by day of the last four weeks and today, and what a call to the dearest model costs on average."""
    allowed, values = viewer.condition()
    of_project = "" if scope.project is None else "AND project = ?"
    rows = connection.execute(
        f"""SELECT day, model, sum(cost_usd), coalesce(sum(requests - unpriced_requests), 0)::BIGINT
            FROM mart.spend_daily
            WHERE day BETWEEN ? AND ? AND account = ? {of_project} AND {allowed} GROUP BY day, model""",
        [
            today - timedelta(days=_WEEKS * _WEEK),
            today,
            scope.account,
            *([] if scope.project is None else [scope.project]),
            *values,
        ],
    ).fetchall()
    by_day: dict[date, Decimal] = {}
    by_model: dict[str, tuple[Decimal, int]] = {}
    for day, model, cost, priced in rows:
        by_day[day] = by_day.get(day, Decimal(0)) + (cost or Decimal(0))
        if model is not None:
            known, calls = by_model.get(model, (Decimal(0), 0))
            by_model[model] = (known + (cost or Decimal(0)), calls + priced)
    averages = [money.CONTEXT.divide(cost, Decimal(calls)) for cost, calls in by_model.values() if calls]
    return by_day, max(averages, default=Decimal(0))


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
