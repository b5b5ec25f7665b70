"""Letters: mails that carry a link, because somebody asked for it.

Who asks leaves a row; who sends makes the link, at that moment, so that it rests nowhere and its time begins when it
goes out. A forgotten password is asked for by a keyed hash alone: asking looks nobody up, so that it answers an address
that has no account as one that has.
"""

import json
import os
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from warehouse import database
from warehouse.control import member as members
from warehouse.control import ticket
from warehouse.control.member import Member, Role
from warehouse.control.outbox import MESSAGE_DOMAIN, Lease
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError

Kind = Literal["reset", "invitation", "address"]
MAIL_CLASS = "account"
SERVER_SETTING = "APILEDGER_SMTP"
# Who waited longer for a link has asked again, or does not want it any more.
WAITS = timedelta(hours=1)
_EMAIL = "letter.sealed_email"
# What concerns no account yet is the installation's.
_NOBODYS = 0


@dataclass(frozen=True)
class Letter:
    """What a letter says, to whom, and the ticket of its link, where it has one; `asked_at` is UTC."""

    kind: Kind
    receiver: str
    token: str | None
    asked_at: datetime


def has_server(control: sqlite3.Connection) -> bool:
    """Whether a mail server is named, so that letters go out."""
    url = os.environ.get(SERVER_SETTING)
    if url is not None:
        return bool(url.strip())
    return control.execute("SELECT 1 FROM setting WHERE name = 'mail_server'").fetchone() is not None


def ask_reset(control: sqlite3.Connection, vault: Vault, email: str, now: datetime) -> None:
    """A letter by which whoever has this address sets a new password; where nobody has it, none goes out."""
    _queue(control, "reset", now, lookup=members.lookup(vault, email))


def invite(
    control: sqlite3.Connection,
    vault: Vault,
    account_no: int,
    email: str,
    role: Role,
    projects: tuple[str, ...] | None,
    now: datetime,
) -> None:
    """A letter by which an address becomes a member of the account."""
    sealed = vault.seal(account_no, _EMAIL, email)
    listed = None if projects is None else json.dumps(projects)
    _queue(control, "invitation", now, account_no=account_no, sealed=sealed, role=role, projects=listed)


def ask_address(control: sqlite3.Connection, vault: Vault, member: Member, email: str, now: datetime) -> None:
    """A letter to a new address by which it becomes the member's."""
    sealed = vault.seal(member.account_no, _EMAIL, email)
    _queue(control, "address", now, account_no=member.account_no, member_no=member.member_no, sealed=sealed)


def _queue(
    control: sqlite3.Connection,
    kind: Kind,
    now: datetime,
    *,
    account_no: int | None = None,
    member_no: int | None = None,
    lookup: bytes | None = None,
    sealed: str | None = None,
    role: str | None = None,
    projects: str | None = None,
) -> None:
    moment = database.stamp(now)
    with database.transaction(control):
        # A letter that was given up is told for a day; its link would be good for nothing.
        control.execute(
            "DELETE FROM mail WHERE class = ? AND state = 'dead' AND queued_at < ?",
            (MAIL_CLASS, database.stamp(now - timedelta(days=1))),
        )
        made = control.execute(
            """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
               VALUES (?, ?, ?, 'queued', ?, ?)""",
            (account_no or _NOBODYS, MAIL_CLASS, f"<{secrets.token_hex(16)}@{MESSAGE_DOMAIN}>", moment, moment),
        )
        control.execute(
            "INSERT INTO letter VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (made.lastrowid, kind, account_no, member_no, lookup, sealed, role, projects, moment),
        )


def opened(control: sqlite3.Connection, vault: Vault, lease: Lease, now: datetime) -> Letter | None:
    """What a leased letter says, with a link of this moment; None where it is too late or nobody is to get it."""
    row = control.execute(
        """SELECT kind, account_no, member_no, lookup, sealed_email, role, projects, asked_at FROM letter
           WHERE mail_no = ? AND asked_at > ?""",
        (lease.mail_no, database.stamp(now - WAITS)),
    ).fetchone()
    if row is None:
        return None
    kind, account_no, member_no, found_by, sealed, role, projects, asked = row
    try:
        if kind == "reset":
            receiver, token = _reset(control, vault, found_by, now, ends_others=not lease.may_repeat)
        else:
            receiver, token = vault.open(account_no, _EMAIL, sealed), None
    except KeyUnavailableError:
        # The account is erased, and its key with it.
        return None
    if kind == "invitation":
        listed = None if projects is None else tuple(json.loads(projects))
        token = ticket.invitation(control, vault, account_no, receiver, cast("Role", role), listed, now)
    elif kind == "address":
        there = {one.member_no: one for one in members.of_account(control, account_no)}
        receiver = receiver if member_no in there else ""
        token = ticket.address(control, vault, there[member_no], receiver, now) if receiver else None
    return Letter(kind, receiver, token, database.moment(asked)) if receiver else None


def _reset(
    control: sqlite3.Connection, vault: Vault, found_by: bytes, now: datetime, *, ends_others: bool
) -> tuple[str, str | None]:
    """The address of a hash and a ticket for its member; nothing where nobody has it.

    A letter that may have arrived keeps its link: the one sent now may be taken for the same.
    """
    member = members.find_by(control, found_by)
    email = None if member is None else members.email_of(control, vault, member)
    if member is None or email is None:
        return "", None
    return email, ticket.reset(control, member, now, ends_others=ends_others)


def put_away(control: sqlite3.Connection, lease: Lease) -> None:
    """Forget a letter that has gone out or has nobody to go to, with the address in it."""
    control.execute("DELETE FROM mail WHERE mail_no = ? AND class = ?", (lease.mail_no, MAIL_CLASS))
