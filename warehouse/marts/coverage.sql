-- model.coverage, model.connection, model.account -> mart.coverage: what each source does not tell, in sentences
SELECT connection.source, connection.provider, account.label AS account, coverage.topic, coverage.note, coverage.noted_at
FROM model.coverage AS coverage
JOIN model.connection AS connection ON connection.connection_no = coverage.connection_no
LEFT JOIN model.account AS account ON account.account_no = connection.account_no AND account.valid_to IS NULL
