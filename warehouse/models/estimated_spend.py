"""raw_<provider>.balance* -> model.estimated_spend: what a balance lost between two looks is what was spent.

Granted and paid-in parts are compared apart, so that a top-up hides nothing of what a grant paid; where a provider
counts up what was used, that is taken instead. What came between two looks counts on the day of the later one: nothing
tells how it fell in between, so a day that nobody looked at has no row, and nothing is counted twice or lost.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import duckdb

from warehouse import coverage_tables
from warehouse.bill_tables import reading_sql
from warehouse.fx import FxRates
from warehouse.models.charges import Told, told_frame
from warehouse.tables import MONEY, Table

_READ = {
    "connection_no": "BIGINT",
    "observed_at": "TIMESTAMP",
    "currency": "VARCHAR",
    "granted_amount": MONEY,
    "topped_up_amount": MONEY,
    "used_amount": MONEY,
}
# A row of the table, in the order of its columns.
Row = tuple[date, int, str, Decimal, Decimal, Decimal | None, Decimal | None, date | None, int, int]


def read_days(
    connection: duckdb.DuckDBPyConnection, source: Table, meaning: Mapping[str, str], told: Told, rates: FxRates
) -> list[Row]:
    """Every day of some snapshots compared with the one before, in the columns of ESTIMATED_SPEND.

    The first snapshot of a currency is what the next is compared with, and no day by itself.
    """
    connection.register("told", told_frame(told).to_arrow())
    found = connection.execute(
        f"""WITH looked AS ({reading_sql(source, "raw_<provider>.balance", _READ, meaning)}), compared AS (
                SELECT connection_no, currency, observed_at,
                    granted_amount - lag(granted_amount) OVER look AS granted,
                    topped_up_amount - lag(topped_up_amount) OVER look AS topped_up,
                    used_amount - lag(used_amount) OVER look AS used,
                    date_diff('minute', lag(observed_at) OVER look, observed_at) AS gap_minutes
                FROM looked WINDOW look AS (PARTITION BY connection_no, currency ORDER BY observed_at)
            )
            SELECT observed_at::DATE AS day, connection_no, currency,
                sum(CASE WHEN used IS NOT NULL THEN greatest(used, 0)
                    ELSE greatest(-granted, 0) + greatest(-topped_up, 0) END)::{MONEY},
                sum(CASE WHEN used IS NOT NULL THEN greatest(granted + topped_up + used, 0)
                    ELSE greatest(granted, 0) + greatest(topped_up, 0) END)::{MONEY},
                count(*), max(gap_minutes)
            FROM compared WHERE gap_minutes IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    connection.unregister("told")
    rows: list[Row] = []
    for day, number, currency, spent, added, snapshots, gap_minutes in found:
        rate = None if currency == "USD" else rates.of(currency, day)
        amount = spent if currency == "USD" else rate.convert(spent) if rate else None
        worth, fx_day = (rate.usd_per_unit, rate.day) if rate else (None, None)
        rows.append((day, number, currency, spent, added, amount, worth, fx_day, snapshots, gap_minutes))
    return rows


def write(connection: duckdb.DuckDBPyConnection, connection_nos: Sequence[int], rows: list[Row]) -> set[date]:
    """Make the rows of some connections anew; the days that changed. The caller holds the transaction."""
    name = coverage_tables.ESTIMATED_SPEND.full_name
    of_them = "WHERE connection_no IN (SELECT unnest(?))"
    bound = [list(connection_nos)]
    changed = set(connection.execute(f"FROM {name} {of_them}", bound).fetchall()) ^ set(rows)
    if not changed:
        return set()
    connection.execute(f"DELETE FROM {name} {of_them}", bound)
    if rows:
        connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return {row[0] for row in changed}
