"""Claims: which account labels of the logs belong to which account here, with their dates; and who opened whose.

A claim decides who sees a label's rows, also those of before it; it rewrites none. What nobody claims is the
operator's.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database
from warehouse.control import audit
from warehouse.control.member import MemberError
from warehouse.control.vault import Vault

_REASON = "opening.sealed_reason"
SHORTEST_REASON = 8


def put(control: sqlite3.Connection, label: str, account_no: int, now: datetime) -> None:
    """Give a label to an account from now on; MemberError where another has it."""
    with database.transaction(control):
        holder = holder_of(control, label)
        if holder == account_no:
            return
        if holder is not None:
            raise MemberError(f"that label is claimed by account {holder}; end that claim first")
        control.execute("INSERT INTO claim VALUES (?, ?, ?, NULL)", (label, account_no, database.stamp(now)))


def end(control: sqlite3.Connection, label: str, now: datetime) -> bool:
    """End the claim of a label, which is the operator's again; whether there was one."""
    query = "UPDATE claim SET ended_at = ? WHERE label = ? AND ended_at IS NULL"
    return control.execute(query, (database.stamp(now), label)).rowcount == 1


def holder_of(control: sqlite3.Connection, label: str) -> int | None:
    """The account that holds a label now; None where it is the operator's."""
    row = control.execute("SELECT account_no FROM claim WHERE label = ? AND ended_at IS NULL", (label,)).fetchone()
    return None if row is None else int(row[0])


def labels_of(control: sqlite3.Connection, account_no: int) -> tuple[str, ...]:
    """The labels that an account holds now, sorted."""
    query = "SELECT label FROM claim WHERE account_no = ? AND ended_at IS NULL ORDER BY label"
    return tuple(label for (label,) in control.execute(query, (account_no,)))


def labels_of_others(control: sqlite3.Connection, account_no: int) -> tuple[str, ...]:
    """The labels that other accounts hold now, sorted."""
    query = "SELECT label FROM claim WHERE account_no <> ? AND ended_at IS NULL ORDER BY label"
    return tuple(label for (label,) in control.execute(query, (account_no,)))


def rows(control: sqlite3.Connection) -> list[tuple[int, int]]:
    """The claims that hold now, in the columns of model.claim: the account of a log, and who holds it."""
    found = control.execute(
        """SELECT DISTINCT outside_id.no, claim.account_no FROM claim
           JOIN label ON label.label = claim.label AND label.valid_to IS NULL
           JOIN outside_id ON outside_id.no = label.no AND outside_id.kind = 'account'
           WHERE claim.ended_at IS NULL AND outside_id.no <> claim.account_no ORDER BY 1"""
    )
    return [(number, holder) for number, holder in found]


@dataclass(frozen=True)
class Opening:
    """That an operator's member looked into an account, why, and from when to when (UTC)."""

    member_no: int
    account_no: int
    reason: str
    opened_at: datetime
    closed_at: datetime | None


def open_account(
    control: sqlite3.Connection,
    vault: Vault,
    session: bytes,
    member_no: int,
    account_no: int,
    reason: str,
    now: datetime,
) -> None:
    """Let an operator's session see an account, and write down why; MemberError without a reason or an account."""
    if len(reason.strip()) < SHORTEST_REASON:
        raise MemberError(f"say why, in {SHORTEST_REASON} characters at least")
    with database.transaction(control):
        if not control.execute("SELECT 1 FROM account WHERE account_no = ?", (account_no,)).fetchone():
            raise MemberError("there is no such account")
        _close(control, session, member_no, now)
        sealed = vault.seal(account_no, _REASON, reason.strip())
        control.execute(
            """INSERT INTO opening (member_no, account_no, sealed_reason, opened_at) VALUES (?, ?, ?, ?)""",
            (member_no, account_no, sealed, database.stamp(now)),
        )
        control.execute("UPDATE session SET opened_account_no = ? WHERE lookup = ?", (account_no, session))
        audit.note(control, "account.opened", now, actor_no=member_no, object_no=account_no)


def close_account(control: sqlite3.Connection, session: bytes, member_no: int, now: datetime) -> None:
    """Go back to the operator's own figures."""
    with database.transaction(control):
        _close(control, session, member_no, now)


def _close(control: sqlite3.Connection, session: bytes, member_no: int, now: datetime) -> None:
    query = "UPDATE opening SET closed_at = ? WHERE member_no = ? AND closed_at IS NULL"
    if control.execute(query, (database.stamp(now), member_no)).rowcount:
        audit.note(control, "account.closed", now, actor_no=member_no)
    control.execute("UPDATE session SET opened_account_no = NULL WHERE lookup = ?", (session,))


def openings(control: sqlite3.Connection, vault: Vault, account_no: int) -> list[Opening]:
    """Who looked into an account, the newest first."""
    rows = control.execute(
        """SELECT member_no, sealed_reason, opened_at, closed_at FROM opening
           WHERE account_no = ? ORDER BY opening_no DESC""",
        (account_no,),
    ).fetchall()
    return [
        Opening(
            number,
            account_no,
            vault.open(account_no, _REASON, sealed),
            database.moment(opened),
            None if closed is None else database.moment(closed),
        )
        for number, sealed, opened, closed in rows
    ]
