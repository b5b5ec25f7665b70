"""model.usage_daily, model.plan_cover -> model.unclaimed_daily: calls of which nobody can say what paid.

Their payer has several connections at the provider, and none claims the upstream that the log tells of, if it tells
any. They are in one of its bills, so they are left out of the sum of spend.
"""

from datetime import date

import duckdb

from warehouse import payer
from warehouse.stretch import between

_UNCLAIMED = f"""
WITH {payer.HOLDER}
SELECT
    call.day, call.account_no, {payer.PAYER}, call.gateway, call.provider, call.upstream_no,
    sum(call.requests)::BIGINT, sum(call.list_cost_usd)::DECIMAL(38,12)
FROM model.usage_daily AS call {payer.named("call", "call.day")} {payer.holders("call")}
ANTI JOIN model.plan_cover AS cover
    ON cover.gateway = call.gateway AND cover.provider = call.provider AND cover.account_no = call.account_no
    AND call.day BETWEEN cover.starts_on AND cover.ends_on
WHERE {payer.connection("named")} IS NULL AND {payer.PAYER} IS NOT NULL AND {{days}}
GROUP BY ALL
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the days from `first` to `last`, both included; the caller holds the transaction."""
    days = between(first, last)
    several = f"WITH {payer.HOLDER} SELECT 1 FROM holder WHERE connection_no IS NULL LIMIT 1"
    connection.execute(f"DELETE FROM model.unclaimed_daily WHERE {days}")
    # Most payers have one connection at a provider, and nothing need be looked for.
    if connection.execute(several).fetchone() is not None:
        connection.execute(f"INSERT INTO model.unclaimed_daily {_UNCLAIMED.format(days=days)}")
