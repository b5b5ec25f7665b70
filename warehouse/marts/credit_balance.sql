-- model.credit_entry, model.account -> mart.credit_balance: each account's credits at the end of each UTC day on which they moved
SELECT
    moved.day,
    account.label AS account,
    moved.moved_usd,
    (sum(moved.moved_usd) OVER (PARTITION BY moved.account_no ORDER BY moved.day))::DECIMAL(38,12) AS balance_usd
FROM (
    SELECT day, account_no, sum(amount_usd)::DECIMAL(38,12) AS moved_usd
    FROM model.credit_entry GROUP BY day, account_no
) AS moved
LEFT JOIN model.account AS account ON account.account_no = moved.account_no AND account.valid_to IS NULL
