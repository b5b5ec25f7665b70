-- model.failure_daily, model.plan_cover, model.account, model.project -> mart.failures_daily: failed calls and calls made again after one, by UTC day, with what they cost
SELECT
    failed.day,
    account.label AS account,
    project.label AS project,
    failed.provider,
    failed.model,
    failed.error_requests,
    failed.error_cost_usd,
    failed.retry_requests,
    failed.retry_cost_usd
FROM (
    SELECT *
    FROM model.failure_daily AS failure
    ANTI JOIN model.plan_cover AS cover
        ON cover.gateway = failure.gateway AND cover.provider = failure.provider
        AND cover.account_no = failure.account_no AND failure.day BETWEEN cover.starts_on AND cover.ends_on
    UNION ALL
    -- As in mart.spend_daily: a plan's fee pays for these.
    SELECT * REPLACE (0::DECIMAL(38,12) AS error_cost_usd, 0::DECIMAL(38,12) AS retry_cost_usd)
    FROM model.failure_daily AS failure
    SEMI JOIN model.plan_cover AS cover
        ON cover.gateway = failure.gateway AND cover.provider = failure.provider
        AND cover.account_no = failure.account_no AND failure.day BETWEEN cover.starts_on AND cover.ends_on
) AS failed
LEFT JOIN model.account AS account ON account.account_no = failed.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = failed.project_no AND project.valid_to IS NULL
