-- model.usage_daily, model.usage_reported, model.charges, model.bill_day, model.plan_day, model.invoice_day, model.estimated_spend, model.connection, model.account, model.project, model.team, model.key -> mart.spend_by_source: what each source says by itself, never to be added across sources
WITH told AS (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model,
        sum(requests)::BIGINT AS requests,
        sum(error_requests)::BIGINT AS error_requests,
        sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens,
        sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
        sum(list_cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        'log' AS source,
        NULL::BIGINT AS connection_no,
        NULL::BIGINT AS plan_no
    FROM model.usage_daily
    GROUP BY ALL
    UNION ALL
    SELECT
        reported.day, connection.account_no, reported.project_no, NULL, reported.key_no, connection.provider,
        reported.model, coalesce(sum(reported.requests), 0)::BIGINT, 0, sum(reported.input_tokens)::BIGINT,
        sum(reported.output_tokens)::BIGINT, sum(reported.cache_read_tokens)::BIGINT,
        sum(reported.list_cost_usd)::DECIMAL(38,12),
        coalesce(sum(reported.requests) FILTER (reported.list_cost_usd IS NULL), 0)::BIGINT, 'usage', NULL, NULL
    FROM model.usage_reported AS reported
    JOIN model.connection AS connection ON connection.connection_no = reported.connection_no
    GROUP BY ALL
    UNION ALL
    SELECT
        charges.day, connection.account_no, charges.project_no, NULL, charges.key_no, connection.provider,
        charges.model, 0, 0, 0, 0, 0, sum(charges.amount_usd)::DECIMAL(38,12), 0, 'bill', charges.connection_no,
        NULL
    FROM model.charges AS charges
    JOIN model.connection AS connection ON connection.connection_no = charges.connection_no
    GROUP BY ALL
    UNION ALL
    SELECT
        estimated.day, connection.account_no, NULL, NULL, NULL, connection.provider,
        NULL, 0, 0, 0, 0, 0, sum(estimated.amount_usd)::DECIMAL(38,12), 0, 'estimate', NULL, NULL
    FROM model.estimated_spend AS estimated
    JOIN model.connection AS connection ON connection.connection_no = estimated.connection_no
    GROUP BY ALL
    UNION ALL
    SELECT
        plan_day.day, plan_day.account_no, NULL, NULL, NULL, plan_day.provider,
        NULL, 0, 0, 0, 0, 0, plan_day.fee_usd, 0, 'plan', NULL, plan_day.plan_no
    FROM model.plan_day AS plan_day
)
SELECT
    told.day,
    account.label AS account,
    project.label AS project,
    team.label AS team,
    key.label AS key_label,
    told.provider,
    told.model,
    told.requests,
    told.error_requests,
    told.input_tokens,
    told.output_tokens,
    told.cache_read_tokens,
    told.cost_usd,
    told.unpriced_requests,
    told.source AS basis,
    coalesce(
        invoiced.settlement, bill_day.settlement, CASE WHEN told.source = 'plan' THEN 'settled' ELSE 'provisional' END
    ) AS settlement,
    told.source
FROM told
LEFT JOIN model.bill_day AS bill_day ON bill_day.day = told.day AND bill_day.connection_no = told.connection_no
LEFT JOIN model.invoice_day AS invoiced
    ON invoiced.day = told.day AND invoiced.is_main
    AND (invoiced.connection_no = told.connection_no OR invoiced.plan_no = told.plan_no)
LEFT JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = told.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = told.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = told.key_no AND key.valid_to IS NULL
