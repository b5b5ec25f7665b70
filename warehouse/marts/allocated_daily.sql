-- model.spend_daily, model.usage_tag_daily, model.allocation_rule, model.allocation_share, model.account, model.project, model.team, model.key -> mart.allocated_daily: spend by UTC day and cost centre, in sum mart.spend_daily to the pico-dollar
WITH spent AS (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model, basis,
        sum(cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(requests)::BIGINT AS requests,
        sum(unpriced_requests)::BIGINT AS unpriced_requests,
        CASE WHEN bool_or(settlement = 'provisional') THEN 'provisional' ELSE max(settlement) END AS settlement
    FROM model.spend_daily
    GROUP BY day, account_no, project_no, team_no, key_no, provider, model, basis
), tagged AS (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model, tags,
        CASE WHEN kept_rule IN (SELECT rule FROM model.allocation_rule) THEN kept_rule END AS kept_rule,
        sum(list_cost_usd)::DECIMAL(38,12) AS cost_usd,
        sum(requests)::BIGINT AS requests,
        sum(unpriced_requests)::BIGINT AS unpriced_requests
    FROM model.usage_tag_daily
    GROUP BY ALL
), taken AS (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model, sum(cost_usd) AS cost_usd,
        sum(requests) AS requests, sum(unpriced_requests) AS unpriced_requests
    FROM tagged
    GROUP BY ALL
), part AS (
    -- What the tagged calls leave is a part as well, so the parts are the whole whatever the tags say.
    SELECT
        spent.day, spent.account_no, spent.project_no, spent.team_no, spent.key_no, spent.provider, spent.model,
        spent.basis, spent.settlement, []::VARCHAR[] AS tags, NULL::VARCHAR AS kept_rule,
        (spent.cost_usd - coalesce(taken.cost_usd, 0))::DECIMAL(38,12) AS cost_usd,
        (spent.requests - coalesce(taken.requests, 0))::BIGINT AS requests,
        (spent.unpriced_requests - coalesce(taken.unpriced_requests, 0))::BIGINT AS unpriced_requests
    FROM spent
    LEFT JOIN taken
        ON spent.basis = 'log' AND taken.day = spent.day AND taken.account_no IS NOT DISTINCT FROM spent.account_no
        AND taken.project_no IS NOT DISTINCT FROM spent.project_no AND taken.team_no IS NOT DISTINCT FROM spent.team_no
        AND taken.key_no IS NOT DISTINCT FROM spent.key_no
        AND taken.provider IS NOT DISTINCT FROM spent.provider AND taken.model IS NOT DISTINCT FROM spent.model
    WHERE spent.cost_usd <> coalesce(taken.cost_usd, 0) OR spent.requests <> coalesce(taken.requests, 0)
        OR taken.requests IS NULL
    UNION ALL
    SELECT
        spent.day, spent.account_no, spent.project_no, spent.team_no, spent.key_no, spent.provider, spent.model,
        spent.basis, spent.settlement, tagged.tags, tagged.kept_rule,
        -- What spend leaves out, a part of it leaves out.
        CASE WHEN spent.cost_usd IS NOT NULL THEN tagged.cost_usd END, tagged.requests, tagged.unpriced_requests
    FROM tagged
    JOIN spent
        ON spent.basis = 'log' AND tagged.day = spent.day AND tagged.account_no IS NOT DISTINCT FROM spent.account_no
        AND tagged.project_no IS NOT DISTINCT FROM spent.project_no
        AND tagged.team_no IS NOT DISTINCT FROM spent.team_no AND tagged.key_no IS NOT DISTINCT FROM spent.key_no
        AND tagged.provider IS NOT DISTINCT FROM spent.provider AND tagged.model IS NOT DISTINCT FROM spent.model
), asks AS (
    SELECT
        bool_or(account IS NOT NULL) AS account, bool_or(project IS NOT NULL) AS project,
        bool_or(team IS NOT NULL) AS team, bool_or(key_label IS NOT NULL) AS key_label,
        bool_or(provider IS NOT NULL) AS provider, bool_or(model IS NOT NULL) AS model,
        bool_or(basis IS NOT NULL) AS basis
    FROM model.allocation_rule
), told AS (
    -- What no rule asks for tells nothing apart.
    SELECT
        part.*,
        CASE WHEN asks.account THEN part.account_no END AS of_account_no,
        CASE WHEN asks.project THEN part.project_no END AS of_project_no,
        CASE WHEN asks.team THEN part.team_no END AS of_team_no,
        CASE WHEN asks.key_label THEN part.key_no END AS of_key_no,
        CASE WHEN asks.provider THEN part.provider END AS of_provider,
        CASE WHEN asks.model THEN part.model END AS of_model,
        CASE WHEN asks.basis THEN part.basis END AS of_basis
    FROM part, asks
), asked AS (
    SELECT *, {'rule': rule, 'rank': rank, 'valid_from': valid_from, 'valid_to': valid_to, 'cost_centre': cost_centre,
        'split': split} AS said
    FROM model.allocation_rule
), fitting AS (
    -- Rules are held against each combination of names once, not against each day of it.
    SELECT
        named.of_account_no, named.of_project_no, named.of_team_no, named.of_key_no, named.of_provider, named.of_model,
        named.of_basis, named.tags, named.kept_rule, list(asked.said ORDER BY asked.rank DESC, asked.rule) AS rules
    FROM (
        SELECT DISTINCT
            of_account_no, of_project_no, of_team_no, of_key_no, of_provider, of_model, of_basis, tags, kept_rule
        FROM told
    ) AS named
    LEFT JOIN model.account AS account ON account.account_no = named.of_account_no AND account.valid_to IS NULL
    LEFT JOIN model.project AS project ON project.project_no = named.of_project_no AND project.valid_to IS NULL
    LEFT JOIN model.team AS team ON team.team_no = named.of_team_no AND team.valid_to IS NULL
    LEFT JOIN model.key AS key ON key.key_no = named.of_key_no AND key.valid_to IS NULL
    JOIN asked
        ON asked.rule = named.kept_rule
        OR (named.kept_rule IS NULL
            AND (asked.account IS NULL OR asked.account = account.label)
            AND (asked.project IS NULL OR asked.project = project.label)
            AND (asked.team IS NULL OR asked.team = team.label)
            AND (asked.key_label IS NULL OR asked.key_label = key.label)
            AND (asked.provider IS NULL OR asked.provider = named.of_provider)
            AND (asked.model IS NULL OR asked.model = named.of_model)
            AND (asked.basis IS NULL OR asked.basis = named.of_basis)
            AND list_has_all(named.tags, asked.tags))
    GROUP BY ALL
), ruled AS (
    SELECT
        told.*,
        list_filter(
            fitting.rules,
            lambda each: (each.valid_from IS NULL OR each.valid_from <= told.day)
                AND (each.valid_to IS NULL OR each.valid_to > told.day)
        ) AS rules
    FROM told
    LEFT JOIN fitting
        ON fitting.of_account_no IS NOT DISTINCT FROM told.of_account_no
        AND fitting.of_project_no IS NOT DISTINCT FROM told.of_project_no
        AND fitting.of_team_no IS NOT DISTINCT FROM told.of_team_no
        AND fitting.of_key_no IS NOT DISTINCT FROM told.of_key_no
        AND fitting.of_provider IS NOT DISTINCT FROM told.of_provider
        AND fitting.of_model IS NOT DISTINCT FROM told.of_model
        AND fitting.of_basis IS NOT DISTINCT FROM told.of_basis
        AND fitting.tags IS NOT DISTINCT FROM told.tags AND fitting.kept_rule IS NOT DISTINCT FROM told.kept_rule
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
), to_split AS (
    SELECT
        day, account_no, project_no, team_no, key_no, provider, model, basis, settlement, tags, kept_rule, split, period,
        rule, cost_usd, requests, unpriced_requests
    FROM placed WHERE split IS NOT NULL
), split_up AS (
    -- A day's rows of a rule are cut as one length, end to end, so that what a cost centre gets of the day does not
    -- depend on how many rows tell of it.
    SELECT
        to_split.*, share.cost_centre, share.starts, share.ends,
        (coalesce(cost_usd, 0) * 1000000000000)::HUGEINT AS pico_usd,
        sum(coalesce(cost_usd, 0) * 1000000000000) OVER so_far::HUGEINT AS pico_usd_so_far,
        sum(requests) OVER so_far::HUGEINT AS requests_so_far,
        sum(unpriced_requests) OVER so_far::HUGEINT AS unpriced_so_far
    FROM to_split
    LEFT JOIN model.account AS account ON account.account_no = to_split.account_no AND account.valid_to IS NULL
    LEFT JOIN model.project AS project ON project.project_no = to_split.project_no AND project.valid_to IS NULL
    LEFT JOIN model.team AS team ON team.team_no = to_split.team_no AND team.valid_to IS NULL
    LEFT JOIN model.key AS key ON key.key_no = to_split.key_no AND key.valid_to IS NULL
    LEFT JOIN share
        ON share.split = to_split.split AND share.period IS NOT DISTINCT FROM to_split.period
        AND (share.rule IS NULL OR share.rule = to_split.rule)
    WINDOW so_far AS (
        PARTITION BY day, to_split.rule, share.cost_centre
        ORDER BY account.label, project.label, team.label, key.label, provider, model, basis, tags, kept_rule,
            to_split.account_no, to_split.project_no, to_split.team_no, to_split.key_no
        ROWS UNBOUNDED PRECEDING
    )
), allocated AS (
    SELECT
        day, coalesce(cost_centre, 'unallocated') AS cost_centre, nullif(rule, '') AS rule,
        CASE WHEN cost_centre IS NOT NULL THEN 'direct' END AS split,
        account_no, project_no, team_no, key_no, provider, model, cost_usd, requests, unpriced_requests, basis,
        settlement
    FROM placed
    WHERE split IS NULL
    UNION ALL
    SELECT
        day, coalesce(cost_centre, 'unallocated'), rule, CASE WHEN cost_centre IS NOT NULL THEN split END,
        account_no, project_no, team_no, key_no, provider, model,
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
            - unpriced_so_far * starts // 1000000000000
            + (unpriced_so_far - unpriced_requests) * starts // 1000000000000
        END::BIGINT,
        basis, settlement
    FROM split_up
)
SELECT
    allocated.day, allocated.cost_centre, allocated.rule, allocated.split, account.label AS account,
    project.label AS project, team.label AS team, key.label AS key_label, allocated.provider, allocated.model,
    allocated.cost_usd, allocated.requests, allocated.unpriced_requests, allocated.basis, allocated.settlement
FROM allocated
LEFT JOIN model.account AS account ON account.account_no = allocated.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = allocated.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = allocated.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = allocated.key_no AND key.valid_to IS NULL
