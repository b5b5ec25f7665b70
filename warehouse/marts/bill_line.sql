-- model.charges, model.bill_day, model.connection, model.account, model.project, model.key -> mart.bill_line: each kind of line of a UTC day's bill, in the provider's own words
SELECT
    charge.day,
    account.label AS account,
    connection.provider,
    charge.connection_no,
    project.label AS project,
    key.label AS key_label,
    charge.service,
    charge.line,
    charge.model,
    charge.service_tier,
    charge.token_type,
    coalesce(charge.charge_category, 'Usage') AS charge_category,
    charge.quantity,
    charge.quantity_unit,
    charge.amount_usd,
    charge.list_amount_usd,
    coalesce(billed.settlement, 'provisional') AS settlement
FROM model.charges AS charge
JOIN model.connection AS connection ON connection.connection_no = charge.connection_no
LEFT JOIN model.bill_day AS billed ON billed.day = charge.day AND billed.connection_no = charge.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = charge.project_no AND project.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = charge.key_no AND key.valid_to IS NULL
