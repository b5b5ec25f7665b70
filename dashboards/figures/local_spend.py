"""model.spend_local_daily, model.spend_daily, their summaries -> everybody's spend by the days of zones, by number.

What is asked of it is asked of the tables below it: days and accounts come before anything is added up.
"""

from warehouse.zone import UTC_NAME

_COLUMNS = (
    "day, account_no, project_no, team_no, {key}provider, model, requests, error_requests, input_tokens, "
    "output_tokens, cache_read_tokens, cost_usd, unpriced_requests, basis, settlement"
)
# An account in UTC's days has nothing of its own among the local days.
_LOCAL = f"""(
    SELECT {_COLUMNS} FROM model.spend_local{{kind}}_daily
    UNION ALL
    SELECT {_COLUMNS} FROM model.spend{{kind}}_daily
    WHERE CASE (SELECT coalesce(max(zone), '{UTC_NAME}') FROM model.account_zone WHERE account_no IS NULL)
        WHEN '{UTC_NAME}' THEN account_no IS NULL OR account_no NOT IN (
            SELECT account_no FROM model.account_zone WHERE account_no IS NOT NULL AND zone <> '{UTC_NAME}')
        ELSE coalesce(account_no IN (SELECT account_no FROM model.account_zone WHERE zone = '{UTC_NAME}'), false)
    END
)"""

# SQL after FROM.
SPEND = _LOCAL.format(kind="", key="key_no, ")
SUMMARY = _LOCAL.format(kind="_summary", key="")
