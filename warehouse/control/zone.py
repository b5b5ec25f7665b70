"""Reporting zones: in which zone's days an account reads its spend. What is at rest stays in UTC hours."""

import sqlite3
from datetime import datetime

from warehouse import database
from warehouse.zone import UTC_NAME, checked

# The row of every account that has none of its own.
_EVERY = 0


def put(control: sqlite3.Connection, account_no: int | None, name: str, now: datetime) -> str:
    """Set the zone of an account, or with None of all that have none; gives its name. WarehouseError for no zone."""
    zone = checked(name)
    with database.transaction(control):
        control.execute(
            "INSERT OR REPLACE INTO zone VALUES (?, ?, ?)", (account_no or _EVERY, zone, database.stamp(now))
        )
    return zone


def remove(control: sqlite3.Connection, account_no: int | None) -> bool:
    """Take back the zone of an account, or with None that of all others; whether there was one."""
    with database.transaction(control):
        return control.execute("DELETE FROM zone WHERE account_no = ?", (account_no or _EVERY,)).rowcount > 0


def rows(control: sqlite3.Connection) -> list[tuple[int | None, str]]:
    """Account (None: every other) and zone, all others last."""
    query = "SELECT nullif(account_no, ?), zone FROM zone ORDER BY account_no = ?, account_no"
    return [(number, zone) for number, zone in control.execute(query, (_EVERY, _EVERY))]


def usual(control: sqlite3.Connection) -> str:
    """The zone of accounts that have none of their own."""
    return dict(rows(control)).get(None, UTC_NAME)
