"""model.requests -> model.failure_daily: failed calls, and calls made again after one, with what they cost.

A call is made again where it asks the same after a failure: the call before it of the same account, project, key, user,
customer, model and size of input, on the same day, failed less than a minute earlier. Of a failure that does not say
its input, only the next call of its user or customer is taken for it; where the log names neither, nobody can tell it
from a busy key's other calls, and none is counted. So a failure has at most one call made again, and never another's.
One that fails again is a failure, so the two add up.
"""

from collections.abc import Collection
from datetime import date, timedelta

import duckdb

from warehouse.failure_tables import FAILURE_DAILY
from warehouse.tables import MONEY, REQUESTS

_CALLER = "gateway, account_no, project_no, key_no, user_no, end_user_no, model"
_MINUTE = "epoch_us(requested_at) // 60_000_000"


def write(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], closed: Collection[tuple[date, str]] = ()
) -> None:
    """Replace the rows of some days, but of closed (day, gateway), whose calls are gone; the caller's transaction.

    Looked at call by call is only what a caller did in the minute of a failure and the next: whatever stands between a
    failure and a call a minute later is among it, and what lies further back is more than a minute ago.
    """
    bound = {"days": sorted(days), "closed": [f"{day}/{gateway}" for day, gateway in closed]}
    still = "NOT list_contains($closed::VARCHAR[], {}::VARCHAR || '/' || gateway)"
    connection.execute(
        f"DELETE FROM {FAILURE_DAILY.full_name} WHERE list_contains($days, day) AND {still.format('day')}", bound
    )
    if not days:
        return
    these = f"""requested_at >= $first AND requested_at < $after AND list_contains($days, requested_at::DATE)
        AND {still.format("requested_at::DATE")}"""
    connection.execute(
        f"""INSERT INTO {FAILURE_DAILY.full_name}
            WITH minute AS (
                SELECT hash({_CALLER}, {_MINUTE} + unnest([0, 1])) AS called
                FROM {REQUESTS.full_name} WHERE {these} AND outcome = 'error'
            ), near AS (
                SELECT requested_at::DATE AS day, requested_at, request_no, {_CALLER}, provider, input_tokens, outcome,
                    list_cost_usd
                FROM {REQUESTS.full_name}
                WHERE {these} AND hash({_CALLER}, {_MINUTE}) IN (SELECT called FROM minute)
            ), judged AS (
                SELECT *, outcome = 'error' AS failed,
                    coalesce(input_tokens > 0 AND lag(outcome) OVER asker = 'error'
                        AND requested_at - lag(requested_at) OVER asker <= INTERVAL 1 MINUTE, false)
                    OR coalesce(coalesce(user_no, end_user_no) IS NOT NULL AND lag(outcome) OVER caller = 'error'
                        AND lag(input_tokens) OVER caller = 0
                        AND requested_at - lag(requested_at) OVER caller <= INTERVAL 1 MINUTE, false) AS follows
                FROM near
                WINDOW caller AS (PARTITION BY day, {_CALLER} ORDER BY requested_at, request_no),
                    asker AS (PARTITION BY day, {_CALLER}, input_tokens ORDER BY requested_at, request_no)
            )
            SELECT day, account_no, project_no, gateway, provider, model,
                count(*) FILTER (failed), sum(list_cost_usd) FILTER (failed)::{MONEY},
                count(*) FILTER (NOT failed), sum(list_cost_usd) FILTER (NOT failed)::{MONEY}
            FROM judged WHERE failed OR follows GROUP BY ALL""",
        {**bound, "first": min(days), "after": max(days) + timedelta(days=1)},
    )
