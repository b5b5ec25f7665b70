-- model.use_monthly, model.account, model.project, model.key -> mart.last_use: the first and the last UTC day on which a key was used in a project, as far back as days tell keys
SELECT
    account.label AS account,
    project.label AS project,
    key.label AS key_label,
    min(used.first_day) AS first_day,
    max(used.last_day) AS last_day
FROM model.use_monthly AS used
LEFT JOIN model.account AS account ON account.account_no = used.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = used.project_no AND project.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = used.key_no AND key.valid_to IS NULL
GROUP BY ALL
