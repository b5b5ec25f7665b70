"""Credentials: the keys to providers' bills that people gave, each of one connection of one account.

A key rests sealed under a data key of its own (`stored_key.py`), bound to its connection; in clear are its last four
characters, for telling two apart, and a keyed hash, for finding the same key again. Who removes one destroys what was
sealed; the connection stays, since its bills do.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database, labels
from warehouse.control import audit, claim, consent, notice, store_file, stored_key
from warehouse.control import connection as connections
from warehouse.control.connection import MAIN, Connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

_HINT_CHARACTERS = 4
# Of a short key the last four characters would tell too much.
_SHORTEST_WITH_HINT = 16


class CredentialError(WarehouseError):
    """A key cannot be kept under this name, or the account is not there."""


@dataclass(frozen=True)
class Credential:
    """A stored key as people see it; `beyond` is what it may do besides reading bills, where that is known.

    `state` is waiting (not tried yet), working, refused or removed. `read_until` is the UTC day, not included, up to
    which its bills are read; `skipped` says why not further, `notes` what its reports leave out.
    """

    connection_no: int
    account_no: int
    provider: str
    label: str
    hint: str | None
    state: str
    beyond: str | None
    added_at: datetime
    checked_at: datetime | None
    read_until: date | None
    skipped: str | None
    notes: tuple[str, ...]


def add(
    control: sqlite3.Connection,
    vault: Vault,
    account_no: int,
    provider: str,
    label: str,
    key: str,
    now: datetime,
    *,
    beyond: str | None = None,
    apart: bool = False,
) -> Credential:
    """Keep a key; under a name that the account has, it takes the place of the key that was there.

    So does the operator's first one take over from the environment's key, with the bills it has read, unless it is
    `apart` from it. The account's owners are told. CredentialError for a name that is none, a key that is kept already,
    and an account that is gone.
    """
    hold_label(label)
    row = control.execute("SELECT is_operator FROM account WHERE account_no = ?", (account_no,)).fetchone()
    if row is None:
        raise CredentialError("there is no such account; `apiledger account list` shows them by number")
    is_operator = bool(row[0])
    if not is_operator:
        name_own(control, vault, account_no, now)
    lookup = lookup_of(vault, provider, key)
    with database.transaction(control):
        same = "SELECT account_no, label FROM credential WHERE provider = ? AND lookup = ?"
        held = control.execute(same, (provider, lookup)).fetchone()
        if held is not None and held != (account_no, label):
            named = f' as "{held[1]}"' if held[0] == account_no else ""
            raise CredentialError(f"this key is connected already{named}: its bill would count twice")
        query = "SELECT connection_no, state FROM credential WHERE account_no = ? AND provider = ? AND label = ?"
        known = control.execute(query, (account_no, provider, label)).fetchone()
        number = known[0] if known else None
        if number is None and is_operator and label == MAIN and not apart:
            number = connections.environment_no(control, account_no, provider)
        if number is None:
            number = connections.insert(control, provider, provider, account_no, now, is_operator=is_operator)
        sealed = stored_key.sealed(vault, account_no, number, key)
        hint = key[-_HINT_CHARACTERS:] if len(key) >= _SHORTEST_WITH_HINT else ""
        control.execute("DELETE FROM credential WHERE connection_no = ?", (number,))
        control.execute(
            """INSERT INTO credential (connection_no, account_no, provider, label, sealed_key, sealed_data_key, hint,
               lookup, state, beyond, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)""",
            (number, account_no, provider, label, *sealed, hint, lookup, beyond, database.stamp(now)),
        )
        stored_key.unmark(control, number)
        if consent.is_withdrawn(control, number):
            consent.give(control, account_no, number, now)
        if held is None:
            takes_over = known is not None and known[1] != "removed"
            audit.note(control, "key.replaced" if takes_over else "key.added", now, object_no=number)
            kind: notice.Kind = "key_replaced" if takes_over else "key_added"
            notice.tell_owners(control, account_no, kind, now, about_no=number)
    if known is None:
        store_file.empty_log(control)
    else:
        stored_key.leave_no_copy(control)
    return find(control, account_no, number)


def hold_label(label: str) -> None:
    """CredentialError where a text is no name for a connection."""
    if not labels.is_label(label):
        raise CredentialError("a connection's name is 1 to 64 letters, digits, blanks and ./:-")


def name_own(control: sqlite3.Connection, vault: Vault, account_no: int, now: datetime) -> None:
    """The rows of an account's own bills carry a label of its own, which it holds: nobody else sees them."""
    with database.transaction(control):
        label = OutsideIds(control, vault, now).own(account_no)
    claim.put(control, label, account_no, now)


