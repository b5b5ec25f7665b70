-- model.spend_daily, model.account, model.project, model.team, model.key -> mart.spend_daily: spend by UTC day and name, safe to SUM
SELECT
    spend.day,
    account.label AS account,
    project.label AS project,
    team.label AS team,
    key.label AS key_label,
    spend.provider,
    spend.model,
    spend.requests,
    spend.error_requests,
    spend.input_tokens,
    spend.output_tokens,
    spend.cache_read_tokens,
    spend.cost_usd,
    spend.unpriced_requests,
    spend.basis,
    spend.settlement,
    spend.invoice,
    spend.connection_no,
    spend.uncached_tokens,
    spend.cache_write_5m_tokens,
    spend.cache_write_1h_tokens,
    spend.audio_in_tokens,
    spend.image_in_tokens,
    spend.text_out_tokens,
    spend.reasoning_out_tokens,
    spend.audio_out_tokens,
    spend.list_cost_usd
FROM model.spend_daily AS spend
LEFT JOIN model.account AS account ON account.account_no = spend.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = spend.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = spend.team_no AND team.valid_to IS NULL
LEFT JOIN model.key AS key ON key.key_no = spend.key_no AND key.valid_to IS NULL
