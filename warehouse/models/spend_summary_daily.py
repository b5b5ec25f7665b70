"""model.spend_daily -> model.spend_summary_daily: the same without keys and invoices."""

from datetime import date

import duckdb

from warehouse.stretch import between

# Apart by whether all of a key's day is priced: a price per token is of such days alone.
_SUMMARY = """
SELECT
    day, account_no, project_no, team_no, provider, model,
    sum(requests)::BIGINT, sum(error_requests)::BIGINT, sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT,
    sum(cache_read_tokens)::BIGINT, sum(cost_usd)::DECIMAL(38,12), sum(unpriced_requests)::BIGINT, basis, settlement,
    is_priced
FROM (
    SELECT *, unpriced_requests = 0 AND cost_usd IS NOT NULL AS is_priced FROM model.spend_daily WHERE {days}
)
GROUP BY day, account_no, project_no, team_no, provider, model, basis, settlement, is_priced
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the days from `first` to `last`, both included; the caller holds the transaction."""
    days = between(first, last)
    connection.execute(f"DELETE FROM model.spend_summary_daily WHERE {days}")
    connection.execute(f"INSERT INTO model.spend_summary_daily {_SUMMARY.format(days=days)}")
