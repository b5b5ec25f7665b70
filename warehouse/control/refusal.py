"""Refused keys: one row and one security mail each time a provider begins to refuse a connection's key.

The mail is made in the transaction that pauses the connection. Once a key works again, a mail that nobody took yet is
withdrawn: what it asks for is done.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database
from warehouse.control.outbox import MESSAGE_DOMAIN, Lease

MAIL_CLASS = "security"


@dataclass(frozen=True)
class Refusal:
    """A refused key as its mail tells of it: which source, when (UTC), and up to which day bills were read by then.

    `holder_no` is the account whose connection has the key stored; None for a key of the environment.
    """

    source: str
    refused_at: datetime
    read_until: date | None
    holder_no: int | None = None


def enqueue(control: sqlite3.Connection, connection_no: int, account_no: int, now: datetime) -> None:
    """Make a refusal's row and its mail; the caller holds the transaction."""
    moment = database.stamp(now)
    made = control.execute(
        """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
           VALUES (?, ?, ?, 'queued', ?, ?)""",
        (account_no, MAIL_CLASS, f"<{secrets.token_hex(16)}@{MESSAGE_DOMAIN}>", moment, moment),
    )
    control.execute(
        "INSERT INTO refusal SELECT ?, connection_no, ?, read_until FROM connection WHERE connection_no = ?",
        (made.lastrowid, moment, connection_no),
    )


def told_by(control: sqlite3.Connection, lease: Lease) -> Refusal | None:
    """What a leased security mail tells of; None where its connection is gone."""
    row = control.execute(
        """SELECT source, refusal.refused_at, refusal.read_until, credential.account_no
           FROM refusal JOIN connection USING (connection_no) LEFT JOIN credential USING (connection_no)
           WHERE mail_no = ?""",
        (lease.mail_no,),
    ).fetchone()
    if row is None:
        return None
    source, refused_at, read_until, holder_no = row
    until = date.fromisoformat(read_until) if read_until else None
    return Refusal(source, database.moment(refused_at), until, holder_no)


def mend(control: sqlite3.Connection, connection_no: int, now: datetime) -> None:
    """Withdraw the mails of a connection that works again, where nobody took them; the caller holds the transaction."""
    control.execute(
        """UPDATE mail SET state = 'withdrawn', ended_at = ? WHERE state IN ('queued', 'dead')
           AND mail_no IN (SELECT mail_no FROM refusal WHERE connection_no = ?)""",
        (database.stamp(now), connection_no),
    )
