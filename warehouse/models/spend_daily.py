"""model.usage_daily, model.usage_reported, model.bill_day, model.estimated_spend, model.plan_day, model.plan_cover, model.invoice_day, model.connection -> model.spend_daily: each dollar once, by day and number."""  # noqa: E501 - the journey is one line

from datetime import date

import duckdb

from warehouse import payer
from warehouse.spend_tables import CLASSES_TOLD
from warehouse.stretch import between

_SPEND = """
WITH used AS (
    SELECT call.* EXCLUDE (upstream_no), named.connection_no
    FROM model.usage_daily AS call {named}
    WHERE {days}
), usage AS (
    SELECT *, list_cost_usd AS listed_usd, false AS is_covered
    FROM used AS usage
    ANTI JOIN model.plan_cover AS cover
        ON cover.gateway = usage.gateway AND cover.provider = usage.provider AND cover.account_no = usage.account_no
        AND usage.day BETWEEN cover.starts_on AND cover.ends_on
    UNION ALL
    -- What a plan pays for costs the plan's fee, a row of its own: such calls count, their price does not.
    SELECT * REPLACE (0::DECIMAL(38,12) AS list_cost_usd, 0::BIGINT AS unpriced_requests), list_cost_usd, true
    FROM used AS usage
    SEMI JOIN model.plan_cover AS cover
        ON cover.gateway = usage.gateway AND cover.provider = usage.provider AND cover.account_no = usage.account_no
        AND usage.day BETWEEN cover.starts_on AND cover.ends_on
), {holder}, bill AS (
    SELECT bill_day.day, bill_day.connection_no, bill_day.amount_usd, invoiced.number AS invoice,
        coalesce(invoiced.settlement, bill_day.settlement) AS settlement, bill_day.settlement AS bill_settlement,
        connection.provider, connection.account_no
    FROM model.bill_day AS bill_day
    JOIN model.connection AS connection ON connection.connection_no = bill_day.connection_no
    LEFT JOIN model.invoice_day AS invoiced
        ON invoiced.day = bill_day.day AND invoiced.connection_no = bill_day.connection_no AND invoiced.is_main
    WHERE bill_day.{days}
), part AS (
    -- What of a bill is on other invoices than its detail, or on none yet.
    SELECT
        bill.day, bill.connection_no, bill.account_no, bill.provider, invoiced.amount_usd, invoiced.number AS invoice,
        coalesce(invoiced.settlement, bill.bill_settlement) AS settlement
    FROM bill
    JOIN model.invoice_day AS invoiced ON invoiced.day = bill.day AND invoiced.connection_no = bill.connection_no
    WHERE NOT invoiced.is_main AND invoiced.amount_usd <> 0
), payer_day AS (
    SELECT day, provider, account_no FROM bill GROUP BY ALL
), claimed AS (
    -- What nobody can say the bill of has no connection here.
    SELECT
        logged.day, {connection} AS connection_no,
        logged.provider, sum(logged.cost_usd) AS cost_usd
    FROM (
        SELECT day, account_no, connection_no, provider, sum(list_cost_usd) AS cost_usd
        FROM usage WHERE NOT is_covered GROUP BY ALL
    ) AS logged {holders}
    WHERE (SELECT count(*) FROM model.connection) > 0
    GROUP BY ALL
), counted AS (
    -- The provider's own count is the detail where no log tells of a connection's day.
    SELECT
        reported.day, reported.connection_no, reported.project_no, reported.key_no, reported.model,
        coalesce(sum(reported.requests), 0)::BIGINT AS requests,
        sum(reported.input_tokens)::BIGINT AS input_tokens,
        sum(reported.output_tokens)::BIGINT AS output_tokens,
        sum(reported.cache_read_tokens)::BIGINT AS cache_read_tokens,
        {sums_reported},
        sum(reported.list_cost_usd)::DECIMAL(38,12) AS cost_usd,
        coalesce(sum(reported.requests) FILTER (reported.list_cost_usd IS NULL), 0)::BIGINT AS unpriced_requests
    FROM model.usage_reported AS reported
    ANTI JOIN claimed ON claimed.day = reported.day AND claimed.connection_no = reported.connection_no
    WHERE reported.{days}
    GROUP BY ALL
), estimated AS (
    -- Counts only where nothing else tells of a connection's day, nor any call that may be of it.
    SELECT
        estimate.day, estimate.connection_no, connection.account_no, connection.provider,
        sum(estimate.amount_usd) AS cost_usd
    FROM model.estimated_spend AS estimate
    JOIN model.connection AS connection ON connection.connection_no = estimate.connection_no
    ANTI JOIN bill ON bill.day = estimate.day AND bill.connection_no = estimate.connection_no
    ANTI JOIN claimed
        ON claimed.day = estimate.day
        AND coalesce(claimed.connection_no, estimate.connection_no) = estimate.connection_no
        AND claimed.provider = connection.provider
    ANTI JOIN counted ON counted.day = estimate.day AND counted.connection_no = estimate.connection_no
    WHERE estimate.{days} AND estimate.amount_usd IS NOT NULL
    GROUP BY ALL
), spend AS (
    SELECT
        logged.day, logged.account_no, logged.project_no, logged.team_no, logged.key_no, logged.provider, logged.model,
        logged.requests, logged.error_requests, logged.input_tokens, logged.output_tokens, logged.cache_read_tokens,
        -- What is in one of several bills already is not added again; spend by source has it.
        CASE
            WHEN {connection} IS NOT NULL
                OR payer_day.day IS NULL OR logged.is_covered
            THEN logged.cost_usd
        END AS cost_usd,
        logged.unpriced_requests, 'log' AS basis, coalesce(bill.settlement, 'provisional') AS settlement, bill.invoice,
        CASE WHEN NOT logged.is_covered THEN {connection} END AS connection_no, {classes}, logged.listed_usd
    FROM (
        SELECT
            day, account_no, connection_no, project_no, team_no, key_no, provider, model, is_covered,
            sum(requests)::BIGINT AS requests,
            sum(error_requests)::BIGINT AS error_requests,
            sum(input_tokens)::BIGINT AS input_tokens,
            sum(output_tokens)::BIGINT AS output_tokens,
            sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
            -- Unpriced calls are not in the sum; unpriced_requests says how many.
            sum(list_cost_usd)::DECIMAL(38,12) AS cost_usd,
            sum(unpriced_requests)::BIGINT AS unpriced_requests,
            {sums},
            sum(listed_usd)::DECIMAL(38,12) AS listed_usd
        FROM usage
        GROUP BY ALL
    ) AS logged {holders}
    LEFT JOIN payer_day
        ON payer_day.day = logged.day AND payer_day.provider = logged.provider
        AND payer_day.account_no = {payer}
    LEFT JOIN bill
        ON bill.day = logged.day AND NOT logged.is_covered
        AND bill.connection_no = {connection}
    UNION ALL
    SELECT
        counted.day, connection.account_no, counted.project_no, NULL, counted.key_no, connection.provider,
        counted.model, counted.requests, 0, counted.input_tokens, counted.output_tokens, counted.cache_read_tokens,
        counted.cost_usd, counted.unpriced_requests, 'usage', coalesce(bill.settlement, 'provisional'),
        bill.invoice, counted.connection_no, {classes}, counted.cost_usd
    FROM counted
    JOIN model.connection AS connection ON connection.connection_no = counted.connection_no
    LEFT JOIN bill ON bill.day = counted.day AND bill.connection_no = counted.connection_no
    UNION ALL
    SELECT
        day, account_no, NULL, NULL, NULL, provider, NULL, 0, 0, 0, 0, 0, cost_usd::DECIMAL(38,12), 0,
        'estimate', 'provisional', NULL, connection_no, {none}, NULL
    FROM estimated
    UNION ALL
    -- One signed row a bill: what it is more, or less, than its detail adds up to and other invoices have.
    SELECT
        bill.day, bill.account_no, NULL, NULL, NULL, bill.provider, NULL, 0, 0, 0, 0, 0,
        (bill.amount_usd - coalesce(detail.cost_usd, 0) - coalesce(other.amount_usd, 0))::DECIMAL(38,12), 0, 'bill',
        bill.settlement, bill.invoice, bill.connection_no, {none}, NULL
    FROM bill
    LEFT JOIN (
        SELECT day, connection_no, sum(cost_usd) AS cost_usd
        FROM (
            SELECT day, connection_no, cost_usd FROM claimed
            UNION ALL
            SELECT day, connection_no, cost_usd FROM counted
        )
        GROUP BY ALL
    ) AS detail ON detail.day = bill.day AND detail.connection_no = bill.connection_no
    LEFT JOIN (SELECT day, connection_no, sum(amount_usd) AS amount_usd FROM part GROUP BY ALL) AS other
        ON other.day = bill.day AND other.connection_no = bill.connection_no
    WHERE bill.amount_usd <> 0 OR detail.cost_usd IS NOT NULL OR other.amount_usd <> 0
    UNION ALL
    SELECT
        day, account_no, NULL, NULL, NULL, provider, NULL, 0, 0, 0, 0, 0, amount_usd, 0, 'bill', settlement, invoice,
        connection_no, {none}, NULL
    FROM part
    UNION ALL
    SELECT
        plan_day.day, plan_day.account_no, NULL, NULL, NULL, plan_day.provider, NULL, 0, 0, 0, 0, 0,
        sum(plan_day.fee_usd)::DECIMAL(38,12), 0, 'plan', coalesce(invoiced.settlement, 'settled'), invoiced.number,
        NULL, {none}, NULL
    FROM model.plan_day AS plan_day
    LEFT JOIN model.invoice_day AS invoiced ON invoiced.day = plan_day.day AND invoiced.plan_no = plan_day.plan_no
    WHERE plan_day.{days}
    GROUP BY ALL
)
SELECT
    day, account_no, project_no, team_no, key_no, provider, model, requests, error_requests, input_tokens,
    output_tokens, cache_read_tokens, cost_usd, unpriced_requests, basis, settlement, invoice, connection_no, {classes},
    listed_usd
FROM spend
"""
_CLASSES = [column.name for column in CLASSES_TOLD]

_PAID = {
    "holder": payer.HOLDER,
    "holders": payer.holders("logged"),
    "named": payer.named("call", "call.day"),
    "connection": payer.connection("logged"),
    "payer": payer.PAYER,
    "classes": ", ".join(_CLASSES),
    "sums": ", ".join(f"sum({name})::BIGINT AS {name}" for name in _CLASSES),
    "sums_reported": ", ".join(f"sum(reported.{name})::BIGINT AS {name}" for name in _CLASSES),
    "none": ", ".join("0" * len(_CLASSES)),
}


def write(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Replace the days from `first` to `last`, both included; the caller holds the transaction."""
    days = between(first, last)
    connection.execute(f"DELETE FROM model.spend_daily WHERE {days}")
    connection.execute(f"INSERT INTO model.spend_daily {_SPEND.format(days=days, **_PAID)}")
