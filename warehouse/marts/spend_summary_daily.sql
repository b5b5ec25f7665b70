-- model.spend_summary_daily, model.account, model.project, model.team -> mart.spend_summary_daily: mart.spend_daily without keys and invoices, for what is asked often
SELECT
    spend.day,
    account.label AS account,
    project.label AS project,
    team.label AS team,
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
    spend.is_priced
FROM model.spend_summary_daily AS spend
LEFT JOIN model.account AS account ON account.account_no = spend.account_no AND account.valid_to IS NULL
LEFT JOIN model.project AS project ON project.project_no = spend.project_no AND project.valid_to IS NULL
LEFT JOIN model.team AS team ON team.team_no = spend.team_no AND team.valid_to IS NULL
