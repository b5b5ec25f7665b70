-- model.unclaimed_daily, model.account -> mart.unclaimed_daily: calls that none of their payer's connections claims
SELECT
    unclaimed.day,
    account.label AS account,
    payer.label AS payer,
    unclaimed.gateway,
    unclaimed.provider,
    unclaimed.upstream_no,
    unclaimed.requests,
    unclaimed.cost_usd
FROM model.unclaimed_daily AS unclaimed
LEFT JOIN model.account AS account ON account.account_no = unclaimed.account_no AND account.valid_to IS NULL
LEFT JOIN model.account AS payer ON payer.account_no = unclaimed.payer_no AND payer.valid_to IS NULL
