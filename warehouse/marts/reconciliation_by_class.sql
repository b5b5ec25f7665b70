-- model.reconciliation, model.connection, model.account, model.key -> mart.reconciliation_by_class: the same by class of tokens: of keys the provider alone tells there
SELECT
    told.day,
    account.label AS account,
    connection.provider,
    told.connection_no,
    nullif(told.model, '') AS model,
    key.label AS key_label,
    told.token_class,
    told.log_tokens,
    told.usage_tokens,
    told.log_cost_usd,
    told.usage_cost_usd,
    told.bill_cost_usd
FROM model.reconciliation AS told
JOIN model.connection AS connection ON connection.connection_no = told.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = told.key_no AND key.valid_to IS NULL
