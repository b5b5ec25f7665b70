-- model.spend_local_daily, model.spend_daily, model.account_zone, model.account, model.project, model.team, model.key -> mart.spend_local_daily: spend by the day of each account's zone where hours are known, in sum mart.spend_daily
SELECT
    spend.day,
    account.label AS account,
    project.label AS project,
    team.label AS team,
    key.label AS key_label,
    spend.provider,
    spend.model,
    spend.requests,
    spend.error_requests,
    spend.input_tokens,
    spend.output_tokens,
    spend.cache_read_tokens,
    spend.cost_usd,
    spend.unpriced_requests,
    spend.basis,
    spend.settlement,
    spend.zone
-- Grouped by number before any name is looked up.
FROM (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model,
        sum(requests)::BIGINT AS requests,
        sum(error_requests)::BIGINT AS error_requests,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
        sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        basis,
        CASE WHEN bool_or(settlement = 'provisional') THEN 'provisional' ELSE max(settlement) END AS settlement,
        zone
    FROM (
        SELECT
            day, zone, account_no, project_no, team_no, key_no, provider, model, requests, error_requests, input_tokens,
            output_tokens, cache_read_tokens, cost_usd, unpriced_requests, basis, settlement
        FROM model.spend_local_daily
        UNION ALL
        -- Whose days are UTC's has nothing of its own.
        SELECT
            spend.day, 'UTC', spend.account_no, spend.project_no, spend.team_no, spend.key_no, spend.provider,
            spend.model, spend.requests, spend.error_requests, spend.input_tokens, spend.output_tokens,
            spend.cache_read_tokens, spend.cost_usd, spend.unpriced_requests, spend.basis, spend.settlement
        FROM model.spend_daily AS spend
        LEFT JOIN model.account_zone AS own ON own.account_no = spend.account_no
        WHERE coalesce(own.zone, (SELECT zone FROM model.account_zone WHERE account_no IS NULL), 'UTC') = 'UTC'
    )
    GROUP BY day, account_no, project_no, team_no, key_no, provider, model, basis, zone
) AS spend
LEFT JOIN model.account AS account ON account.account_no = spend.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = spend.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = spend.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = spend.key_no AND key.valid_to IS NULL
