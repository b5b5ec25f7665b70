-- model.usage_hourly, model.plan_cover, model.account, model.project, model.team, model.key -> mart.spend_hourly: spend by UTC hour and name, for drilling into a day
SELECT
    usage.hour,
    account.label AS account,
    project.label AS project,
    team.label AS team,
    key.label AS key_label,
    usage.provider,
    usage.model,
    usage.requests,
    usage.error_requests,
    usage.input_tokens,
    usage.output_tokens,
    usage.cache_read_tokens,
    usage.cost_usd,
    usage.unpriced_requests,
    'log' AS basis,
    'provisional' AS settlement
-- Grouped by number before any name is looked up.
FROM (
    SELECT
        hour, account_no, project_no, team_no, key_no, provider, model,
        sum(requests)::BIGINT AS requests,
        sum(error_requests)::BIGINT AS error_requests,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
        -- Unpriced calls are not in the sum; unpriced_requests says how many.
        sum(list_cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(unpriced_requests)::BIGINT AS unpriced_requests
    FROM (
        SELECT *
        FROM model.usage_hourly AS hourly
        ANTI JOIN model.plan_cover AS cover
            ON cover.gateway = hourly.gateway AND cover.provider = hourly.provider
            AND cover.account_no = hourly.account_no AND hourly.hour::DATE BETWEEN cover.starts_on AND cover.ends_on
        UNION ALL
        -- As in mart.spend_daily: a plan's fee pays for these.
        SELECT * REPLACE (0::DECIMAL(38,12) AS list_cost_usd, 0::BIGINT AS unpriced_requests)
        FROM model.usage_hourly AS hourly
        SEMI JOIN model.plan_cover AS cover
            ON cover.gateway = hourly.gateway AND cover.provider = hourly.provider
            AND cover.account_no = hourly.account_no AND hourly.hour::DATE BETWEEN cover.starts_on AND cover.ends_on
    )
    GROUP BY ALL
) AS usage
LEFT JOIN model.account AS account ON account.account_no = usage.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = usage.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = usage.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = usage.key_no AND key.valid_to IS NULL
