-- mart.spend_daily -> mart.focus_1_2: spend in FOCUS 1.2's columns, one row per UTC day, account, project, team, key and model
SELECT
    coalesce(account, 'unnamed') AS BillingAccountId,
    coalesce(account, 'unnamed') AS BillingAccountName,
    date_trunc('month', day)::TIMESTAMP AS BillingPeriodStart,
    (date_trunc('month', day) + INTERVAL 1 MONTH)::TIMESTAMP AS BillingPeriodEnd,
    day::TIMESTAMP AS ChargePeriodStart,
    (day + 1)::TIMESTAMP AS ChargePeriodEnd,
    CASE basis WHEN 'bill' THEN 'Adjustment' WHEN 'plan' THEN 'Purchase' ELSE 'Usage' END AS ChargeCategory,
    NULL::VARCHAR AS ChargeClass,
    CASE
        WHEN basis = 'bill' THEN 'What the bill is more or less than its detail'
        WHEN basis = 'plan' THEN concat_ws(' ', provider, 'subscription')
        ELSE concat_ws(' ', provider, model, 'tokens')
    END AS ChargeDescription,
    CASE WHEN basis = 'plan' THEN 'Recurring' ELSE 'Usage-Based' END AS ChargeFrequency,
    'USD' AS BillingCurrency,
    cost_usd AS BilledCost,
    cost_usd AS EffectiveCost,
    cost_usd AS ContractedCost,
    cost_usd AS ListCost,
    CASE WHEN basis NOT IN ('bill', 'plan') THEN tokens END::DECIMAL(38,12) AS ConsumedQuantity,
    CASE WHEN basis NOT IN ('bill', 'plan') THEN 'Tokens' END AS ConsumedUnit,
    CASE basis WHEN 'bill' THEN NULL WHEN 'plan' THEN 1 ELSE tokens * 0.000001::DECIMAL(7,6) END::DECIMAL(38,12)
        AS PricingQuantity,
    CASE basis WHEN 'bill' THEN NULL WHEN 'plan' THEN 'Days' ELSE '1000000 Tokens' END AS PricingUnit,
    CASE WHEN basis <> 'bill' THEN 'Standard' END AS PricingCategory,
    -- FOCUS knows provisional invoices: a month's, until the invoice is entered.
    coalesce(
        invoice, concat_ws('-', 'provisional', provider, coalesce(account, 'unnamed'), strftime(day, '%Y-%m'))
    ) AS InvoiceId,
    provider AS InvoiceIssuerName,
    provider AS ProviderName,
    provider AS PublisherName,
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
    settlement AS x_Settlement
-- What has no known price has no cost, and FOCUS no row for it.
FROM (SELECT *, (input_tokens + output_tokens)::DECIMAL(26,0) AS tokens FROM mart.spend_daily) AS spend
WHERE cost_usd IS NOT NULL AND (cost_usd <> 0 OR tokens <> 0)
