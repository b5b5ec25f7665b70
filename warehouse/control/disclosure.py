"""Disclosures: data that leaves for the law, for safety, in a merger or by consent; asked by one, approved by another.

What is asked for, and for whose key, is what is approved. Nothing is written out before, twice, or after its time.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from warehouse import database
from warehouse.control import audit
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

Ground = Literal["law", "safety", "merger", "consent"]
GROUNDS: tuple[Ground, ...] = ("law", "safety", "merger", "consent")
SHORTEST_REASON = 20
# An approval is for now; later it is asked for again.
GOOD_FOR = timedelta(days=7)
_REASON = "disclosure.sealed_reason"


class DisclosureError(WarehouseError):
    """A disclosure lacks a reason, an approver or its time; the message says which."""


@dataclass(frozen=True)
class Disclosure:
    """One disclosure: of an account, or of all (None), on which ground, to which key, by whom, how far it is (UTC)."""

    disclosure_no: int
    account_no: int | None
    ground: Ground
    recipient: str
    asked_by: int
    asked_at: datetime
    approved_by: int | None
    approved_at: datetime | None
    made_at: datetime | None


def ask(
    control: sqlite3.Connection,
    vault: Vault,
    member: Member,
    account_no: int | None,
    ground: Ground,
    reason: str,
    recipient: str,
    now: datetime,
) -> int:
    """Ask for a disclosure to the key of a fingerprint; gives its number. DisclosureError without a reason or right.

    All accounts at once leave in a merger alone, and a merger is of all.
    """
    _hold_operator(member)
    if (ground == "merger") != (account_no is None):
        raise DisclosureError("a merger is of all accounts, and all accounts leave in a merger alone")
    if len(reason.strip()) < SHORTEST_REASON:
        raise DisclosureError(f"say why, in {SHORTEST_REASON} characters at least: who asks, and by what right")
    # The reason goes with the account it is about.
    sealed = vault.seal(member.account_no if account_no is None else account_no, _REASON, reason.strip())
    with database.transaction(control):
        made = control.execute(
            """INSERT INTO disclosure (account_no, ground, sealed_reason, recipient, asked_by, asked_at)
               VALUES (?, ?, ?, ?, ?, ?)""",
            (account_no, ground, sealed, recipient, member.member_no, database.stamp(now)),
        )
        number = int(made.lastrowid or 0)
        audit.note(
            control,
            "disclosure.asked",
            now,
            actor_no=member.member_no,
            object_no=number,
            detail=f"ground={ground} key={recipient[:16]}",
        )
    return number


def approve(control: sqlite3.Connection, member: Member, disclosure_no: int, now: datetime) -> Disclosure:
    """Approve what somebody else asked for; DisclosureError for one's own, for what is done, and for who may not."""
    _hold_operator(member)
    with database.transaction(control):
        found = find(control, disclosure_no)
        if found.asked_by == member.member_no:
            raise DisclosureError("whoever asks for a disclosure does not approve it: another member has to")
        if found.approved_by is not None:
            raise DisclosureError(f"disclosure {disclosure_no} is approved already")
        control.execute(
            "UPDATE disclosure SET approved_by = ?, approved_at = ? WHERE disclosure_no = ?",
            (member.member_no, database.stamp(now), disclosure_no),
        )
        audit.note(control, "disclosure.approved", now, actor_no=member.member_no, object_no=disclosure_no)
        return find(control, disclosure_no)


def make(control: sqlite3.Connection, disclosure_no: int, recipient: str, now: datetime) -> Disclosure:
    """Note that it is written out now, for the key it was approved for; DisclosureError where it may not be.

    Noted before the first byte: a disclosure that breaks off is asked for again.
    """
    with database.transaction(control):
        found = find(control, disclosure_no)
        if found.approved_at is None:
            raise DisclosureError(f"disclosure {disclosure_no} is not approved: another member has to")
        if found.made_at is not None:
            raise DisclosureError(f"disclosure {disclosure_no} was made already; ask for another")
        if now - found.approved_at > GOOD_FOR:
            raise DisclosureError(f"disclosure {disclosure_no} was approved too long ago; ask for another")
        if found.recipient != recipient:
            raise DisclosureError("that is another key than the one it was approved for")
        control.execute(
            "UPDATE disclosure SET made_at = ? WHERE disclosure_no = ?", (database.stamp(now), disclosure_no)
        )
        act = "export.all" if found.account_no is None else "disclosure.made"
        audit.note(control, act, now, object_no=disclosure_no, detail=f"key={recipient[:16]}")
        return found


def find(control: sqlite3.Connection, disclosure_no: int) -> Disclosure:
    """One disclosure; DisclosureError where there is none."""
    for one in listed(control):
        if one.disclosure_no == disclosure_no:
            return one
    raise DisclosureError(f"there is no disclosure {disclosure_no}; `apiledger disclose list` shows them")


def listed(control: sqlite3.Connection) -> list[Disclosure]:
    """Every disclosure, the oldest first."""
    rows = control.execute(
        """SELECT disclosure_no, account_no, ground, recipient, asked_by, asked_at, approved_by, approved_at, made_at
           FROM disclosure ORDER BY disclosure_no"""
    ).fetchall()
    return [
        Disclosure(number, account, ground, key, by, database.moment(at), approver, _moment(approved), _moment(made))
        for number, account, ground, key, by, at, approver, approved, made in rows
    ]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else database.moment(text)


def _hold_operator(member: Member) -> None:
    if not member.is_operator or member.role == "viewer" or not member.has_password:
        raise DisclosureError(
            "disclosures are asked for and approved by the operator's owners and editors, by password"
        )
