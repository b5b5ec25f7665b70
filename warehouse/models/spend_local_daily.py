"""model.usage_hourly, model.plan_cover, model.spend_daily, model.account_zone, model.zone_day -> model.spend_local_daily: spend by the days of zones."""  # noqa: E501 - the journey is one line

from datetime import date

import duckdb

from warehouse.stretch import between, literal
from warehouse.zone import UTC_NAME

_COUNTS = (
    "requests", "error_requests", "input_tokens", "output_tokens", "cache_read_tokens", "unpriced_requests",
)  # fmt: skip
_NAMED = ("account_no", "project_no", "team_no", "key_no", "provider", "model")
# A plan's fee pays for what it covers, as in model.spend_daily: such calls count, their price does not.
_LOCAL = f"""
WITH zoned AS (
    SELECT seen.account_no, coalesce(own.zone, usual.zone) AS zone
    FROM (SELECT DISTINCT account_no FROM model.spend_daily WHERE {{days}}) AS seen
    LEFT JOIN model.account_zone AS own ON own.account_no = seen.account_no
    LEFT JOIN model.account_zone AS usual ON usual.account_no IS NULL
    WHERE coalesce(own.zone, usual.zone, '{UTC_NAME}') <> '{UTC_NAME}'
), told AS MATERIALIZED (
    SELECT
        day, {", ".join(f"spend.{name}" for name in _NAMED)}, basis,
        {", ".join(f"sum({name}) AS {name}" for name in (*_COUNTS, "cost_usd"))},
        CASE WHEN bool_or(settlement = 'provisional') THEN 'provisional' ELSE max(settlement) END AS settlement
    FROM model.spend_daily AS spend
    JOIN zoned ON zoned.account_no IS NOT DISTINCT FROM spend.account_no
    WHERE {{days}}
    GROUP BY ALL
), cover AS (
    SELECT DISTINCT gateway, provider, account_no,
        unnest(generate_series(greatest(starts_on, {{first}}), least(ends_on, {{last}}), INTERVAL 1 DAY))::DATE AS day
    FROM model.plan_cover
    WHERE starts_on <= {{last}} AND ends_on >= {{first}}
), placed AS (
    SELECT zone, day,
        unnest(generate_series(
            greatest(starts_at, {{first}}), least(ends_at, {{last}} + 1) - INTERVAL 1 HOUR, INTERVAL 1 HOUR
        )) AS hour
    FROM model.zone_day
    WHERE starts_at < {{last}} + 1 AND ends_at > {{first}}
), hourly AS (
    SELECT
        hourly.hour::DATE AS utc_day, coalesce(placed.day, hourly.hour::DATE) AS day,
        coalesce(placed.zone, '{UTC_NAME}') AS zone, {", ".join(f"hourly.{name}" for name in _NAMED)},
        {", ".join(f"sum({name}) AS {name}" for name in _COUNTS if name != "unpriced_requests")},
        sum(CASE WHEN cover.day IS NULL THEN unpriced_requests ELSE 0 END) AS unpriced_requests,
        sum(CASE WHEN cover.day IS NULL THEN list_cost_usd ELSE 0 END) AS cost_usd
    FROM model.usage_hourly AS hourly
    JOIN zoned ON zoned.account_no IS NOT DISTINCT FROM hourly.account_no
    LEFT JOIN placed ON placed.zone = zoned.zone AND placed.hour = hourly.hour
    LEFT JOIN cover
        ON cover.gateway = hourly.gateway AND cover.provider = hourly.provider
        AND cover.account_no = hourly.account_no AND cover.day = hourly.hour::DATE
    WHERE hourly.hour >= {{first}} AND hourly.hour < {{last}} + 1
    GROUP BY ALL
), hours AS MATERIALIZED (
    -- What a day leaves out, its hours leave out.
    SELECT hourly.* REPLACE (CASE WHEN told.cost_usd IS NOT NULL THEN hourly.cost_usd END AS cost_usd), told.settlement
    FROM hourly
    JOIN told ON told.basis = 'log' AND told.day = hourly.utc_day
        AND {" AND ".join(f"told.{name} IS NOT DISTINCT FROM hourly.{name}" for name in _NAMED)}
), rest AS (
    -- By adding up, not by a join: for one with a condition of its own DuckDB compares each row with each.
    SELECT
        day, {", ".join(_NAMED)}, basis, {", ".join(f"sum({name}) AS {name}" for name in (*_COUNTS, "cost_usd"))},
        max(settlement) AS settlement, bool_or(is_hour) AS is_known
    FROM (
        SELECT day, {", ".join(_NAMED)}, basis, {", ".join(_COUNTS)}, cost_usd, settlement, false AS is_hour FROM told
        UNION ALL
        SELECT
            utc_day, {", ".join(_NAMED)}, 'log', {", ".join(f"-{name}" for name in _COUNTS)}, -cost_usd, settlement,
            true
        FROM hours
    )
    GROUP BY ALL
), spend AS (
    SELECT utc_day, day, zone, {", ".join(_NAMED)}, {", ".join(_COUNTS)}, cost_usd, 'log' AS basis, settlement
    FROM hours
    UNION ALL
    -- A bill, a provider's count and a day whose hours have expired are of a UTC day, and stay there.
    SELECT day, day, '{UTC_NAME}', {", ".join(_NAMED)}, {", ".join(_COUNTS)}, cost_usd, basis, settlement
    FROM rest
    WHERE NOT is_known OR cost_usd <> 0 OR {" OR ".join(f"{name} <> 0" for name in _COUNTS)}
)
SELECT
    utc_day, day, zone, {", ".join(_NAMED)}, requests::BIGINT, error_requests::BIGINT, input_tokens::BIGINT,
    output_tokens::BIGINT, cache_read_tokens::BIGINT, cost_usd::DECIMAL(38,12), unpriced_requests::BIGINT, basis,
    settlement
FROM spend
"""


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace what is of the UTC days from `first` to `last`, both included; the caller holds the transaction."""
    bounds = {"first": literal(first), "last": literal(last)}
    connection.execute(f"DELETE FROM model.spend_local_daily WHERE utc_{between(first, last)}")
    if connection.execute(f"SELECT 1 FROM model.account_zone WHERE zone <> '{UTC_NAME}' LIMIT 1").fetchone():
        connection.execute(f"INSERT INTO model.spend_local_daily {_LOCAL.format(days=between(first, last), **bounds)}")
