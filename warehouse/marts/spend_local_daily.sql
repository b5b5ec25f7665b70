-- mart.spend_daily, mart.spend_hourly, model.account_zone, model.zone_day, model.account -> mart.spend_local_daily: spend by the day of each account's zone where hours are known, in sum mart.spend_daily
WITH own AS (
    SELECT account.label AS account, max(account_zone.zone) AS zone
    FROM model.account_zone AS account_zone
    JOIN model.account AS account ON account.account_no = account_zone.account_no AND account.valid_to IS NULL
    GROUP BY ALL
), told AS (
    SELECT
        day, account, project, team, key_label, provider, model, basis,
        sum(requests)::BIGINT AS requests,
        sum(error_requests)::BIGINT AS error_requests,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
        sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        CASE WHEN bool_or(settlement = 'provisional') THEN 'provisional' ELSE max(settlement) END AS settlement
    FROM mart.spend_daily
    GROUP BY day, account, project, team, key_label, provider, model, basis
), hours AS (
    SELECT
        told.day AS utc_day, coalesce(zone_day.day, told.day) AS day,
        CASE WHEN zone_day.day IS NULL THEN 'UTC' ELSE zone_day.zone END AS zone,
        hourly.account, hourly.project, hourly.team, hourly.key_label, hourly.provider, hourly.model,
        hourly.requests, hourly.error_requests, hourly.input_tokens, hourly.output_tokens, hourly.cache_read_tokens,
        -- What a day leaves out, its hours leave out.
        CASE WHEN told.cost_usd IS NOT NULL THEN hourly.cost_usd END AS cost_usd,
        hourly.unpriced_requests, told.settlement
    FROM mart.spend_hourly AS hourly
    JOIN told
        ON told.basis = 'log' AND told.day = hourly.hour::DATE AND told.account IS NOT DISTINCT FROM hourly.account
        AND told.project IS NOT DISTINCT FROM hourly.project AND told.team IS NOT DISTINCT FROM hourly.team
        AND told.key_label IS NOT DISTINCT FROM hourly.key_label
        AND told.provider IS NOT DISTINCT FROM hourly.provider AND told.model IS NOT DISTINCT FROM hourly.model
    LEFT JOIN own ON own.account = hourly.account
    LEFT JOIN model.zone_day AS zone_day
        ON zone_day.zone = coalesce(own.zone, (SELECT max(zone) FROM model.account_zone WHERE account_no IS NULL))
        AND hourly.hour >= zone_day.starts_at AND hourly.hour < zone_day.ends_at
), known AS (
    SELECT
        utc_day, account, project, team, key_label, provider, model, sum(requests) AS requests,
        sum(error_requests) AS error_requests, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_read_tokens) AS cache_read_tokens, sum(cost_usd) AS cost_usd,
        sum(unpriced_requests) AS unpriced_requests
    FROM hours
    GROUP BY ALL
)
SELECT
    day, account, project, team, key_label, provider, model,
    sum(requests)::BIGINT AS requests,
    sum(error_requests)::BIGINT AS error_requests,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
    sum(unpriced_requests)::BIGINT AS unpriced_requests,
    'log' AS basis, min(settlement) AS settlement, zone
FROM hours
GROUP BY day, account, project, team, key_label, provider, model, zone
UNION ALL
-- A bill, a provider's count and a day whose hours have expired are of a UTC day, and stay there.
SELECT
    told.day, told.account, told.project, told.team, told.key_label, told.provider, told.model,
    (told.requests - coalesce(known.requests, 0))::BIGINT,
    (told.error_requests - coalesce(known.error_requests, 0))::BIGINT,
    (told.input_tokens - coalesce(known.input_tokens, 0))::BIGINT,
    (told.output_tokens - coalesce(known.output_tokens, 0))::BIGINT,
    (told.cache_read_tokens - coalesce(known.cache_read_tokens, 0))::BIGINT,
    (told.cost_usd - coalesce(known.cost_usd, 0))::DECIMAL(38,12),
    (told.unpriced_requests - coalesce(known.unpriced_requests, 0))::BIGINT,
    told.basis, told.settlement, 'UTC'
FROM told
LEFT JOIN known
    ON told.basis = 'log' AND known.utc_day = told.day AND known.account IS NOT DISTINCT FROM told.account
    AND known.project IS NOT DISTINCT FROM told.project AND known.team IS NOT DISTINCT FROM told.team
    AND known.key_label IS NOT DISTINCT FROM told.key_label
    AND known.provider IS NOT DISTINCT FROM told.provider AND known.model IS NOT DISTINCT FROM told.model
WHERE known.requests IS NULL OR known.requests <> told.requests OR told.cost_usd <> coalesce(known.cost_usd, 0)
