"""model.spend_daily, model.usage_tag_daily -> model.allocated_summary_daily: mart.allocated_daily in short."""

from datetime import date

import duckdb

from warehouse import mart
from warehouse.stretch import between

_READ = ("model.spend_daily", "model.usage_tag_daily")
_SUMMARY = """
SELECT
    day, account_no, project_no, team_no, cost_centre, rule, split, sum(requests)::BIGINT,
    sum(cost_usd)::DECIMAL(38,12), sum(unpriced_requests)::BIGINT
FROM allocated
GROUP BY day, account_no, project_no, team_no, cost_centre, rule, split
"""

# What is split is cut in the order of account, project and team, then of the rest: where each starts and ends is the
# same when the rest is added up before, and there is far less to cut.
_SPLIT = "), split_up AS ("
_SUMMED = f"""), summed AS (
    SELECT
        day, account_no, project_no, team_no, NULL::BIGINT AS key_no, NULL::VARCHAR AS provider,
        NULL::VARCHAR AS model, NULL::VARCHAR AS basis, NULL::VARCHAR AS settlement, NULL::VARCHAR[] AS tags,
        NULL::VARCHAR AS kept_rule, split, period, rule, sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(requests)::BIGINT AS requests, sum(unpriced_requests)::BIGINT AS unpriced_requests
    FROM to_split
    GROUP BY day, account_no, project_no, team_no, split, period, rule
{_SPLIT}"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the days from `first` to `last`, both included; the caller holds the transaction.

    Whole months, where a rule shares by the month's use: what a day takes depends on the days beside it.
    """
    days = between(first, last)
    connection.execute(f"DELETE FROM model.allocated_summary_daily WHERE {days}")
    connection.execute(f"INSERT INTO model.allocated_summary_daily {_allocated(days)}{_SUMMARY}")


def _allocated(days: str) -> str:
    """The mart's statement over these days alone, up to where it looks up names: one text says who pays."""
    rows = mart.select("allocated_daily").rpartition("\nSELECT\n")[0]
    for table in _READ:
        rows = rows.replace(f"FROM {table}\n", f"FROM {table} WHERE {days}\n")
    before, _, after = rows.partition(_SPLIT)
    return before + _SUMMED + after.replace("FROM to_split\n", "FROM summed AS to_split\n")
