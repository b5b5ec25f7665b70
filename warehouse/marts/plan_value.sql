-- model.plan, model.plan_day, model.plan_cover, model.usage_daily, model.account -> mart.plan_value: each plan's fee by month, and beside it, never to be added, what the use it pays for would have cost
WITH fee AS (
    SELECT plan_no, date_trunc('month', day)::DATE AS month, count(*) AS days, sum(fee_usd)::DECIMAL(38,12) AS fee_usd
    FROM model.plan_day
    GROUP BY ALL
), used AS (
    SELECT
        cover.plan_no, date_trunc('month', usage.day)::DATE AS month,
        sum(usage.requests)::BIGINT AS requests,
        sum(usage.input_tokens)::BIGINT AS input_tokens,
        sum(usage.output_tokens)::BIGINT AS output_tokens,
        sum(usage.list_cost_usd)::DECIMAL(38,12) AS list_cost_usd,
        sum(usage.unpriced_requests)::BIGINT AS unpriced_requests
    FROM model.plan_cover AS cover
    JOIN model.usage_daily AS usage
        ON usage.gateway = cover.gateway AND usage.provider = cover.provider AND usage.account_no = cover.account_no
        AND usage.day BETWEEN cover.starts_on AND cover.ends_on
    GROUP BY ALL
)
SELECT
    fee.month,
    account.label AS account,
    plan.provider,
    plan.plan,
    plan.seats,
    fee.days,
    fee.fee_usd,
    coalesce(used.requests, 0) AS covered_requests,
    coalesce(used.input_tokens, 0) AS covered_input_tokens,
    coalesce(used.output_tokens, 0) AS covered_output_tokens,
    coalesce(used.list_cost_usd, 0)::DECIMAL(38,12) AS covered_list_cost_usd,
    coalesce(used.unpriced_requests, 0) AS covered_unpriced_requests,
    (coalesce(used.list_cost_usd, 0) / fee.fee_usd)::DECIMAL(18,4) AS value_ratio, -- not money: dollars of use for a dollar of fee
    plan.covers,
    plan.starts_on,
    plan.ends_on
FROM fee
JOIN model.plan AS plan ON plan.plan_no = fee.plan_no
LEFT JOIN used ON used.plan_no = fee.plan_no AND used.month = fee.month
LEFT JOIN model.account AS account ON account.account_no = plan.account_no AND account.valid_to IS NULL
