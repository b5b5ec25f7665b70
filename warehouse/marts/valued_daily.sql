-- model.usage_daily, model.repriced_daily, model.usage_reported, model.charges, model.bill_day, model.connection, model.claim, model.plan_cover, model.account, model.key -> mart.valued_daily: one row as billed, as listed then, as listed now and by contract, by UTC day, payer, model and key as deep as the bill tells; NULL is not known
WITH holder AS (
    -- Who pays for a call, as in model.spend_daily.
    SELECT DISTINCT provider, account_no, account_no AS payer_no, is_operator FROM model.connection
    UNION
    SELECT connection.provider, claim.account_no, claim.holder_no, false
    FROM model.claim AS claim JOIN model.connection AS connection ON connection.account_no = claim.holder_no
), used AS (
    SELECT
        call.day, call.account_no, call.project_no, call.provider, call.model, call.service_tier, call.context_band,
        call.region,
        -- What a plan pays for is on no bill of calls.
        bool_or(call.is_covered) AS is_mixed,
        sum(call.requests) FILTER (NOT call.is_covered)::BIGINT AS requests,
        sum(call.unpriced_requests) FILTER (NOT call.is_covered)::BIGINT AS unpriced_requests,
        sum(call.logged_cost_usd) FILTER (NOT call.is_covered)::DECIMAL(38,12) AS logged_cost_usd,
        sum(call.list_cost_usd) FILTER (NOT call.is_covered)::DECIMAL(38,12) AS list_cost_usd
    FROM (
        SELECT
            *,
            EXISTS (
                SELECT 1 FROM model.plan_cover AS cover
                WHERE cover.gateway = usage.gateway AND cover.provider = usage.provider
                    AND cover.account_no = usage.account_no AND usage.day BETWEEN cover.starts_on AND cover.ends_on
            ) AS is_covered
        FROM model.usage_daily AS usage
    ) AS call
    GROUP BY ALL
    HAVING NOT bool_and(call.is_covered)
), logged AS (
    SELECT
        used.day, coalesce(own.payer_no, house.payer_no, used.account_no) AS payer_no, used.provider, used.model,
        sum(used.requests)::BIGINT AS requests, sum(used.unpriced_requests)::BIGINT AS unpriced_requests,
        sum(used.logged_cost_usd)::DECIMAL(38,12) AS logged_cost_usd,
        sum(used.list_cost_usd)::DECIMAL(38,12) AS list_cost_usd,
        -- A row is there only where something differs from the list cost of then; of its calls a part may be a plan's.
        sum(CASE WHEN other.day IS NULL THEN used.list_cost_usd ELSE other.list_cost_now_usd END)
            ::DECIMAL(38,12) AS list_cost_now_usd,
        sum(CASE WHEN other.day IS NULL THEN used.list_cost_usd ELSE other.contracted_cost_usd END)
            ::DECIMAL(38,12) AS contracted_cost_usd,
        max(other.contract) AS contract,
        bool_or(other.day IS NOT NULL AND used.is_mixed) AS is_mixed
    FROM used
    LEFT JOIN model.repriced_daily AS other
        ON other.day = used.day
        AND other.account_no IS NOT DISTINCT FROM used.account_no
        AND other.project_no IS NOT DISTINCT FROM used.project_no
        AND other.provider IS NOT DISTINCT FROM used.provider
        AND other.model IS NOT DISTINCT FROM used.model
        AND other.service_tier IS NOT DISTINCT FROM used.service_tier
        AND other.context_band IS NOT DISTINCT FROM used.context_band
        AND other.region IS NOT DISTINCT FROM used.region
    LEFT JOIN holder AS own ON own.provider = used.provider AND own.account_no = used.account_no
    LEFT JOIN holder AS house ON house.provider = used.provider AND house.is_operator AND own.account_no IS NULL
    GROUP BY ALL
), charge AS (
    SELECT
        charge.day, connection.account_no AS payer_no, connection.provider, charge.model, charge.key_no,
        sum(charge.amount_usd)::DECIMAL(38,12) AS billed_cost_usd
    FROM model.charges AS charge
    SEMI JOIN model.bill_day AS billed ON billed.day = charge.day AND billed.connection_no = charge.connection_no
    JOIN model.connection AS connection ON connection.connection_no = charge.connection_no
    GROUP BY ALL
), depth AS (
    SELECT day, payer_no, provider, count(model) > 0 AS by_model, count(key_no) = count(*) AS by_key
    FROM charge
    GROUP BY day, payer_no, provider
), told AS (
    SELECT
        day, payer_no, provider, model, NULL::BIGINT AS key_no, 'log' AS basis, requests, unpriced_requests,
        NULL::DECIMAL(38,12) AS billed_cost_usd, logged_cost_usd, list_cost_usd, list_cost_now_usd,
        contracted_cost_usd, contract, is_mixed AS is_now_unknown
    FROM logged
    UNION ALL
    -- Where no log tells of a day, the provider's own count is the detail; it is not held against today's list.
    SELECT
        counted.day, connection.account_no, connection.provider, counted.model, counted.key_no, 'usage',
        coalesce(sum(counted.requests), 0)::BIGINT,
        coalesce(sum(counted.requests) FILTER (counted.list_cost_usd IS NULL), 0)::BIGINT,
        NULL, NULL, sum(counted.list_cost_usd)::DECIMAL(38,12), NULL, NULL, NULL, true
    FROM model.usage_reported AS counted
    JOIN model.connection AS connection ON connection.connection_no = counted.connection_no
    ANTI JOIN logged
        ON logged.day = counted.day AND logged.payer_no = connection.account_no
        AND logged.provider = connection.provider
    WHERE counted.quantity IS NULL
    GROUP BY ALL
    UNION ALL
    SELECT
        charge.day, charge.payer_no, charge.provider, charge.model, charge.key_no,
        CASE WHEN log.day IS NULL THEN 'usage' ELSE 'log' END, NULL, NULL, charge.billed_cost_usd, NULL, NULL, NULL,
        NULL, NULL, false
    FROM charge
    LEFT JOIN (SELECT DISTINCT day, payer_no, provider FROM logged) AS log
        ON log.day = charge.day AND log.payer_no = charge.payer_no AND log.provider = charge.provider
)
SELECT
    told.day,
    account.label AS account,
    told.provider,
    -- Dated snapshots under one name, as in model.reconciliation.
    CASE WHEN coalesce(depth.by_model, true)
        THEN nullif(regexp_replace(told.model, '([-@](\d{4}-\d{2}-\d{2}|\d{8})|-latest)$', ''), '') END AS model,
    CASE WHEN depth.by_key AND told.basis = 'usage' THEN key.label END AS key_label,
    -- Whose count the list costs are of.
    CASE WHEN count(told.requests) > 0 THEN told.basis ELSE 'bill' END AS basis,
    sum(told.requests)::BIGINT AS requests,
    sum(told.unpriced_requests)::BIGINT AS unpriced_requests,
    sum(told.billed_cost_usd)::DECIMAL(38,12) AS billed_cost_usd,
    sum(told.logged_cost_usd)::DECIMAL(38,12) AS logged_cost_usd,
    sum(told.list_cost_usd)::DECIMAL(38,12) AS list_cost_usd,
    CASE WHEN NOT bool_or(told.is_now_unknown) THEN sum(told.list_cost_now_usd) END::DECIMAL(38,12)
        AS list_cost_now_usd,
    max(told.contract) AS contract,
    CASE WHEN NOT bool_or(told.is_now_unknown) AND count(told.contract) > 0 THEN sum(told.contracted_cost_usd) END
        ::DECIMAL(38,12) AS contracted_cost_usd
FROM told
LEFT JOIN depth ON depth.day = told.day AND depth.payer_no = told.payer_no AND depth.provider = told.provider
LEFT JOIN model.account AS account ON account.account_no = told.payer_no AND account.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = told.key_no AND key.valid_to IS NULL
GROUP BY told.day, account.label, told.provider, 4, 5, told.basis
