-- model.charges, model.estimated_spend, model.connection, model.account -> mart.foreign_currency: what was billed, or estimated, in another currency than USD, with the rate that converted it; no rate, no amount_usd
WITH told AS (
    SELECT
        day, connection_no, 'bill' AS source, billing_currency AS currency, billed_amount AS amount, amount_usd,
        fx_usd_per_unit, fx_day
    FROM model.charges
    WHERE billing_currency <> 'USD'
    UNION ALL
    SELECT day, connection_no, 'estimate', currency, spent_amount, amount_usd, fx_usd_per_unit, fx_day
    FROM model.estimated_spend
    WHERE currency <> 'USD'
)
SELECT
    told.day,
    account.label AS account,
    connection.provider,
    told.source,
    told.currency,
    sum(told.amount)::DECIMAL(38,12) AS amount,
    sum(told.amount_usd)::DECIMAL(38,12) AS amount_usd,
    told.fx_usd_per_unit,
    told.fx_day,
    count(*)::BIGINT AS lines,
    (count(*) - count(told.amount_usd))::BIGINT AS unconverted_lines
FROM told
JOIN model.connection AS connection ON connection.connection_no = told.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
GROUP BY ALL
