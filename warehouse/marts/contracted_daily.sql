-- model.spend_daily, model.usage_daily, model.repriced_daily, model.account, model.project, model.team, model.key -> mart.contracted_daily: spend as mart.spend_daily has it, with what each row costs by contract, where one holds; a bill's rest is then what the bill is more than that
WITH service AS (
    -- By whom and of what, as deep as spend tells it; NULL is a value like another. Zeroes join faster than NULLs.
    SELECT DISTINCT day, account_no, coalesce(project_no, 0) AS project_no, provider, model
    FROM model.repriced_daily
    WHERE contract IS NOT NULL AND account_no IS NOT NULL AND provider IS NOT NULL AND model IS NOT NULL
), used AS (
    SELECT
        call.day, call.account_no, coalesce(call.project_no, 0) AS project_no, call.provider, call.model,
        call.service_tier, call.context_band, call.region, sum(call.list_cost_usd) AS list_usd
    FROM model.usage_daily AS call
    SEMI JOIN service
        ON service.day = call.day AND service.account_no = call.account_no
        AND service.project_no = coalesce(call.project_no, 0) AND service.provider = call.provider
        AND service.model = call.model
    GROUP BY ALL
), agreed AS (
    -- Beyond nine millions a day whole numbers do not hold a share, nor beyond nine times the list price.
    SELECT
        used.day, used.account_no, used.project_no, used.provider, used.model, max(other.contract) AS contract,
        sum(used.list_usd)::DECIMAL(38,12) AS list_usd,
        -- A row is there only where something differs from the list cost of then.
        sum(CASE WHEN other.day IS NULL THEN used.list_usd ELSE other.contracted_cost_usd END)::DECIMAL(38,12)
            AS contracted_usd
    FROM used
    LEFT JOIN model.repriced_daily AS other
        ON other.day = used.day AND other.account_no = used.account_no
        AND coalesce(other.project_no, 0) = used.project_no AND other.provider = used.provider
        AND other.model = used.model AND coalesce(other.service_tier, '') = coalesce(used.service_tier, '')
        AND coalesce(other.context_band, '') = coalesce(used.context_band, '')
        AND coalesce(other.region, '') = coalesce(used.region, '')
    GROUP BY ALL
    HAVING count(CASE WHEN other.day IS NULL THEN used.list_usd ELSE other.contracted_cost_usd END)
            = count(used.list_usd)
        AND sum(used.list_usd) BETWEEN 0.000000000001 AND 9000000 AND contracted_usd < list_usd * 9
), logged AS (
    SELECT
        spend.day, spend.account_no, coalesce(spend.project_no, 0) AS project_no, spend.provider, spend.model,
        sum(spend.cost_usd) AS cost_usd, sum(spend.list_cost_usd) AS list_usd
    FROM model.spend_daily AS spend
    SEMI JOIN service
        ON service.day = spend.day AND service.account_no = spend.account_no
        AND service.project_no = coalesce(spend.project_no, 0) AND service.provider = spend.provider
        AND service.model = spend.model
    WHERE spend.basis = 'log'
    GROUP BY ALL
), whole AS (
    -- Where a plan or another bill pays for a part of the calls, what the others cost by contract is not known.
    SELECT
        agreed.* EXCLUDE (list_usd, contracted_usd),
        (
            (
                (agreed.contracted_usd * 1000000000000)::HUGEINT * 1000000000000000000::HUGEINT
                // (agreed.list_usd * 1000000000000)::HUGEINT
            )::DECIMAL(20,0) * 0.000000000000000001::DECIMAL(18,18)
        )::DECIMAL(19,18) AS share
    FROM agreed
    JOIN logged USING (day, account_no, project_no, provider, model)
    WHERE logged.cost_usd = agreed.list_usd AND logged.list_usd = agreed.list_usd
), billed AS (
    SELECT DISTINCT day, provider, true AS is_billed FROM model.spend_daily WHERE basis = 'bill'
), priced AS (
    SELECT
        spend.*,
        -- Of whose bill it is a part has to be known, since the bill has the contract in it already.
        CASE WHEN whole.share IS NOT NULL AND (spend.connection_no IS NOT NULL OR billed.is_billed IS NULL)
            THEN (try_cast(spend.cost_usd AS DECIMAL(19,12)) * whole.share)::DECIMAL(38,12) END AS agreed_usd,
        whole.contract
    FROM model.spend_daily AS spend
    LEFT JOIN whole
        ON whole.day = spend.day AND whole.account_no = CASE WHEN spend.basis = 'log' THEN spend.account_no END
        AND whole.project_no = coalesce(spend.project_no, 0) AND whole.provider = spend.provider
        AND whole.model = spend.model
    LEFT JOIN billed ON billed.day = spend.day AND billed.provider = spend.provider
), saved AS (
    -- The rest that is on the invoice of the calls.
    SELECT day, connection_no, coalesce(invoice, '') AS invoice, sum(cost_usd - agreed_usd) AS usd
    FROM priced
    WHERE agreed_usd IS NOT NULL AND connection_no IS NOT NULL
    GROUP BY day, connection_no, coalesce(invoice, '')
)
SELECT
    priced.day,
    account.label AS account,
    project.label AS project,
    team.label AS team,
    key.label AS key_label,
    priced.* EXCLUDE (day, account_no, project_no, team_no, key_no, agreed_usd, contract),
    CASE WHEN priced.agreed_usd IS NOT NULL THEN priced.contract END AS contract,
    coalesce(priced.agreed_usd, priced.cost_usd + coalesce(saved.usd, 0))::DECIMAL(38,12) AS contracted_cost_usd
FROM priced
LEFT JOIN saved
    ON saved.day = priced.day AND saved.connection_no = CASE WHEN priced.basis = 'bill' THEN priced.connection_no END
    AND saved.invoice = coalesce(priced.invoice, '')
LEFT JOIN model.account AS account ON account.account_no = priced.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = priced.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = priced.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = priced.key_no AND key.valid_to IS NULL
