-- model.spend_daily, model.reconciliation, model.charges, model.bill_day, model.difference, model.connection, model.account, model.key -> mart.reconciliation_by_key: what log, provider's count and bill say of a UTC day, model and key, and why they differ, as far as each tells its keys
WITH told AS (
    -- The log as model.reconciliation has it, which knows no keys of a gateway's; they are taken out of it row by row.
    SELECT
        day, connection_no, model, CASE WHEN side.is_keyed THEN key_no END AS key_no,
        sum(requests) FILTER (side.is_keyed)::BIGINT AS log_requests,
        sum(unpriced_requests) FILTER (side.is_keyed)::BIGINT AS log_unpriced_requests,
        sum(side.sign * (input_tokens + output_tokens))::BIGINT AS log_tokens, NULL::BIGINT AS usage_tokens,
        sum(side.sign * cost_usd)::DECIMAL(38,12) AS log_cost_usd, NULL::DECIMAL(38,12) AS usage_cost_usd,
        NULL::DECIMAL(38,12) AS bill_cost_usd, NULL::DECIMAL(38,12) AS difference_usd, NULL::VARCHAR AS cause
    FROM model.spend_daily, (VALUES (1, true), (-1, false)) AS side(sign, is_keyed)
    WHERE basis = 'log' AND connection_no IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT
        day, connection_no, model, key_no, NULL, NULL, sum(log_tokens)::BIGINT, sum(usage_tokens)::BIGINT,
        sum(log_cost_usd)::DECIMAL(38,12), sum(usage_cost_usd)::DECIMAL(38,12), NULL, NULL, NULL
    FROM model.reconciliation
    GROUP BY ALL
    UNION ALL
    SELECT
        charge.day, charge.connection_no, charge.model, charge.key_no, NULL, NULL, NULL, NULL, NULL, NULL,
        sum(charge.amount_usd)::DECIMAL(38,12), NULL, NULL
    FROM model.charges AS charge
    -- A day with an amount that no known rate converts has no bill.
    SEMI JOIN model.bill_day AS billed ON billed.day = charge.day AND billed.connection_no = charge.connection_no
    GROUP BY ALL
    UNION ALL
    SELECT
        day, connection_no, model, key_no, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        sum(amount_usd)::DECIMAL(38,12), cause
    FROM model.difference
    GROUP BY ALL
), cell AS (
    SELECT
        told.day,
        account.label AS account,
        connection.provider,
        told.connection_no,
        -- Dated snapshots under one name, as model.reconciliation has them.
        nullif(regexp_replace(told.model, '([-@](\d{4}-\d{2}-\d{2}|\d{8})|-latest)$', ''), '') AS model,
        key.label AS key_label,
        key_account.label AS key_account,
        told.cause,
        sum(told.log_requests)::BIGINT AS log_requests,
        sum(told.log_unpriced_requests)::BIGINT AS log_unpriced_requests,
        sum(told.log_tokens)::BIGINT AS log_tokens,
        sum(told.usage_tokens)::BIGINT AS usage_tokens,
        sum(told.log_cost_usd)::DECIMAL(38,12) AS log_cost_usd,
        sum(told.usage_cost_usd)::DECIMAL(38,12) AS usage_cost_usd,
        sum(told.bill_cost_usd)::DECIMAL(38,12) AS bill_cost_usd,
        sum(told.difference_usd)::DECIMAL(38,12) AS difference_usd
    FROM told
    JOIN model.connection AS connection ON connection.connection_no = told.connection_no
    LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
    LEFT JOIN model.key AS key ON key.key_no = told.key_no AND key.valid_to IS NULL
    LEFT JOIN model.account AS key_account
        ON key_account.account_no = key.account_no AND key_account.valid_to IS NULL
    GROUP BY ALL
)
SELECT
    day,
    account,
    provider,
    connection_no,
    model,
    key_label,
    key_account,
    sum(log_requests)::BIGINT AS log_requests,
    sum(log_unpriced_requests)::BIGINT AS log_unpriced_requests,
    -- What is left once all keys are taken out is nothing told, and not 0.
    CASE WHEN sum(log_requests) > 0 OR sum(log_tokens) <> 0 THEN sum(log_tokens) END::BIGINT AS log_tokens,
    sum(usage_tokens)::BIGINT AS usage_tokens,
    CASE WHEN sum(log_requests) > 0 OR sum(log_cost_usd) <> 0 THEN sum(log_cost_usd) END::DECIMAL(38,12) AS log_cost_usd,
    sum(usage_cost_usd)::DECIMAL(38,12) AS usage_cost_usd,
    sum(bill_cost_usd)::DECIMAL(38,12) AS bill_cost_usd,
    -- The parts whose cause names this model and key: those of all rows add up to the day's bill less its log.
    sum(difference_usd)::DECIMAL(38,12) AS difference_usd,
    sum(difference_usd) FILTER (cause = 'unexplained')::DECIMAL(38,12) AS unexplained_usd,
    string_agg(cause, ', ' ORDER BY abs(difference_usd) DESC, cause) FILTER (difference_usd <> 0) AS causes
FROM cell
GROUP BY day, account, provider, connection_no, model, key_label, key_account
HAVING
    sum(cell.log_requests) > 0 OR sum(cell.log_tokens) <> 0 OR sum(cell.log_cost_usd) <> 0
    OR coalesce(sum(cell.usage_tokens), sum(cell.usage_cost_usd), sum(cell.bill_cost_usd), sum(cell.difference_usd))
    IS NOT NULL
