"""mart.spend_summary_daily, model.account, model.project -> how far a month's budgets are used, for mails and pages."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from duckdb import DuckDBPyConnection

from warehouse import money
from warehouse.control import budget as budgets
from warehouse.control.budget import Budget
from warehouse.control.outbox import Usage
from warehouse.errors import WarehouseError


def usages(connection: DuckDBPyConnection, listed: Sequence[Budget], period_start: date) -> list[Usage]:
    """The use of each budget in the month that begins on `period_start`, in the order given.

    What an amount is summed over is what the marts show under the name of today: `cost_usd` of the priced calls, and
    the number of those without a known price that are in no sum. Where an account's own bill holds the day, the bill
    pays for them and the account's sum is whole; a project's is not, since no bill says which project they were.
    """
    _, following = budgets.month(period_start)
    of_budgets = ", ".join(str(int(number)) for number in sorted({one.account_no for one in listed})) or "NULL"
    # Dates and numbers of our own stand in the SQL as they are: to bind a value DuckDB imports pandas, which takes
    # half a second.
    rows = connection.execute(
        f"""
        WITH spend AS (
            SELECT * FROM mart.spend_summary_daily
            WHERE day >= DATE '{period_start}' AND day < DATE '{following}' AND account IN (
                SELECT label FROM model.account WHERE valid_to IS NULL AND account_no IN ({of_budgets}))
        ), billed AS (
            SELECT DISTINCT day, account, provider FROM spend WHERE basis = 'bill'
        )
        SELECT spend.account, spend.project, coalesce(sum(spend.cost_usd), 0),
            coalesce(sum(spend.unpriced_requests), 0)::BIGINT,
            coalesce(sum(spend.unpriced_requests) FILTER (billed.day IS NULL), 0)::BIGINT
        FROM spend
        LEFT JOIN billed
            ON billed.day = spend.day AND billed.account = spend.account AND billed.provider = spend.provider
        GROUP BY spend.account, spend.project
        """
    ).fetchall()
    accounts = dict(connection.execute("SELECT account_no, label FROM model.account WHERE valid_to IS NULL").fetchall())
    projects = dict(connection.execute("SELECT project_no, label FROM model.project WHERE valid_to IS NULL").fetchall())
    published = connection.execute("SELECT version FROM mart.published").fetchone()
    if published is None:
        raise WarehouseError("the published version does not say its number; run `apiledger run` once")
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
