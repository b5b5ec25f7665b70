"""model.usage_hourly, model.plan_cover -> model.spend_summary_hourly: hours without keys and models."""

from datetime import date

import duckdb

from warehouse.stretch import literal

# A plan's fee pays for what it covers, as in model.spend_daily: such calls count, their price does not.
_HOURS = """
SELECT
    hourly.hour, hourly.account_no, hourly.project_no, hourly.team_no,
    sum(hourly.requests)::BIGINT, sum(hourly.error_requests)::BIGINT, sum(hourly.input_tokens)::BIGINT,
    sum(hourly.output_tokens)::BIGINT, sum(hourly.cache_read_tokens)::BIGINT,
    sum(CASE WHEN cover.day IS NULL THEN hourly.list_cost_usd ELSE 0 END)::DECIMAL(38,12),
    sum(CASE WHEN cover.day IS NULL THEN hourly.unpriced_requests ELSE 0 END)::BIGINT
FROM model.usage_hourly AS hourly
LEFT JOIN (
    SELECT DISTINCT gateway, provider, account_no,
        unnest(generate_series(greatest(starts_on, {first}), least(ends_on, {last}), INTERVAL 1 DAY))::DATE AS day
    FROM model.plan_cover
    WHERE starts_on <= {last} AND ends_on >= {first}
) AS cover
    ON cover.gateway = hourly.gateway AND cover.provider = hourly.provider
    AND cover.account_no = hourly.account_no AND cover.day = hourly.hour::DATE
WHERE hourly.hour >= {first} AND hourly.hour < {last} + 1
GROUP BY ALL
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the hours of the days from `first` to `last`, both included; the caller holds the transaction."""
    bounds = {"first": literal(first), "last": literal(last)}
    hours = "hour >= {first} AND hour < {last} + 1".format(**bounds)
    connection.execute(f"DELETE FROM model.spend_summary_hourly WHERE {hours}")
    connection.execute(f"INSERT INTO model.spend_summary_hourly {_HOURS.format(**bounds)}")
