-- mart.contracted_daily, model.charges, model.invoice_day -> mart.focus_1_4: spend in FOCUS 1.4's columns, one row per UTC day, account, project, team, key and model
SELECT
    coalesce(account, 'unnamed') AS BillingAccountId,
    coalesce(account, 'unnamed') AS BillingAccountName,
    date_trunc('month', spend.day)::TIMESTAMP AS BillingPeriodStart,
    (date_trunc('month', spend.day) + INTERVAL 1 MONTH)::TIMESTAMP AS BillingPeriodEnd,
    spend.day::TIMESTAMP AS ChargePeriodStart,
    (spend.day + 1)::TIMESTAMP AS ChargePeriodEnd,
    CASE basis WHEN 'bill' THEN 'Adjustment' WHEN 'plan' THEN 'Purchase' ELSE 'Usage' END AS ChargeCategory,
    NULL::VARCHAR AS ChargeClass,
    CASE
        WHEN basis = 'bill' THEN 'What the bill is more or less than its detail'
        WHEN basis = 'plan' THEN concat_ws(' ', provider, 'subscription')
        ELSE concat_ws(' ', provider, model, 'tokens')
    END AS ChargeDescription,
    CASE WHEN basis = 'plan' THEN 'Recurring' ELSE 'Usage-Based' END AS ChargeFrequency,
    -- What every amount of a row is in, whatever the invoice is: a day's rows are calls at prices in dollars and one row
    -- that makes them the bill, so no call has a share of its own in euros or yuan that a provider said. The whole day,
    -- or what an invoice has of it, as it was billed, its currency and the rate stand in x_ columns of the bill's row.
    'USD' AS BillingCurrency,
    cost_usd AS BilledCost,
    -- A contract's price is in both, a plan's fee is spread over its days already.
    contracted_cost_usd AS EffectiveCost,
    contracted_cost_usd AS ContractedCost,
    -- What a plan pays for has a list price, too; of what is billed beyond its detail FOCUS wants the billed amount.
    CASE WHEN basis IN ('log', 'usage') THEN coalesce(list_cost_usd, cost_usd) ELSE cost_usd END AS ListCost,
    CASE WHEN basis NOT IN ('bill', 'plan') THEN tokens END::DECIMAL(38,12) AS ConsumedQuantity,
    CASE WHEN basis NOT IN ('bill', 'plan') THEN 'Tokens' END AS ConsumedUnit,
    CASE basis WHEN 'bill' THEN NULL WHEN 'plan' THEN 1 ELSE tokens * 0.000001::DECIMAL(7,6) END::DECIMAL(38,12)
        AS PricingQuantity,
    CASE basis WHEN 'bill' THEN NULL WHEN 'plan' THEN 'Days' ELSE '1000000 Tokens' END AS PricingUnit,
    CASE WHEN basis <> 'bill' THEN 'Standard' END AS PricingCategory,
    -- FOCUS knows provisional invoices: a month's, until the invoice is entered.
    coalesce(
        invoice, concat_ws('-', 'provisional', provider, coalesce(account, 'unnamed'), strftime(spend.day, '%Y-%m'))
    ) AS InvoiceId,
    provider AS InvoiceIssuerName,
    provider AS ServiceProviderName,
    provider AS HostProviderName,
    'AI and Machine Learning' AS ServiceCategory,
    'Generative AI' AS ServiceSubcategory,
    provider AS ServiceName,
    project AS SubAccountId,
    project AS SubAccountName,
    -- A key without its value is left out, as FOCUS asks.
    json_merge_patch(
        CASE WHEN team IS NULL THEN '{}' ELSE json_object('team', team) END,
        CASE WHEN key_label IS NULL THEN '{}' ELSE json_object('key', key_label) END
    )::VARCHAR AS Tags,
    model AS x_Model,
    requests AS x_Requests,
    input_tokens AS x_InputTokens,
    cache_read_tokens AS x_CacheReadTokens,
    output_tokens AS x_OutputTokens,
    basis AS x_Basis,
    settlement AS x_Settlement,
    uncached_tokens AS x_UncachedInputTokens,
    cache_write_5m_tokens AS x_CacheWrite5mTokens,
    cache_write_1h_tokens AS x_CacheWrite1hTokens,
    audio_in_tokens AS x_AudioInputTokens,
    image_in_tokens AS x_ImageInputTokens,
    text_out_tokens AS x_TextOutputTokens,
    reasoning_out_tokens AS x_ReasoningOutputTokens,
    audio_out_tokens AS x_AudioOutputTokens,
    foreign_bill.currency AS x_BillCurrency,
    coalesce(part.billed_amount, foreign_bill.amount) AS x_BillAmount,
    foreign_bill.fx_usd_per_unit AS x_BillUsdPerUnit,
    contract AS x_Contract
-- What has no known price has no cost, and FOCUS no row for it.
FROM (SELECT *, (input_tokens + output_tokens)::DECIMAL(26,0) AS tokens FROM mart.contracted_daily) AS spend
LEFT JOIN (
    -- A day's whole bill as it was billed, where all of it is in one other currency at one rate.
    SELECT
        day, connection_no, 'bill' AS told_by, max(billing_currency) AS currency,
        sum(billed_amount)::DECIMAL(38,12) AS amount, max(fx_usd_per_unit) AS fx_usd_per_unit
    FROM model.charges
    GROUP BY day, connection_no
    HAVING count(DISTINCT coalesce(billing_currency, 'USD')) = 1 AND currency <> 'USD'
        AND count(DISTINCT fx_usd_per_unit) = 1
) AS foreign_bill
    ON foreign_bill.day = spend.day AND foreign_bill.connection_no = spend.connection_no
    AND foreign_bill.told_by = spend.basis
LEFT JOIN (
    SELECT day, connection_no, coalesce(number, '') AS number, billed_amount
    FROM model.invoice_day
    WHERE billed_amount IS NOT NULL
) AS part
    ON part.day = foreign_bill.day AND part.connection_no = foreign_bill.connection_no
    AND part.number = coalesce(spend.invoice, '')
WHERE cost_usd IS NOT NULL AND (cost_usd <> 0 OR contracted_cost_usd <> 0 OR tokens <> 0)
