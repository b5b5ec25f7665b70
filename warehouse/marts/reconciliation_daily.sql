-- model.reconciliation, model.difference, model.bill_day, model.connection, model.account -> mart.reconciliation_daily: log, usage and bill of each connection's UTC day
SELECT
    told.day,
    account.label AS account,
    connection.provider,
    told.connection_no,
    told.log_cost_usd,
    told.usage_cost_usd,
    bill_day.amount_usd AS bill_cost_usd,
    coalesce(difference.amount_usd, 0)::DECIMAL(38,12) AS difference_usd,
    coalesce(difference.unexplained_usd, 0)::DECIMAL(38,12) AS unexplained_usd,
    coalesce(bill_day.settlement, 'provisional') AS settlement
FROM (
    SELECT
        day, connection_no,
        coalesce(sum(log_cost_usd), 0)::DECIMAL(38,12) AS log_cost_usd,
        sum(usage_cost_usd)::DECIMAL(38,12) AS usage_cost_usd
    FROM model.reconciliation
    GROUP BY ALL
) AS told
JOIN model.connection AS connection ON connection.connection_no = told.connection_no
LEFT JOIN model.bill_day AS bill_day ON bill_day.day = told.day AND bill_day.connection_no = told.connection_no
LEFT JOIN (
    SELECT
        day, connection_no, sum(amount_usd) AS amount_usd,
        sum(amount_usd) FILTER (cause = 'unexplained') AS unexplained_usd
    FROM model.difference
    GROUP BY ALL
) AS difference ON difference.day = told.day AND difference.connection_no = told.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
