-- model.credit_entry, model.account -> mart.credit_daily: what moved each account's credits by UTC day, kind and, of deductions, model; safe to SUM
SELECT
    entry.day,
    account.label AS account,
    entry.kind,
    nullif(entry.provider, '') AS provider,
    nullif(entry.model, '') AS model,
    sum(entry.amount_usd)::DECIMAL(38,12) AS amount_usd,
    count(*) AS entries
FROM model.credit_entry AS entry
LEFT JOIN model.account AS account ON account.account_no = entry.account_no AND account.valid_to IS NULL
GROUP BY ALL
