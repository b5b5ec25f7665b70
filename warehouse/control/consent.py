"""Consent to read a connection's bills: given with the connection, withdrawn by its account, both with their dates.

Bound to nothing but the connection's number: whatever makes connections notes the consent, whatever pulls asks here.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database
from warehouse.errors import WarehouseError


@dataclass(frozen=True)
class Consent:
    """Of a connection: since when it may be read (UTC), and when that was withdrawn; None while it holds."""

    connection_no: int
    source: str
    provider: str
    given_at: datetime
    withdrawn_at: datetime | None


def give(control: sqlite3.Connection, account_no: int, connection_no: int, now: datetime) -> None:
    """Consent to a connection, for the first time or again; WarehouseError for a connection of another account."""
    _own(control, account_no, connection_no)
    control.execute(
        """INSERT INTO consent VALUES (?, ?, ?, NULL)
           ON CONFLICT (connection_no) DO UPDATE SET given_at = excluded.given_at, withdrawn_at = NULL""",
        (connection_no, account_no, database.stamp(now)),
    )


def withdraw(control: sqlite3.Connection, account_no: int, connection_no: int, now: datetime) -> None:
    """Withdraw it: the connection is not pulled any more, from the next look at it on; what was read stays.

    WarehouseError for a connection of another account. A second withdrawal leaves the first one's date.
    """
    _own(control, account_no, connection_no)
    control.execute(
        """INSERT INTO consent SELECT connection_no, account_no, created_at, ? FROM connection WHERE connection_no = ?
           ON CONFLICT (connection_no) DO UPDATE SET withdrawn_at = coalesce(withdrawn_at, excluded.withdrawn_at)""",
        (database.stamp(now), connection_no),
    )


def is_withdrawn(control: sqlite3.Connection, connection_no: int) -> bool:
    """Whether a connection may not be read any more."""
    query = "SELECT 1 FROM consent WHERE connection_no = ? AND withdrawn_at IS NOT NULL"
    return control.execute(query, (connection_no,)).fetchone() is not None


def of_account(control: sqlite3.Connection, account_no: int) -> list[Consent]:
    """An account's connections with their consent; one that was made without saying so was given with it."""
    rows = control.execute(
        """SELECT connection.connection_no, source, provider, coalesce(given_at, created_at), withdrawn_at
           FROM connection LEFT JOIN consent USING (connection_no) WHERE connection.account_no = ?
           ORDER BY source, connection.connection_no""",
        (account_no,),
    )
    return [
        Consent(number, source, provider, database.moment(given), None if gone is None else database.moment(gone))
        for number, source, provider, given, gone in rows
    ]


def _own(control: sqlite3.Connection, account_no: int, connection_no: int) -> None:
    query = "SELECT 1 FROM connection WHERE connection_no = ? AND account_no = ?"
    if control.execute(query, (connection_no, account_no)).fetchone() is None:
        raise WarehouseError("this account has no such connection")
