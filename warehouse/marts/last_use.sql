-- model.usage_daily, model.usage_reported, model.connection, model.account, model.project, model.key -> mart.last_use: the first and the last UTC day on which a key was used in a project, as far back as days tell keys
SELECT
    account.label AS account,
    project.label AS project,
    key.label AS key_label,
    min(used.first_day) AS first_day,
    max(used.last_day) AS last_day
-- Grouped by number before any name is looked up.
FROM (
    SELECT account_no, project_no, key_no, min(day) AS first_day, max(day) AS last_day
    FROM model.usage_daily
    GROUP BY ALL
    UNION ALL
    SELECT connection.account_no, reported.project_no, reported.key_no, min(reported.day), max(reported.day)
    FROM model.usage_reported AS reported
    JOIN model.connection AS connection ON connection.connection_no = reported.connection_no
    GROUP BY ALL
) AS used
LEFT JOIN model.account AS account ON account.account_no = used.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = used.project_no AND project.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = used.key_no AND key.valid_to IS NULL
GROUP BY ALL
