-- model.usage_daily, model.repriced_daily, model.charges, model.connection, model.account, model.project -> mart.repriced_daily: one day's cost as billed, as logged, as listed then, as listed now and by contract
WITH used AS (
    SELECT
        day, account_no, project_no, provider, model, service_tier, context_band, region,
        sum(requests)::BIGINT AS requests,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(logged_cost_usd)::DECIMAL(38,12) AS logged_cost_usd,
        sum(list_cost_usd)::DECIMAL(38,12) AS list_cost_usd
    FROM model.usage_daily
    GROUP BY ALL
), told AS (
    SELECT
        used.day, used.account_no, used.project_no, used.provider, used.model, used.service_tier, used.context_band,
        used.region, used.requests, used.unpriced_requests, used.input_tokens, used.output_tokens,
        NULL::DECIMAL(38,12) AS billed_cost_usd,
        used.logged_cost_usd, used.list_cost_usd,
        -- A row is there only where something differs from the list cost of then.
        CASE WHEN other.day IS NULL THEN used.list_cost_usd ELSE other.list_cost_now_usd END AS list_cost_now_usd,
        other.contract,
        CASE WHEN other.day IS NULL THEN used.list_cost_usd ELSE other.contracted_cost_usd END AS contracted_cost_usd
    FROM used
    LEFT JOIN model.repriced_daily AS other
        ON other.day = used.day
        AND other.account_no IS NOT DISTINCT FROM used.account_no
        AND other.project_no IS NOT DISTINCT FROM used.project_no
        AND other.provider IS NOT DISTINCT FROM used.provider
        AND other.model IS NOT DISTINCT FROM used.model
        AND other.service_tier IS NOT DISTINCT FROM used.service_tier
        AND other.context_band IS NOT DISTINCT FROM used.context_band
        AND other.region IS NOT DISTINCT FROM used.region
    UNION ALL
    -- A bill names a model sometimes, and never the caller's project: it stands in rows of its own.
    SELECT
        charges.day, connection.account_no, charges.project_no, connection.provider, charges.model,
        charges.service_tier, NULL, charges.region, 0, 0, 0, 0, sum(charges.amount_usd)::DECIMAL(38,12),
        NULL, NULL, NULL, NULL, NULL
    FROM model.charges AS charges
    JOIN model.connection AS connection ON connection.connection_no = charges.connection_no
    GROUP BY ALL
)
SELECT
    told.day,
    account.label AS account,
    project.label AS project,
    told.provider,
    told.model,
    told.service_tier,
    told.context_band,
    told.region,
    told.requests,
    told.unpriced_requests,
    told.input_tokens,
    told.output_tokens,
    told.billed_cost_usd,
    told.logged_cost_usd,
    told.list_cost_usd,
    told.list_cost_now_usd,
    told.contract,
    told.contracted_cost_usd
FROM told
LEFT JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = told.project_no AND project.valid_to IS NULL
