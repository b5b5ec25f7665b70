"""Tickets: what a person does once, by a link: the operator's sign-in, a reset, an invitation, another address.

The ticket itself is in the link alone; here rests its hash. It is used once, and only while it lasts.
"""

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from warehouse import database
from warehouse.control.member import Member, Role
from warehouse.control.session import lookup
from warehouse.control.vault import Vault

Kind = Literal["link", "reset", "invitation", "address"]
LASTS: dict[Kind, timedelta] = {
    "link": timedelta(minutes=15),
    "reset": timedelta(minutes=10),
    "invitation": timedelta(days=3),
    "address": timedelta(minutes=30),
}
_EMAIL = "ticket.sealed_email"


@dataclass(frozen=True)
class Ticket:
    """A ticket that is good: for a member, or, an invitation, for an address that becomes a member of the account."""

    kind: Kind
    account_no: int
    member_no: int | None
    sealed_email: str | None
    role: Role | None
    projects: tuple[str, ...] | None

    def email(self, vault: Vault) -> str:
        """The address that an invitation or a change is for."""
        return vault.open(self.account_no, _EMAIL, self.sealed_email or "")


def link(control: sqlite3.Connection, member: Member, now: datetime) -> str:
    """A ticket that signs a member in; returns what the link carries."""
    return _made(control, "link", now, member.account_no, member.member_no)


def reset(control: sqlite3.Connection, member: Member, now: datetime, *, ends_others: bool = True) -> str:
    """A ticket that sets a new password; those made before for the member are good no more, unless told otherwise."""
    with database.transaction(control):
        if ends_others:
            end_resets(control, member.member_no, now)
        return _made(control, "reset", now, member.account_no, member.member_no)


def end_resets(control: sqlite3.Connection, member_no: int, now: datetime) -> None:
    """Every ticket that would set a password for the member is good no more."""
    query = "UPDATE ticket SET used_at = ? WHERE member_no = ? AND kind = 'reset' AND used_at IS NULL"
    control.execute(query, (database.stamp(now), member_no))


def address(control: sqlite3.Connection, vault: Vault, member: Member, email: str, now: datetime) -> str:
    """A ticket that makes an address the member's; it proves that mail to it is read."""
    sealed = vault.seal(member.account_no, _EMAIL, email)
    return _made(control, "address", now, member.account_no, member.member_no, sealed)


def invitation(
    control: sqlite3.Connection,
    vault: Vault,
    account_no: int,
    email: str,
    role: Role,
    projects: tuple[str, ...] | None,
    now: datetime,
) -> str:
    """A ticket that makes an address a member of the account."""
    sealed = vault.seal(account_no, _EMAIL, email)
    return _made(control, "invitation", now, account_no, None, sealed, role, projects)


def _made(
    control: sqlite3.Connection,
    kind: Kind,
    now: datetime,
    account_no: int,
    member_no: int | None,
    sealed: str | None = None,
    role: Role | None = None,
    projects: tuple[str, ...] | None = None,
) -> str:
    token = secrets.token_urlsafe(32)
    listed = None if projects is None else json.dumps(projects)
    ends = database.stamp(now + LASTS[kind])
    row = (lookup(token), kind, account_no, member_no, sealed, role, listed, database.stamp(now), ends)
    control.execute("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
    return token


def find(control: sqlite3.Connection, kind: Kind, token: str, now: datetime) -> Ticket | None:
    """A ticket that is good for this; None where it is unknown, of another kind, used or too old."""
    row = control.execute(
        """SELECT kind, account_no, member_no, sealed_email, role, projects FROM ticket
           WHERE lookup = ? AND kind = ? AND used_at IS NULL AND expires_at > ?""",
        (lookup(token), kind, database.stamp(now)),
    ).fetchone()
    if row is None:
        return None
    listed = None if row[5] is None else tuple(json.loads(row[5]))
    return Ticket(row[0], row[1], row[2], row[3], cast("Role | None", row[4]), listed)


def invited(control: sqlite3.Connection, vault: Vault, account_no: int) -> list[tuple[bytes, str]]:
    """The hash and the address of every invitation of an account that was not used."""
    query = "SELECT lookup, sealed_email FROM ticket WHERE account_no = ? AND sealed_email IS NOT NULL"
    rows = control.execute(query, (account_no,)).fetchall()
    return [(found_by, vault.open(account_no, _EMAIL, sealed)) for found_by, sealed in rows]


def use(control: sqlite3.Connection, kind: Kind, token: str, now: datetime) -> Ticket | None:
    """Use a ticket up; None where it is good no more. Of two at once one gets it; the caller holds the transaction."""
    found = find(control, kind, token, now)
    if found is not None:
        query = "UPDATE ticket SET used_at = ?, sealed_email = NULL WHERE lookup = ?"
        control.execute(query, (database.stamp(now), lookup(token)))
    return found
