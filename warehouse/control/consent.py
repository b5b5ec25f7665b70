"""Consent to read a connection's bills: given with the connection, withdrawn by its account, both with their dates.

Who withdraws it has the stored key destroyed with it, so that it is given again by giving a key. Whatever pulls asks
here.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database
from warehouse.control import stored_key
from warehouse.errors import WarehouseError


@dataclass(frozen=True)
class Consent:
    """Of a connection: since when it may be read (UTC), and when that was withdrawn; None while it holds.

    `label` is what it is called where its key is one that was given; None where it is the environment's.
    """

    connection_no: int
    source: str
    provider: str
    given_at: datetime
    withdrawn_at: datetime | None
    label: str | None

    @property
    def is_stored(self) -> bool:
        """Whether its key is one that was given."""
        return self.label is not None

    @property
    def title(self) -> str:
        """What tells it from the account's others."""
        return self.source if self.label is None else f"{self.source}, {self.label}"


def give(control: sqlite3.Connection, account_no: int, connection_no: int, now: datetime) -> None:
    """Consent to a connection, for the first time or again.

    WarehouseError for a connection of another account, and where the key was destroyed: it is asked for anew.
    """
    _own(control, account_no, connection_no)
    query = "SELECT provider FROM credential WHERE connection_no = ? AND state = 'removed'"
    if row := control.execute(query, (connection_no,)).fetchone():
        raise WarehouseError(
            f"its key was destroyed: give it anew on the page of connections or with `apiledger connect {row[0]}`, "
            "which is the consent"
        )
    control.execute(
        """INSERT INTO consent VALUES (?, ?, ?, NULL)
           ON CONFLICT (connection_no) DO UPDATE SET given_at = excluded.given_at, withdrawn_at = NULL""",
        (connection_no, account_no, database.stamp(now)),
    )


def withdraw(
    control: sqlite3.Connection, account_no: int, connection_no: int, now: datetime, actor_no: int | None = None
) -> bool:
    """Withdraw it: the stored key is destroyed with its data key, and nothing is pulled any more; what was read stays.

    Gives whether a key was destroyed: one in the environment is its keeper's to take away. WarehouseError for a
    connection of another account. A second withdrawal leaves the first one's date.
    """
    _own(control, account_no, connection_no)
    with database.transaction(control):
        control.execute(
            """INSERT INTO consent
               SELECT connection_no, account_no, created_at, ? FROM connection WHERE connection_no = ?
               ON CONFLICT (connection_no) DO UPDATE
               SET withdrawn_at = coalesce(withdrawn_at, excluded.withdrawn_at)""",
            (database.stamp(now), connection_no),
        )
        gone = stored_key.destroy(control, account_no, connection_no, now, actor_no, "by=withdrawal")
    if gone:
        stored_key.leave_no_copy(control)
    return gone


def is_withdrawn(control: sqlite3.Connection, connection_no: int) -> bool:
    """Whether a connection may not be read any more."""
    query = "SELECT 1 FROM consent WHERE connection_no = ? AND withdrawn_at IS NOT NULL"
    return control.execute(query, (connection_no,)).fetchone() is not None


def of_account(control: sqlite3.Connection, account_no: int) -> list[Consent]:
    """An account's connections with their consent; one that was made without saying so was given with it."""
    rows = control.execute(
        """SELECT connection.connection_no, source, connection.provider, coalesce(given_at, created_at), withdrawn_at,
             credential.label
           FROM connection LEFT JOIN consent USING (connection_no) LEFT JOIN credential USING (connection_no)
           WHERE connection.account_no = ? ORDER BY source, connection.connection_no""",
        (account_no,),
    )
    return [
        Consent(number, source, provider, database.moment(given), gone and database.moment(gone), label)
        for number, source, provider, given, gone, label in rows
    ]


def _own(control: sqlite3.Connection, account_no: int, connection_no: int) -> None:
    query = "SELECT 1 FROM connection WHERE connection_no = ? AND account_no = ?"
    if control.execute(query, (connection_no, account_no)).fetchone() is None:
        raise WarehouseError("this account has no such connection")
