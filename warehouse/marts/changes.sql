-- model.change, model.account -> mart.changes: which days moved by how much, when and why; a figure's newest after is what it is
SELECT
    change.day,
    account.label AS account,
    change.provider,
    change.source,
    change.basis,
    change.changed_at,
    change.reason,
    change.settlement,
    change.before_usd,
    change.after_usd,
    (coalesce(change.after_usd, 0) - coalesce(change.before_usd, 0))::DECIMAL(38,12) AS moved_usd,
    coalesce(change.after_requests, 0) - coalesce(change.before_requests, 0) AS moved_requests,
    coalesce(change.after_tokens, 0) - coalesce(change.before_tokens, 0) AS moved_tokens,
    date_diff('day', change.day, change.changed_at::DATE) AS age_days
FROM model.change AS change
LEFT JOIN model.account AS account ON account.account_no = change.account_no AND account.valid_to IS NULL
