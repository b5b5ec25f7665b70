-- model.credit_state, model.credit_entry, model.prepaid, model.usage_daily, model.account -> mart.credit_account: how each account's credits stand: balance, tier, what is missing to the next, calls without a known price
WITH left_over AS (
    SELECT account_no, sum(amount_usd)::DECIMAL(38,12) AS balance_usd FROM model.credit_entry GROUP BY ALL
), unpriced AS (
    SELECT prepaid.account_no, sum(usage.unpriced_requests)::BIGINT AS unpriced_requests
    FROM model.prepaid AS prepaid
    JOIN model.usage_daily AS usage
        ON usage.account_no = prepaid.caller_no AND usage.day BETWEEN prepaid.from_day AND prepaid.last_day
    GROUP BY ALL
)
SELECT
    account.label AS account,
    coalesce(left_over.balance_usd, 0)::DECIMAL(38,12) AS balance_usd,
    state.is_prepaid,
    state.prepaid_from,
    state.factor,
    state.low_usd,
    state.lifetime_usd,
    state.tier,
    state.next_tier,
    state.missing_usd,
    coalesce(unpriced.unpriced_requests, 0) AS unpriced_requests
FROM model.credit_state AS state
LEFT JOIN left_over ON left_over.account_no = state.account_no
LEFT JOIN unpriced ON unpriced.account_no = state.account_no
LEFT JOIN model.account AS account ON account.account_no = state.account_no AND account.valid_to IS NULL
