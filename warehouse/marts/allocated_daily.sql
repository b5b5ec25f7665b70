-- mart.spend_daily, model.usage_tag_daily, model.allocation_rule, model.allocation_share, model.account, model.project, model.team, model.key -> mart.allocated_daily: spend by UTC day and cost centre, in sum mart.spend_daily to the pico-dollar
WITH spent AS (
    SELECT
        day, account, project, team, key_label, provider, model, basis,
        sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(requests)::BIGINT AS requests,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        CASE WHEN bool_or(settlement = 'provisional') THEN 'provisional' ELSE max(settlement) END AS settlement
    FROM mart.spend_daily
    GROUP BY day, account, project, team, key_label, provider, model, basis
), tagged AS (
    SELECT
        usage.day, account.label AS account, project.label AS project, team.label AS team, key.label AS key_label,
        usage.provider, usage.model, usage.tags,
        CASE WHEN usage.kept_rule IN (SELECT rule FROM model.allocation_rule) THEN usage.kept_rule END AS kept_rule,
        sum(usage.list_cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(usage.requests)::BIGINT AS requests,
        sum(usage.unpriced_requests)::BIGINT AS unpriced_requests
    FROM model.usage_tag_daily AS usage
    LEFT JOIN model.account AS account ON account.account_no = usage.account_no AND account.valid_to IS NULL
    LEFT JOIN model.project AS project ON project.project_no = usage.project_no AND project.valid_to IS NULL
    LEFT JOIN model.team AS team ON team.team_no = usage.team_no AND team.valid_to IS NULL
    LEFT JOIN model.key AS key ON key.key_no = usage.key_no AND key.valid_to IS NULL
    GROUP BY ALL
), taken AS (
    SELECT
        day, account, project, team, key_label, provider, model, sum(cost_usd) AS cost_usd, sum(requests) AS requests,
        sum(unpriced_requests) AS unpriced_requests
    FROM tagged
    GROUP BY ALL
), part AS (
    -- What the tagged calls leave is a part as well, so the parts are the whole whatever the tags say.
    SELECT
        spent.day, spent.account, spent.project, spent.team, spent.key_label, spent.provider, spent.model, spent.basis,
        spent.settlement, []::VARCHAR[] AS tags, NULL::VARCHAR AS kept_rule,
        (spent.cost_usd - coalesce(taken.cost_usd, 0))::DECIMAL(38,12) AS cost_usd,
        (spent.requests - coalesce(taken.requests, 0))::BIGINT AS requests,
        (spent.unpriced_requests - coalesce(taken.unpriced_requests, 0))::BIGINT AS unpriced_requests
    FROM spent
    LEFT JOIN taken
        ON spent.basis = 'log' AND taken.day = spent.day AND taken.account IS NOT DISTINCT FROM spent.account
        AND taken.project IS NOT DISTINCT FROM spent.project AND taken.team IS NOT DISTINCT FROM spent.team
        AND taken.key_label IS NOT DISTINCT FROM spent.key_label
        AND taken.provider IS NOT DISTINCT FROM spent.provider AND taken.model IS NOT DISTINCT FROM spent.model
    WHERE spent.cost_usd <> coalesce(taken.cost_usd, 0) OR spent.requests <> coalesce(taken.requests, 0)
        OR taken.requests IS NULL
    UNION ALL
    SELECT
        spent.day, spent.account, spent.project, spent.team, spent.key_label, spent.provider, spent.model, spent.basis,
        spent.settlement, tagged.tags, tagged.kept_rule,
        -- What spend leaves out, a part of it leaves out.
        CASE WHEN spent.cost_usd IS NOT NULL THEN tagged.cost_usd END, tagged.requests, tagged.unpriced_requests
    FROM tagged
    JOIN spent
        ON spent.basis = 'log' AND tagged.day = spent.day AND tagged.account IS NOT DISTINCT FROM spent.account
        AND tagged.project IS NOT DISTINCT FROM spent.project AND tagged.team IS NOT DISTINCT FROM spent.team
        AND tagged.key_label IS NOT DISTINCT FROM spent.key_label
        AND tagged.provider IS NOT DISTINCT FROM spent.provider AND tagged.model IS NOT DISTINCT FROM spent.model
), fitting AS (
    -- Rules are held against each combination of names once, not against each day of it.
    SELECT
        named.account, named.project, named.team, named.key_label, named.provider, named.model, named.basis, named.tags,
        named.kept_rule, list(asked ORDER BY asked.rank DESC, asked.rule) AS rules
    FROM (
        SELECT DISTINCT account, project, team, key_label, provider, model, basis, tags, kept_rule FROM part
    ) AS named
    JOIN model.allocation_rule AS asked
        ON asked.rule = named.kept_rule
        OR (named.kept_rule IS NULL
            AND (asked.account IS NULL OR asked.account = named.account)
            AND (asked.project IS NULL OR asked.project = named.project)
            AND (asked.team IS NULL OR asked.team = named.team)
            AND (asked.key_label IS NULL OR asked.key_label = named.key_label)
            AND (asked.provider IS NULL OR asked.provider = named.provider)
            AND (asked.model IS NULL OR asked.model = named.model)
            AND (asked.basis IS NULL OR asked.basis = named.basis)
            AND list_has_all(named.tags, asked.tags))
    GROUP BY ALL
), ruled AS (
    SELECT
        part.*,
        list_filter(
            fitting.rules,
            lambda each: (each.valid_from IS NULL OR each.valid_from <= part.day)
                AND (each.valid_to IS NULL OR each.valid_to > part.day)
        ) AS rules
    FROM part
    LEFT JOIN fitting
        ON fitting.account IS NOT DISTINCT FROM part.account AND fitting.project IS NOT DISTINCT FROM part.project
        AND fitting.team IS NOT DISTINCT FROM part.team AND fitting.key_label IS NOT DISTINCT FROM part.key_label
        AND fitting.provider IS NOT DISTINCT FROM part.provider AND fitting.model IS NOT DISTINCT FROM part.model
        AND fitting.basis IS NOT DISTINCT FROM part.basis AND fitting.tags IS NOT DISTINCT FROM part.tags
        AND fitting.kept_rule IS NOT DISTINCT FROM part.kept_rule
), placed AS (
    -- Where several are equally particular, by different tags of one call, none has it: all of them are named.
    SELECT
        * EXCLUDE (rules),
        list_filter(rules, lambda each: each.rank = rules[1].rank) AS first_rules,
        CASE WHEN len(first_rules) = 1 THEN first_rules[1].cost_centre END AS cost_centre,
        CASE WHEN len(first_rules) = 1 THEN first_rules[1].split END AS split,
        array_to_string(list_transform(first_rules, lambda each: each.rule), ' | ') AS rule,
        CASE WHEN split = 'day' THEN day WHEN split = 'month' THEN date_trunc('month', day)::DATE END AS period
    FROM ruled
), used AS (
    SELECT
        split, period, NULL::VARCHAR AS rule, cost_centre, (sum(cost_usd) * 1000000000000)::HUGEINT AS weight
    FROM (
        SELECT 'day' AS split, day AS period, cost_centre, cost_usd FROM placed WHERE cost_centre IS NOT NULL
        UNION ALL
        SELECT 'month', date_trunc('month', day)::DATE, cost_centre, cost_usd FROM placed WHERE cost_centre IS NOT NULL
    )
    GROUP BY ALL
    HAVING sum(cost_usd) > 0
    UNION ALL
    SELECT 'fixed', NULL, rule, cost_centre, parts::HUGEINT FROM model.allocation_share
), share AS (
    -- Each takes from where the one before it ends, in alphabetical order, so that nothing is left over.
    SELECT
        split, period, rule, cost_centre,
        (sum(weight) OVER (PARTITION BY split, period, rule ORDER BY cost_centre) - weight)::HUGEINT * 1000000000000
            // sum(weight) OVER (PARTITION BY split, period, rule) AS starts,
        (sum(weight) OVER (PARTITION BY split, period, rule ORDER BY cost_centre))::HUGEINT * 1000000000000
            // sum(weight) OVER (PARTITION BY split, period, rule) AS ends
    FROM used
), split_up AS (
    -- A day's rows of a rule are cut as one length, end to end, so that what a cost centre gets of the day does not
    -- depend on how many rows tell of it.
    SELECT
        placed.* EXCLUDE (cost_centre), share.cost_centre, share.starts, share.ends,
        (coalesce(cost_usd, 0) * 1000000000000)::HUGEINT AS pico_usd,
        sum(coalesce(cost_usd, 0) * 1000000000000) OVER so_far::HUGEINT AS pico_usd_so_far,
        sum(requests) OVER so_far::HUGEINT AS requests_so_far,
        sum(unpriced_requests) OVER so_far::HUGEINT AS unpriced_so_far
    FROM placed
    LEFT JOIN share
        ON share.split = placed.split AND share.period IS NOT DISTINCT FROM placed.period
        AND (share.rule IS NULL OR share.rule = placed.rule)
    WHERE placed.split IS NOT NULL
    WINDOW so_far AS (
        PARTITION BY day, placed.rule, share.cost_centre
        ORDER BY account, project, team, key_label, provider, model, basis, tags, kept_rule
        ROWS UNBOUNDED PRECEDING
    )
)
SELECT
    day, coalesce(cost_centre, 'unallocated') AS cost_centre, nullif(rule, '') AS rule,
    CASE WHEN cost_centre IS NOT NULL THEN 'direct' END AS split,
    account, project, team, key_label, provider, model, cost_usd, requests, unpriced_requests, basis, settlement
FROM placed
WHERE split IS NULL
UNION ALL
SELECT
    day, coalesce(cost_centre, 'unallocated'), rule, CASE WHEN cost_centre IS NOT NULL THEN split END,
    account, project, team, key_label, provider, model,
    CASE WHEN cost_centre IS NULL OR cost_usd IS NULL THEN cost_usd ELSE (
        pico_usd_so_far * ends // 1000000000000 - (pico_usd_so_far - pico_usd) * ends // 1000000000000
        - pico_usd_so_far * starts // 1000000000000 + (pico_usd_so_far - pico_usd) * starts // 1000000000000
    )::DECIMAL(26,0) * 0.000000000001::DECIMAL(12,12) END::DECIMAL(38,12),
    CASE WHEN cost_centre IS NULL THEN requests ELSE
        requests_so_far * ends // 1000000000000 - (requests_so_far - requests) * ends // 1000000000000
        - requests_so_far * starts // 1000000000000 + (requests_so_far - requests) * starts // 1000000000000
    END::BIGINT,
    CASE WHEN cost_centre IS NULL THEN unpriced_requests ELSE
        unpriced_so_far * ends // 1000000000000 - (unpriced_so_far - unpriced_requests) * ends // 1000000000000
        - unpriced_so_far * starts // 1000000000000 + (unpriced_so_far - unpriced_requests) * starts // 1000000000000
    END::BIGINT,
    basis, settlement
FROM split_up
