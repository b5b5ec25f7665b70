"""Notices: mails that tell a member what happened to their account, or will: nobody asked for them.

A notice's row says what happened and to whom, by number; what it says in words is made when it goes out. An address is
in it only where it was the member's then and may be another by now, and sealed. Nobody is told who has no address, or
where no mail server is named.
"""

import secrets
import sqlite3
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal, cast

from warehouse import database
from warehouse.control import acceptance, letter
from warehouse.control import member as members
from warehouse.control.acceptance import PolicyText
from warehouse.control.member import Member
from warehouse.control.outbox import MESSAGE_DOMAIN, Lease
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError

Kind = Literal[
    "sign_in", "failed_sign_ins", "password_changed", "address_changed", "key_added", "key_replaced", "key_removed",
    "policy_changed", "account_idle", "request_answered",
]  # fmt: skip
# The class under which each is sent.
MAIL_CLASSES: dict[Kind, str] = {
    "sign_in": "security",
    "failed_sign_ins": "security",
    "password_changed": "security",
    "address_changed": "security",
    "key_added": "security",
    "key_replaced": "security",
    "key_removed": "security",
    "policy_changed": "policy",
    "account_idle": "account",
    "request_answered": "account",
}
# What happened a week ago alarms nobody any more; a text that will hold, or an erasure that will come, is told late.
WAITS = timedelta(days=7)
# How long before its erasure the owners of an account that nobody uses are told.
IDLE_WARNING = timedelta(days=30)
_OUTLIVE_THE_WAIT = ("policy_changed", "account_idle")
_KEYS = ("key_added", "key_replaced", "key_removed")
_EMAIL = "notice.sealed_email"


@dataclass(frozen=True)
class Notice:
    """What a notice says and to whom; `happened_at` is UTC. Of the rest each kind has its own part.

    `times` is how often a sign-in failed, `source` and `label` are a key's provider and name, `text` a text of the
    policy, `unused_until` the day after which an account that nobody uses may be erased, `number` a request's, which
    `is_question` or one of rights;
    `is_old_address` where the receiver is who the member was until now.
    """

    kind: Kind
    receiver: str
    happened_at: datetime
    times: int = 0
    source: str = ""
    label: str = ""
    text: PolicyText | None = None
    unused_until: date | None = None
    number: int = 0
    is_old_address: bool = False
    is_question: bool = True


def tell(
    control: sqlite3.Connection,
    member: Member,
    kind: Kind,
    now: datetime,
    *,
    about_no: int | None = None,
    at: tuple[Vault, str] | None = None,
) -> bool:
    """Queue a notice to a member, in the caller's transaction where there is one; whether there is anybody to tell.

    It goes to the address that is theirs when it goes out, or to the one `at` names, which is kept sealed.
    """
    if not letter.has_server(control) or not (at or _has_address(control, member.member_no)):
        return False
    sealed = None if at is None else at[0].seal(member.account_no, _EMAIL, at[1])
    row = (kind, member.account_no, member.member_no, sealed, about_no, database.stamp(now))
    if control.in_transaction:
        _queue(control, row, now)
    else:
        with database.transaction(control):
            _queue(control, row, now)
    return True


def _has_address(control: sqlite3.Connection, member_no: int) -> bool:
    query = "SELECT 1 FROM member WHERE member_no = ? AND sealed_email IS NOT NULL"
    return control.execute(query, (member_no,)).fetchone() is not None


def _queue(control: sqlite3.Connection, row: tuple[Kind, int, int, str | None, int | None, str], now: datetime) -> None:
    moment = database.stamp(now)
    made = control.execute(
        """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
           VALUES (?, ?, ?, 'queued', ?, ?)""",
        (row[1], MAIL_CLASSES[row[0]], f"<{secrets.token_hex(16)}@{MESSAGE_DOMAIN}>", moment, moment),
    )
    control.execute("INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?, ?)", (made.lastrowid, *row))


def tell_owners(
    control: sqlite3.Connection, account_no: int, kind: Kind, now: datetime, *, about_no: int | None = None
) -> int:
    """The same to every owner of an account; how many are told."""
    owners = [one for one in members.of_account(control, account_no) if one.is_owner]
    return sum(tell(control, one, kind, now, about_no=about_no) for one in owners)


