"""Connections: one credential at one provider, with the day up to which its bills were read.

The first account of an installation is the operator's: it owns the connections whose keys the environment holds, and
pays for the calls of every account that has no connection of its own at that provider. Keys that people gave rest in
`credential.py`.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database
from warehouse.control import audit, refusal
from warehouse.control.outside_id import UNNAMED_ACCOUNT, OutsideIds

# The namespace of the operator's account; no gateway has this name.
OPERATOR = "operator"
# What a connection is called until it gets a name.
MAIN = "main"


@dataclass(frozen=True)
class Connection:
    """A connection: its number, what reads it, its provider, who pays, the UTC day (not included) it was read up to."""

    connection_no: int
    source: str
    provider: str
    account_no: int
    read_until: date | None


def of_environment(
    control: sqlite3.Connection, ids: OutsideIds, source: str, provider: str, now: datetime
) -> Connection:
    """The operator's connection at a provider, made at its first use; the caller holds the transaction."""
    account_no = ids.accounts(OPERATOR, [UNNAMED_ACCOUNT])[UNNAMED_ACCOUNT]
    number = environment_no(control, account_no, source)
    if number is None:
        number = insert(control, source, provider, account_no, now, is_operator=True)
    return of_number(control, number)


def environment_no(control: sqlite3.Connection, account_no: int, source: str) -> int | None:
    """The operator's connection that has no stored key of its own, or has none any more; None where there is none."""
    query = """SELECT connection_no FROM connection WHERE source = ? AND provider = ? AND account_no = ?
               AND connection_no NOT IN (SELECT connection_no FROM credential WHERE state <> 'removed' OR label <> ?)
               ORDER BY created_at"""
    row = control.execute(query, (source, source, account_no, MAIN)).fetchone()
    return None if row is None else int(row[0])


def insert(
    control: sqlite3.Connection, source: str, provider: str, account_no: int, now: datetime, *, is_operator: bool
) -> int:
    """A new connection; its number. The caller holds the transaction."""
    number = secrets.randbelow(2**53 - 1) + 1
    control.execute(
        "INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (number, source, provider, account_no, is_operator, database.stamp(now)),
    )
    return number


def of_number(control: sqlite3.Connection, connection_no: int) -> Connection:
    """The connection of a number that is there."""
    query = "SELECT source, provider, account_no, read_until FROM connection WHERE connection_no = ?"
    ((source, provider, account_no, until),) = control.execute(query, (connection_no,)).fetchall()
    return Connection(connection_no, source, provider, account_no, date.fromisoformat(until) if until else None)


def of_bill(
    control: sqlite3.Connection, ids: OutsideIds, source: str, provider: str, payer: str, now: datetime
) -> Connection:
    """The operator's connection of one payer's account at a provider, as its bills name it, made at its first bill.

    The caller holds the transaction.
    """
    account_no = ids.accounts(OPERATOR, [UNNAMED_ACCOUNT])[UNNAMED_ACCOUNT]
    payer_no = ids.numbers("payer", provider, [(account_no, payer, None)])[account_no, payer]
    query = "SELECT connection_no, read_until FROM connection WHERE source = ? AND provider = ? AND payer_no = ?"
    row = control.execute(query, (source, provider, payer_no)).fetchone()
    if row is None:
        row = (secrets.randbelow(2**53 - 1) + 1, None)
        control.execute(
            "INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at, payer_no)"
            " VALUES (?, ?, ?, ?, 1, ?, ?)",
            (row[0], source, provider, account_no, database.stamp(now), payer_no),
        )
    return Connection(row[0], source, provider, account_no, date.fromisoformat(row[1]) if row[1] else None)


def numbers(control: sqlite3.Connection, source: str) -> list[int]:
    """The connections whose bills a source reads."""
    query = "SELECT connection_no FROM connection WHERE source = ? ORDER BY connection_no"
    return [number for (number,) in control.execute(query, (source,))]


def rows(control: sqlite3.Connection) -> list[tuple[int, str, str, int, bool]]:
    """Every connection in the columns of model.connection."""
    query = "SELECT connection_no, source, provider, account_no, is_operator FROM connection ORDER BY connection_no"
    return [(*names, bool(is_operator)) for *names, is_operator in control.execute(query)]


def refused_since(control: sqlite3.Connection, connection_no: int, key_lookup: bytes) -> datetime | None:
    """When the provider refused this very key last; None where it did not, or the key is another one now."""
    query = "SELECT refused_at FROM connection WHERE connection_no = ? AND refused_key = ?"
    row = control.execute(query, (connection_no, key_lookup)).fetchone()
    return database.moment(row[0]) if row else None


def refuse(control: sqlite3.Connection, connection: Connection, key_lookup: bytes, why: str, now: datetime) -> None:
    """Remember that the provider refused a key, by its keyed hash, and queue one mail the first time it did.

    A key that was refused yesterday and is refused again today is the same refusal; another key, or the same one after
    it had worked, is a new one.
    """
    with database.transaction(control):
        if refused_since(control, connection.connection_no, key_lookup) is None:
            refusal.enqueue(control, connection.connection_no, connection.account_no, now)
        control.execute(
            "UPDATE connection SET refused_key = ?, refused_at = ? WHERE connection_no = ?",
            (key_lookup, database.stamp(now), connection.connection_no),
        )
        skip(control, connection.connection_no, why, now)


def skip(control: sqlite3.Connection, connection_no: int, why: str, now: datetime) -> None:
    """Remember why nothing could be pulled, and since when; `why` names no key and no value."""
    control.execute(
        "UPDATE connection SET skipped = ?, skipped_since = coalesce(skipped_since, ?) WHERE connection_no = ?",
        (why, database.stamp(now), connection_no),
    )


def use(control: sqlite3.Connection, connection_no: int, key_lookup: bytes, now: datetime) -> None:
    """Note from when on a key is used, by its keyed hash."""
    known = control.execute(
        "UPDATE connection SET used_key = ?, used_since = ? WHERE connection_no = ? AND used_key IS NOT ?",
        (key_lookup, database.stamp(now), connection_no, key_lookup),
    )
    if known.rowcount:
        audit.note(control, "key.connected", now, object_no=connection_no)


@dataclass(frozen=True)
class Health:
    """How a connection is: how far it was read, when its key was first used and last refused, why it is skipped.

    `stored` is the state of the key that it has stored; None where its key is the environment's.
    """

    source: str
    read_until: date | None
    used_since: datetime | None
    refused_at: datetime | None
    skipped: str | None
    skipped_since: datetime | None
    stored: str | None = None


def health(control: sqlite3.Connection) -> list[Health]:
    """How every connection is."""
    query = """SELECT source, read_until, used_since, refused_at, skipped, skipped_since, state
               FROM connection LEFT JOIN credential USING (connection_no) ORDER BY source, connection_no"""
    return [
        Health(
            source,
            date.fromisoformat(until) if until else None,
            _moment(used),
            _moment(refused),
            skipped,
            _moment(since),
            stored,
        )
        for source, until, used, refused, skipped, since, stored in control.execute(query)
    ]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else database.moment(text)
