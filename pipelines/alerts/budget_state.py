"""mart.spend_daily -> how far each budget is used, and the alerts that follow.

Asked anew of the newest version each time: a month begins at nothing because no day of it has spend yet.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from warehouse import budget_use, database, money
from warehouse.control import budget as budgets
from warehouse.control import objection, outbox, restriction
from warehouse.control.budget import Budget
from warehouse.control.outbox import Usage
from warehouse.home import Home

# A gateway's last calls of a month may be logged in the next.
LATE_DAYS = 3


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
                found.extend(budget_use.usages(connection, concerned, period_start))
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
