-- model.difference, model.connection, model.account, model.key -> mart.difference_cause: why bill and log differ, in parts that add up to it
SELECT
    difference.day,
    account.label AS account,
    connection.provider,
    difference.connection_no,
    difference.model,
    key.label AS key_label,
    difference.token_class,
    difference.cause,
    difference.amount_usd
FROM model.difference AS difference
JOIN model.connection AS connection ON connection.connection_no = difference.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = difference.key_no AND key.valid_to IS NULL
