-- model.latency_daily, model.account, model.project -> mart.latency_daily: a mergeable latency histogram by UTC day
SELECT
    latency.day,
    account.label AS account,
    project.label AS project,
    latency.provider,
    latency.model,
    latency.bucket_ms,
    latency.requests
-- Grouped by number before any name is looked up.
FROM (
    SELECT day, account_no, project_no, provider, model, bucket_ms, sum(requests)::BIGINT AS requests
    FROM model.latency_daily
    GROUP BY ALL
) AS latency
LEFT JOIN model.account AS account ON account.account_no = latency.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = latency.project_no AND project.valid_to IS NULL
