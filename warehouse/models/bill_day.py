"""model.charges, model.change -> model.bill_day: what each connection's UTC day was billed, and if it may still change.

A day that moved after it had settled is corrected from then on. A day without a line is a bill of 0 once the provider
had its look-back window to write one; until then it has no bill, and what the log says counts. A day with a line that
no known rate converts has no bill either: its sum is not known. A day of which a line could not be read is never
settled: its sum lacks something.
"""

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse import bill_tables, frame

PROVISIONAL, SETTLED, CORRECTED = "provisional", "settled", "corrected"


def settlement(told: str, lookback_days: int) -> str:
    """SQL for whether a day of `told` was read, whole, after the provider's window for corrections.

    The window begins at the day's end; a day of which lines were, or may have been, held back was not read whole.
    """
    is_settled = f"{told}.lacks = 0 AND {told}.read_on - {told}.day > {lookback_days}"
    return f"CASE WHEN {is_settled} THEN '{SETTLED}' ELSE '{PROVISIONAL}' END"


def write(connection: duckdb.DuckDBPyConnection, days: Sequence[tuple[int, date, str]]) -> None:
    """Make the rows of (connection_no, day, settlement) anew; the caller holds the transaction."""
    name = bill_tables.BILL_DAY.full_name
    schema = {"connection_no": pl.Int64, "day": pl.Date, "settlement": pl.String}
    each = {(connection_no, day): settled for connection_no, day, settled in days}
    rows = [(*at, settled) for at, settled in each.items()]
    connection.register("read", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
    made = connection.execute(
        f"""WITH billed AS (
                SELECT connection_no, day, count(*) AS lines, sum(amount_usd) AS amount_usd,
                    count(*) FILTER (amount_usd IS NULL) AS unconverted
                FROM model.charges SEMI JOIN read USING (connection_no, day) GROUP BY ALL
            ), moved AS (
                -- A day may be open again after it had settled: what it was then is remembered by its moves.
                SELECT DISTINCT connection_no, day FROM model.change
                SEMI JOIN (FROM read WHERE settlement = '{SETTLED}') USING (connection_no, day)
                LEFT JOIN billed USING (connection_no, day)
                WHERE basis = 'bill' AND change.settlement IN ('{SETTLED}', '{CORRECTED}')
                    -- A bill of nothing is none while its day is open, and one again after it: nothing moved.
                    AND NOT (change.settlement = '{SETTLED}' AND change.after_usd IS NULL
                        AND change.before_usd IS NOT DISTINCT FROM coalesce(billed.amount_usd, 0))
            )
            SELECT day, connection_no, coalesce(billed.lines, 0) AS lines, coalesce(billed.amount_usd, 0) AS amount_usd,
                CASE WHEN read.settlement = '{PROVISIONAL}' THEN read.settlement
                    WHEN before.settlement = '{CORRECTED}' OR moved.day IS NOT NULL
                        OR (before.settlement = '{SETTLED}' AND before.amount_usd <> coalesce(billed.amount_usd, 0))
                    THEN '{CORRECTED}' ELSE read.settlement END AS settlement
            FROM read
            LEFT JOIN billed USING (connection_no, day)
            LEFT JOIN {name} AS before USING (connection_no, day)
            LEFT JOIN moved USING (connection_no, day)
            WHERE coalesce(unconverted, 0) = 0 AND (billed.lines > 0 OR read.settlement = '{SETTLED}')"""
    ).pl()
    connection.execute(f"DELETE FROM {name} WHERE (connection_no, day) IN (SELECT (connection_no, day) FROM read)")
    connection.unregister("read")
    frame.insert(connection, made, name, bill_tables.BILL_DAY.column_names)
