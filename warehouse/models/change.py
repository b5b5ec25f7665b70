"""model.usage_daily, model.bill_day, model.usage_reported, model.connection -> model.change: which days' figures moved.

A figure is what one source says of one account's day at one provider. It is looked at before and after its day is made
anew; what it was and what it is are kept, never who called. Moves of one UTC date are one row, so a row says how the
date found the figure and how it left it: their number is bounded by days, not by passes.
"""

from collections.abc import Iterable
from datetime import date, datetime

import duckdb
import polars as pl

from warehouse.settlement_tables import CHANGE

_KEY = ("day", "account_no", "basis", "source", "connection_no", "provider")
_KEYS = ", ".join(_KEY)
_LOG = """
    SELECT day, account_no, 'log' AS basis, gateway AS source, NULL::BIGINT AS connection_no, provider,
        'provisional' AS settlement, sum(list_cost_usd)::DECIMAL(38,12) AS usd, sum(requests)::BIGINT AS requests,
        sum(input_tokens + output_tokens)::BIGINT AS tokens
    FROM model.usage_daily WHERE day IN (SELECT unnest($days)) GROUP BY ALL
"""
_TOLD = """
    SELECT bill.day, c.account_no, 'bill' AS basis, c.source, c.connection_no, c.provider, bill.settlement,
        bill.amount_usd AS usd, NULL::BIGINT AS requests, NULL::BIGINT AS tokens
    FROM model.bill_day AS bill JOIN model.connection AS c USING (connection_no)
    WHERE bill.day IN (SELECT unnest($days)) AND bill.connection_no IN (SELECT unnest($connections))
    UNION ALL
    SELECT told.day, c.account_no, 'usage', c.source, c.connection_no, c.provider, 'provisional',
        sum(told.list_cost_usd)::DECIMAL(38,12), sum(told.requests)::BIGINT,
        sum(told.input_tokens + told.output_tokens)::BIGINT
    FROM model.usage_reported AS told JOIN model.connection AS c USING (connection_no)
    WHERE told.day IN (SELECT unnest($days)) AND told.connection_no IN (SELECT unnest($connections)) GROUP BY ALL
"""
# Of one figure: what it was before this making, what it is after it, and what this date found ("kept", "first").
_MOVED = f"""
    WITH side AS (
        SELECT 'before' AS side, * FROM figures_before UNION ALL SELECT 'after', * FROM figures_after
        UNION ALL
        SELECT CASE reason WHEN 'first' THEN 'first' ELSE 'kept' END, {_KEYS}, settlement,
            before_usd, before_requests, before_tokens
        FROM model.change WHERE changed_at >= $date AND changed_at < $date + INTERVAL 1 DAY
    ), figure AS (
        SELECT {_KEYS},
            bool_or(side = 'before') AS was, bool_or(side = 'after') AS "is", bool_or(side = 'kept') AS kept,
            bool_or(side = 'first') OR NOT (bool_or(side = 'before') OR bool_or(side = 'kept')) AS is_first,
            first(settlement) FILTER (side = 'before') AS settlement,
            first(settlement) FILTER (side = 'kept') AS kept_settlement,
            {
    ", ".join(
        f"first({what}) FILTER (side = '{side}') AS {side}_{what}"
        for side in ("before", "after", "kept")
        for what in ("usd", "requests", "tokens")
    )
}
        FROM side GROUP BY ALL
    ), moved AS (
        SELECT *,
            CASE WHEN kept THEN kept_usd WHEN NOT is_first THEN before_usd END AS from_usd,
            CASE WHEN kept THEN kept_requests WHEN NOT is_first THEN before_requests END AS from_requests,
            CASE WHEN kept THEN kept_tokens WHEN NOT is_first THEN before_tokens END AS from_tokens
        FROM figure
        WHERE was IS DISTINCT FROM "is" OR before_usd IS DISTINCT FROM after_usd
            OR before_requests IS DISTINCT FROM after_requests OR before_tokens IS DISTINCT FROM after_tokens
    )
    SELECT {_KEYS}, $changed_at::TIMESTAMP AS changed_at,
        CASE
            WHEN is_first THEN 'first'
            WHEN basis = 'bill' THEN 'restated'
            WHEN from_tokens IS NOT DISTINCT FROM after_tokens AND from_requests IS NOT DISTINCT FROM after_requests
            THEN 'repriced'
            WHEN basis = 'log' THEN 'late'
            ELSE 'restated'
        END AS reason,
        CASE WHEN kept THEN kept_settlement WHEN NOT is_first THEN settlement END AS settlement,
        from_usd AS before_usd, after_usd, from_requests AS before_requests, after_requests,
        from_tokens AS before_tokens, after_tokens,
        CASE WHEN is_first THEN "is" ELSE from_usd IS DISTINCT FROM after_usd
            OR from_requests IS DISTINCT FROM after_requests OR from_tokens IS DISTINCT FROM after_tokens
        END AS stays
    FROM moved
"""


def logged(connection: duckdb.DuckDBPyConnection, days: Iterable[date]) -> pl.DataFrame:
    """What logs say of some days, a row a figure."""
    return connection.execute(_LOG, {"days": list(days)}).pl()


def told(connection: duckdb.DuckDBPyConnection, connection_days: Iterable[tuple[int, date]]) -> pl.DataFrame:
    """What providers bill and count of some connections' days, a row a figure."""
    numbers, days = zip(*connection_days, strict=True)
    return connection.execute(_TOLD, {"days": sorted(set(days)), "connections": sorted(set(numbers))}).pl()


def write(
    connection: duckdb.DuckDBPyConnection, before: pl.DataFrame, after: pl.DataFrame, changed_at: datetime
) -> None:
    """Keep what moved between two looks at the same figures; the caller holds the transaction. `changed_at` is UTC."""
    if before.equals(after):
        return
    connection.register("figures_before", before.to_arrow())
    connection.register("figures_after", after.to_arrow())
    moved = connection.execute(_MOVED, {"date": changed_at.date(), "changed_at": changed_at}).pl()
    connection.unregister("figures_before")
    connection.unregister("figures_after")
    connection.register("moved", moved.to_arrow())
    same = " AND ".join(f"c.{name} IS NOT DISTINCT FROM moved.{name}" for name in _KEY)
    connection.execute(
        f"""DELETE FROM model.change AS c USING moved
            WHERE c.changed_at >= $date AND c.changed_at < $date + INTERVAL 1 DAY AND {same}""",
        {"date": changed_at.date()},
    )
    columns = ", ".join(CHANGE.column_names)
    connection.execute(f"INSERT INTO model.change ({columns}) SELECT {columns} FROM moved WHERE stays")
    connection.unregister("moved")
