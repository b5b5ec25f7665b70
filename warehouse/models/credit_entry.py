"""model.usage_daily|prepaid|plan_cover|expired_before -> model.credit_entry: one row per transaction of the ledger.

What is deducted of an account, day and model is what its calls cost at the list price of their day, times the factor
that holds on it; a call that a plan pays for costs nothing, one without a known price nothing yet. The ledger itself is
in control.sqlite; this is its copy.
"""

from collections.abc import Sequence
from decimal import Decimal

import duckdb

from warehouse import credit_tables, database
from warehouse.control import credit
from warehouse.control.credit import Cell, Posting

# Days whose calls have expired say nothing any more of what was deducted.
_DUE = f"""
WITH known AS (
    SELECT coalesce(max(before), DATE '0001-01-01') AS since FROM model.expired_before WHERE table_name = 'usage_daily'
), worth AS (
    -- What a log does not name is nothing that could be compared; an empty word is.
    SELECT prepaid.account_no, usage.day, coalesce(usage.provider, '') AS provider, coalesce(usage.model, '') AS model,
        (sum(usage.list_cost_usd)::DECIMAL(30,12) * any_value(prepaid.factor))::{credit_tables.EXACT} AS worth_usd
    FROM model.usage_daily AS usage
    JOIN model.prepaid AS prepaid
        ON prepaid.caller_no = usage.account_no AND usage.day BETWEEN prepaid.from_day AND prepaid.last_day
    ANTI JOIN model.plan_cover AS cover
        ON cover.gateway = usage.gateway AND cover.provider = usage.provider AND cover.account_no = usage.account_no
        AND usage.day BETWEEN cover.starts_on AND cover.ends_on
    WHERE usage.list_cost_usd IS NOT NULL
    GROUP BY ALL
), booked AS (
    SELECT account_no, day, provider, model, sum(usage_usd)::{credit_tables.EXACT} AS booked_usd
    FROM model.credit_entry WHERE kind = 'deduction' GROUP BY ALL
)
SELECT account_no, day, provider, model, coalesce(worth_usd, 0)
FROM worth FULL JOIN booked USING (account_no, day, provider, model), known
WHERE day >= known.since AND coalesce(worth_usd, 0) <> coalesce(booked_usd, 0)
    AND account_no NOT IN (SELECT account_no FROM model.prepaid WHERE is_restricted)
ORDER BY ALL
"""


def due(connection: duckdb.DuckDBPyConnection) -> list[tuple[Cell, Decimal]]:
    """The cells whose usage is worth something else than is deducted, each with what it is worth in USD, exactly."""
    rows = connection.execute(_DUE).fetchall()
    return [(Cell(account_no, day, provider, model), worth) for account_no, day, provider, model, worth in rows]


def newest(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many transactions the copy has, and the newest one's number."""
    query = "SELECT count(*), coalesce(max(tx_no), 0) FROM model.credit_entry"
    ((count, last),) = connection.execute(query).fetchall()
    return count, last


def append(connection: duckdb.DuckDBPyConnection, rows: Sequence[Posting]) -> None:
    """Write transactions of the ledger to its copy, deductions with what they are worth."""
    columns: list[list[object]] = [
        [one.tx_no for one in rows],
        [one.account_no for one in rows],
        [one.day for one in rows],
        [one.kind for one in rows],
        [one.provider for one in rows],
        [one.model for one in rows],
        [credit.from_nano(one.amount_nano) for one in rows],
        [one.usage_usd for one in rows],
        [database.stamp(one.made_at).rstrip("Z") for one in rows],
    ]
    kinds = (column.type for column in credit_tables.CREDIT_ENTRY.columns)
    told = ", ".join(f"unnest(?::{kind}[])" for kind in kinds)
    connection.execute(f"INSERT INTO model.credit_entry SELECT {told}", columns)


def clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty the copy: it is made anew where it is not what the ledger says, as after a build was put back."""
    connection.execute("DELETE FROM model.credit_entry")
