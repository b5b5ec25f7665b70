"""model.charges -> model.bill_day: what each connection's UTC day was billed, and whether that may still change.

A day that moved after it had settled is corrected from then on. A day without a line is a bill of 0 once the provider
had its look-back window to write one; until then it has no bill, and what the log says counts. A day with a line that
no known rate converts has no bill either: its sum is not known.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import duckdb

from warehouse import bill_tables

PROVISIONAL, SETTLED, CORRECTED = "provisional", "settled", "corrected"


def settlement(day: date, read_on: date, lookback_days: int) -> str:
    """Whether a day was read after the provider's window for corrections, which begins when the day ends."""
    return SETTLED if (read_on - day).days > lookback_days else PROVISIONAL


def write(connection: duckdb.DuckDBPyConnection, days: Sequence[tuple[int, date, str]]) -> None:
    """Make the rows of (connection_no, day, settlement) anew; the caller holds the transaction."""
    name = bill_tables.BILL_DAY.full_name
    for connection_no, day, settled in days:
        query = f"SELECT amount_usd, settlement FROM {name} WHERE connection_no = ? AND day = ?"
        before = connection.execute(query, [connection_no, day]).fetchone()
        connection.execute(f"DELETE FROM {name} WHERE connection_no = ? AND day = ?", [connection_no, day])
        ((lines, amount, unconverted),) = connection.execute(
            """SELECT count(*), coalesce(sum(amount_usd), 0), count(*) FILTER (amount_usd IS NULL)
               FROM model.charges WHERE connection_no = ? AND day = ?""",
            [connection_no, day],
        ).fetchall()
        if not unconverted and (lines or settled == SETTLED):
            is_moved = before is not None and before[0] != amount
            is_corrected = before is not None and (before[1] == CORRECTED or (before[1] == SETTLED and is_moved))
            row = [day, connection_no, lines, Decimal(amount), CORRECTED if is_corrected else settled]
            connection.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)", row)
