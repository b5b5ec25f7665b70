-- model.key, model.project, model.naming, model.account -> mart.name_history: every name, owner and tag of a key or project with its dates, beside the name that the log gives it today
WITH thing AS (
    SELECT 'key' AS kind, key_no AS thing_no, account_no, label, valid_from, valid_to FROM model.key
    UNION ALL
    SELECT 'project', project_no, account_no, label, valid_from, valid_to FROM model.project
), told AS (
    SELECT kind, thing_no, account_no, 'log' AS told_by, label AS name, NULL AS owner, NULL AS tags, valid_from, valid_to
    FROM thing
    UNION ALL
    SELECT kind, thing_no, account_no, 'people', name, owner, tags, valid_from, valid_to
    FROM model.naming
)
SELECT
    told.kind,
    account.label AS account,
    CASE WHEN told.kind = 'project' THEN current.label END AS project,
    current.label,
    told.told_by,
    told.name,
    told.owner,
    told.tags,
    told.valid_from,
    told.valid_to
FROM told
JOIN thing AS current
    ON current.kind = told.kind AND current.thing_no = told.thing_no AND current.valid_to IS NULL
LEFT JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
