"""Which organisation a connection reads, as a keyed hash, and from which moment on its bills may land.

A connection to an organisation that somebody erased had connected is bound: what was erased does not come back with it.
"""

import sqlite3
from datetime import datetime

from warehouse import database


def tell(control: sqlite3.Connection, connection_no: int, organisation: bytes, now: datetime) -> None:
    """Remember an organisation's keyed hash with a connection, and since when; the caller holds the transaction."""
    control.execute(
        "INSERT OR IGNORE INTO billed_organisation VALUES (?, ?, ?)", (connection_no, organisation, database.stamp(now))
    )


def told_before(control: sqlite3.Connection, account_no: int, organisation: bytes, moment: datetime) -> bool:
    """Whether an account had connected an organisation before a moment."""
    query = """SELECT 1 FROM billed_organisation JOIN connection USING (connection_no)
               WHERE account_no = ? AND lookup = ? AND told_at < ?"""
    return control.execute(query, (account_no, organisation, database.stamp(moment))).fetchone() is not None


def key_since(control: sqlite3.Connection, connection_no: int) -> datetime:
    """Since when a connection is read with the key it has, or is there, where files tell of it."""
    query = "SELECT coalesce(used_since, created_at) FROM connection WHERE connection_no = ?"
    ((since,),) = control.execute(query, (connection_no,)).fetchall()
    return database.moment(since)


def lands_from(control: sqlite3.Connection, connection_no: int) -> datetime | None:
    """The moment before which nothing of a connection lands; None where it is not bound."""
    query = "SELECT lands_from FROM bill_bound WHERE connection_no = ?"
    row = control.execute(query, (connection_no,)).fetchone()
    return None if row is None else database.moment(row[0])


def bind(control: sqlite3.Connection, connection_no: int, moment: datetime, refused_days: int) -> int:
    """Bind a connection from a moment on; gives the most days that one pull of it was refused.

    The caller holds the transaction.
    """
    control.execute(
        """INSERT INTO bill_bound VALUES (?, ?, ?) ON CONFLICT (connection_no) DO UPDATE SET
           lands_from = max(lands_from, excluded.lands_from),
           refused_days = max(refused_days, excluded.refused_days)""",
        (connection_no, database.stamp(moment), refused_days),
    )
    query = "SELECT refused_days FROM bill_bound WHERE connection_no = ?"
    ((most,),) = control.execute(query, (connection_no,)).fetchall()
    return int(most)
