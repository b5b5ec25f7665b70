"""mart.spend_daily -> how far each budget is used, and the alerts that follow.

Asked anew of the newest version each time: a month begins at nothing because no day of it has spend yet.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from pipelines.errors import PipelineError
from warehouse import database, money
from warehouse.control import budget as budgets
from warehouse.control import objection, outbox, restriction
from warehouse.control.budget import Budget
from warehouse.control.outbox import Usage
from warehouse.home import Home

# A gateway's last calls of a month may be logged in the next.
LATE_DAYS = 3


def usages(connection: DuckDBPyConnection, listed: Sequence[Budget], period_start: date) -> list[Usage]:
    """The use of each budget in the month that begins on `period_start`, in the order given.

    What an amount is summed over is what the marts show under the name of today: `cost_usd` of the priced calls, and
    the number of those without a known price that are in no sum. Where an account's own bill holds the day, the bill
    pays for them and the account's sum is whole; a project's is not, since no bill says which project they were.
    """
    _, following = budgets.month(period_start)
    # Dates of our own stand in the SQL as they are: to bind a value DuckDB imports pandas, which takes half a second.
    rows = connection.execute(
        f"""
        WITH spend AS (
            SELECT day, account, project, provider, basis, cost_usd, unpriced_requests,
                bool_or(basis = 'bill') OVER (PARTITION BY day, account, provider) AS is_billed
            FROM mart.spend_daily WHERE day >= DATE '{period_start}' AND day < DATE '{following}'
        )
        SELECT account, project, coalesce(sum(cost_usd), 0), coalesce(sum(unpriced_requests), 0)::BIGINT,
            coalesce(sum(unpriced_requests) FILTER (NOT is_billed), 0)::BIGINT
        FROM spend GROUP BY account, project
        """
    ).fetchall()
    accounts = dict(connection.execute("SELECT account_no, label FROM model.account WHERE valid_to IS NULL").fetchall())
    projects = dict(connection.execute("SELECT project_no, label FROM model.project WHERE valid_to IS NULL").fetchall())
    published = connection.execute("SELECT version FROM mart.published").fetchone()
    if published is None:
        raise PipelineError("the published version does not say its number; run `apiledger run` once")
    by_project: dict[tuple[str | None, str | None], tuple[Decimal, int]] = {}
    by_account: dict[str | None, tuple[Decimal, int]] = {}
    for account, project, spent_usd, unpriced, in_no_bill in rows:
        by_project[account, project] = (spent_usd, unpriced)
        so_far, calls = by_account.get(account, (Decimal(0), 0))
        by_account[account] = (money.CONTEXT.add(so_far, spent_usd), calls + in_no_bill)
    nothing = (Decimal(0), 0)
    found = []
    for budget in listed:
        # A number the version has no name for has no spend in it either.
        account = accounts.get(budget.account_no)
        if account is None:
            spent_usd, unpriced = nothing
        elif budget.project_no is None:
            spent_usd, unpriced = by_account.get(account, nothing)
        else:
            project = projects.get(budget.project_no)
            spent_usd, unpriced = nothing if project is None else by_project.get((account, project), nothing)
        found.append(Usage(budget, period_start, spent_usd, unpriced, published[0]))
    return found


def evaluate(home: Home, now: datetime) -> int:
    """Ask the newest version how far every budget is used, and queue a mail for what was newly reached; how many.

    `now` is UTC. For the first days of a month the one before is asked, too, of budgets that were set by then.
    """
    with database.control(home) as control:
        unasked = restriction.numbers(control) | objection.numbers(control, "alerts")
        listed = [budget for budget in budgets.current(control) if budget.account_no not in unasked]
        if not listed:
            return 0
        found: list[Usage] = []
        with database.published(home) as connection:
            for period_start, concerned in _periods(listed, now):
                found.extend(usages(connection, concerned, period_start))
        return outbox.enqueue(control, [usage for usage in found if usage.budget.reached(usage.spent_usd)], now)


def _periods(listed: Sequence[Budget], now: datetime) -> Iterator[tuple[date, list[Budget]]]:
    today = now.date()
    start, _ = budgets.month(today)
    if today.day <= LATE_DAYS:
        before, _ = budgets.month(start - timedelta(days=1))
        yield before, [budget for budget in listed if budget.set_at.date() < start]
    yield start, list(listed)


def told(usage: Usage) -> str:
    """Tell how far a budget is used, in one line."""
    limit = money.shown(usage.budget.monthly_usd)
    spent = money.shown(usage.spent_usd)
    if not usage.unpriced_requests:
        return f"{spent} of {limit} in {usage.period_start:%B}"
    calls = f"{usage.unpriced_requests:,} calls without a known price are not in it"
    return f"at least {spent} of {limit} in {usage.period_start:%B}; {calls}"