def is_one(control: sqlite3.Connection, lease: Lease) -> bool:
    """Whether a leased mail is a notice."""
    return control.execute("SELECT 1 FROM notice WHERE mail_no = ?", (lease.mail_no,)).fetchone() is not None


def opened(control: sqlite3.Connection, vault: Vault, lease: Lease, now: datetime) -> Notice | None:
    """What a leased notice says at this moment; None where it is too late, or nobody is to be told any more."""
    row = control.execute(
        "SELECT kind, account_no, member_no, sealed_email, about_no, happened_at FROM notice WHERE mail_no = ?",
        (lease.mail_no,),
    ).fetchone()
    if row is None:
        return None
    kind, account_no, member_no, sealed, about_no, happened = cast("tuple[Kind, int, int, str | None, int, str]", row)
    moment = database.moment(happened)
    if kind not in _OUTLIVE_THE_WAIT and now - moment > WAITS:
        return None
    receiver = _receiver(control, vault, account_no, member_no, sealed)
    if receiver is None:
        return None
    said = Notice(kind, receiver, moment, is_old_address=kind == "address_changed" and sealed is not None)
    return _about(control, said, account_no, about_no or 0, now)


def _about(control: sqlite3.Connection, said: Notice, account_no: int, about_no: int, now: datetime) -> Notice | None:
    """The part of its kind; None where what it tells of is gone, or is not the newest any more."""
    if said.kind in _KEYS:
        query = "SELECT provider, label FROM credential WHERE connection_no = ? AND account_no = ?"
        there = control.execute(query, (about_no, account_no)).fetchone()
        return None if there is None else replace(said, source=there[0], label=there[1])
    if said.kind == "policy_changed":
        text = acceptance.of_number(control, about_no)
        # Of two texts that came after one another the newer one has a notice of its own.
        return None if text is None or acceptance.is_superseded(control, text) else replace(said, text=text)
    if said.kind == "account_idle":
        # A mail that waited for a server leaves as much time as one that did not.
        return replace(said, unused_until=max(date.fromordinal(about_no), now.date() + IDLE_WARNING))
    if said.kind == "request_answered":
        query = "SELECT kind FROM rights_request WHERE request_no = ? AND account_no = ?"
        asked = control.execute(query, (about_no, account_no)).fetchone()
        return None if asked is None else replace(said, number=about_no, is_question=asked[0] == "question")
    return replace(said, times=about_no)


def _receiver(
    control: sqlite3.Connection, vault: Vault, account_no: int, member_no: int, sealed: str | None
) -> str | None:
    try:
        if sealed is not None:
            return vault.open(account_no, _EMAIL, sealed)
        there = [one for one in members.of_account(control, account_no) if one.member_no == member_no]
        return members.email_of(control, vault, there[0]) if there else None
    except KeyUnavailableError:
        # The account is erased, and its key with it.
        return None


def sent(control: sqlite3.Connection, lease: Lease, now: datetime) -> None:
    """Note that who had to be told was told, where that is kept."""
    control.execute(
        """UPDATE told SET sent_at = ? WHERE sent_at IS NULL AND (member_no, kind, about_no) IN (
             SELECT member_no, kind, CASE kind WHEN 'policy_changed' THEN about_no ELSE 0 END
             FROM notice WHERE mail_no = ?)""",
        (database.stamp(now), lease.mail_no),
    )


def put_away(control: sqlite3.Connection, lease: Lease) -> None:
    """Forget a notice that has gone out or has nobody to go to, with its mail."""
    query = "DELETE FROM mail WHERE mail_no IN (SELECT mail_no FROM notice WHERE mail_no = ?)"
    control.execute(query, (lease.mail_no,))


def withdraw(control: sqlite3.Connection, account_no: int, kind: Kind) -> None:
    """Forget an account's notices of a kind that nobody has taken yet: what they tell is so no more."""
    control.execute(
        """DELETE FROM mail WHERE state IN ('queued', 'dead')
           AND mail_no IN (SELECT mail_no FROM notice WHERE account_no = ? AND kind = ?)""",
        (account_no, kind),
    )
