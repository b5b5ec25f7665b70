"""model.spend_local_daily -> model.spend_local_summary_daily: the same without keys."""

from datetime import date

import duckdb

from warehouse.stretch import between

_SUMMARY = """
SELECT
    utc_day, day, zone, account_no, project_no, team_no, provider, model, sum(requests)::BIGINT,
    sum(error_requests)::BIGINT, sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cache_read_tokens)::BIGINT,
    sum(cost_usd)::DECIMAL(38,12), sum(unpriced_requests)::BIGINT, basis, settlement
FROM model.spend_local_daily
WHERE utc_{days}
GROUP BY utc_day, day, zone, account_no, project_no, team_no, provider, model, basis, settlement
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace what is of the UTC days from `first` to `last`, both included; the caller holds the transaction."""
    days = between(first, last)
    connection.execute(f"DELETE FROM model.spend_local_summary_daily WHERE utc_{days}")
    connection.execute(f"INSERT INTO model.spend_local_summary_daily {_SUMMARY.format(days=days)}")