def find(control: sqlite3.Connection, account_no: int, connection_no: int) -> Credential:
    """An account's credential; CredentialError where it has none of that number, whoever else may have."""
    for one in of_account(control, account_no):
        if one.connection_no == connection_no:
            return one
    raise CredentialError("there is no such connection")


def of_account(control: sqlite3.Connection, account_no: int | None) -> list[Credential]:
    """The credentials of an account, or of all, by provider and name; removed ones as well."""
    rows = control.execute(
        """SELECT connection_no, credential.account_no, credential.provider, label, hint, state, beyond, added_at,
             checked_at, read_until, skipped
           FROM credential JOIN connection USING (connection_no)
           WHERE credential.account_no = coalesce(?, credential.account_no)
           ORDER BY credential.account_no, credential.provider, label""",
        (account_no,),
    ).fetchall()
    notes: dict[int, list[str]] = {}
    for number, note in control.execute("SELECT connection_no, note FROM coverage ORDER BY connection_no, topic"):
        notes.setdefault(number, []).append(note)
    return [
        Credential(
            number,
            owner,
            provider,
            label,
            hint,
            state,
            beyond,
            database.moment(added),
            checked and database.moment(checked),
            until and date.fromisoformat(until),
            skipped,
            tuple(notes.get(number, ())),
        )
        for number, owner, provider, label, hint, state, beyond, added, checked, until, skipped in rows
    ]


def living(control: sqlite3.Connection, provider: str) -> list[int]:
    """The connections at a provider whose keys are there, the oldest first."""
    query = "SELECT connection_no FROM credential WHERE provider = ? AND state <> 'removed' ORDER BY added_at, 1"
    return [number for (number,) in control.execute(query, (provider,))]


def living_lookup(control: sqlite3.Connection, connection_no: int) -> bytes | None:
    """The keyed hash of a connection's key; None where it was removed."""
    query = "SELECT lookup FROM credential WHERE connection_no = ? AND state <> 'removed'"
    row = control.execute(query, (connection_no,)).fetchone()
    return bytes(row[0]) if row else None


def opened(control: sqlite3.Connection, vault: Vault, connection_no: int) -> tuple[Connection, str] | None:
    """A connection with its key in clear, for one pull; None where it was removed. The key goes nowhere else."""
    query = """SELECT account_no, sealed_key, sealed_data_key FROM credential
               WHERE connection_no = ? AND state <> 'removed'"""
    row = control.execute(query, (connection_no,)).fetchone()
    if row is None:
        return None
    key = stored_key.opened(control, vault, row[0], connection_no, row[1], row[2])
    return connections.of_number(control, connection_no), key


def is_held(control: sqlite3.Connection, provider: str, lookup: bytes, connection_no: int | None = None) -> bool:
    """Whether a connection, or this one, holds the key of a keyed hash."""
    query = "SELECT 1 FROM credential WHERE provider = ? AND lookup = ? AND connection_no = coalesce(?, connection_no)"
    return control.execute(query, (provider, lookup, connection_no)).fetchone() is not None


def lookup_of(vault: Vault, provider: str, key: str) -> bytes:
    """The keyed hash that finds a key again."""
    return vault.lookup("credential", provider, key)


def note(control: sqlite3.Connection, connection_no: int, state: str, now: datetime) -> None:
    """Note how a key was found: working or refused; nothing where the connection has none."""
    query = "UPDATE credential SET state = ?, checked_at = ? WHERE connection_no = ? AND state <> 'removed'"
    control.execute(query, (state, database.stamp(now), connection_no))


def remove(
    control: sqlite3.Connection, account_no: int, connection_no: int, now: datetime, actor_no: int | None = None
) -> Credential:
    """Destroy a key: no pull begins with it any more, and one under way stores nothing; the owners are told.

    CredentialError where the account has no such connection, or has removed it before.
    """
    with database.transaction(control):
        found = find(control, account_no, connection_no)
        if found.state == "removed":
            raise CredentialError("there is no such connection")
        stored_key.destroy(control, account_no, connection_no, now, actor_no)
    stored_key.leave_no_copy(control)
    return found
