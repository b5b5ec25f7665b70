"""The audit chain: who did what to what, by number and moment; each row seals the one before.

None tells of anybody. A row that was changed, taken out or put in breaks the chain. Cutting the newest rows off leaves
a chain that is whole, so its end is anchored: every published version, every erasure's receipt and, outside the home, a
line a day (retention/audit_anchor.py) say the newest row they knew.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from warehouse import database
from warehouse.errors import WarehouseError

# What is written down; the number that goes with it is said behind.
ACTS = {
    "account.made": "an account was made: account",
    "account.opened": "the operator looked into an account: account",
    "account.closed": "the operator stopped looking: none",
    "account.idle": "an account that nobody uses was told so: account",
    "member.joined": "somebody joined an account: member",
    "sign_in.new_place": "somebody signed in from a place that was not seen before: member",
    "sign_in.failed": "sign-ins failed again and again: member",
    "password.changed": "a member's password was changed: member",
    "address.changed": "a member's address was changed: member",
    "member.role": "a member's role was changed: member",
    "member.removed": "a member was taken out: member",
    "key.connected": "a provider's key was used for the first time: connection",
    "key.added": "a provider's key was given: connection",
    "key.replaced": "a provider's key took the place of another: connection",
    "key.removed": "a provider's key was taken away: connection",
    "token.made": "a token for machines was made: token",
    "token.revoked": "a token for machines was revoked: token",
    "erasure.begun": "an erasure was begun: erasure",
    "erasure.done": "an erasure was done: erasure",
    "policy.changed": "the policy or its promises are others than before: none",
    "policy.told": "a changed text of the privacy policy was told to its members: text",
    "retention.run": "what had expired was deleted: none",
    "disclosure.asked": "a disclosure was asked for: disclosure",
    "disclosure.approved": "a disclosure was approved by somebody else: disclosure",
    "disclosure.made": "what was approved was written out: disclosure",
    "export.all": "everything was exported, encrypted to a named key: none",
    "support.asked": "somebody asked for help or for a right: request",
    "support.answered": "a request was answered: request",
    "support.reset": "a link for a new password was made at the terminal: member",
    "support.invited": "an invitation was made at the terminal: account",
    "breach.listed": "it was looked up whom a breach touches: none",
    "name.said": "it was said what a key or a project is called: key or project",
    "claim.given": "labels of the logs were given to an account on a page: account",
    "claim.ended": "labels of the logs became the operator's again on a page: none",
    "claim.parted": "it was said on a page how labels of the logs, their keys or upstreams are told apart: none",
    "centres.set": "a rule of cost centres was set or ended on a page: none",
    "price.set": "a price was set on a page: none",
    "credits.prepaid": "the terms of an account's credits were set: account",
    "credits.adjusted": "an account's credits were adjusted: account",
    "credits.claimed": "a paying customer was said to be an account: account",
    "selfaudit.run": "the installation audited itself: none",
    "home.restored": "an older home was put in this one's place: none",
}
# Numbers, hashes and words of our own: no address, no name, nothing anybody typed.
_DETAIL = re.compile(r"[a-z0-9_.,:=>+ -]{0,120}")


@dataclass(frozen=True)
class Act:
    """A row: its number, when (UTC), what, by which member, to what; `detail` has our own words and numbers alone."""

    audit_no: int
    at: datetime
    act: str
    actor_no: int | None
    object_no: int | None
    detail: str


@dataclass(frozen=True)
class Anchor:
    """What a place outside the chain says of its end: the newest row's number and chain."""

    place: str
    audit_no: int
    chain: str


def note(
    control: sqlite3.Connection,
    act: str,
    now: datetime,
    *,
    actor_no: int | None = None,
    object_no: int | None = None,
    detail: str = "",
) -> None:
    """Write an act down, in the caller's transaction where there is one; WarehouseError for what is none of ACTS."""
    if act not in ACTS or not _DETAIL.fullmatch(detail):
        raise WarehouseError("an act is one of warehouse.control.audit.ACTS, and its detail our own words and numbers")
    if control.in_transaction:
        _append(control, (database.stamp(now), act, actor_no, object_no, detail))
    else:
        with database.transaction(control):
            _append(control, (database.stamp(now), act, actor_no, object_no, detail))


def _append(control: sqlite3.Connection, said: tuple[object, ...]) -> None:
    before = tail(control)
    chain = link("" if before is None else before[1], said)
    control.execute(
        "INSERT INTO audit (at, act, actor_no, object_no, detail, chain) VALUES (?, ?, ?, ?, ?, ?)", (*said, chain)
    )


def link(before: str, said: tuple[object, ...]) -> str:
    """The hash of a row, by what it says and the hash of the row before."""
    return hashlib.sha256(repr((before, *said)).encode()).hexdigest()


def tail(control: sqlite3.Connection) -> tuple[int, str] | None:
    """The newest row's number and chain; None before the first."""
    row = control.execute("SELECT audit_no, chain FROM audit ORDER BY audit_no DESC LIMIT 1").fetchone()
    return None if row is None else (row[0], row[1])


def chain_of(control: sqlite3.Connection, audit_no: int) -> str | None:
    """The chain of an act; None where it has expired."""
    row = control.execute("SELECT chain FROM audit WHERE audit_no = ?", (audit_no,)).fetchone()
    return None if row is None else str(row[0])


def holds(control: sqlite3.Connection, anchor: Anchor) -> bool:
    """Whether the chain has the act that an anchor tells of, or has had it for so long that it expired."""
    chain = chain_of(control, anchor.audit_no)
    if chain is not None:
        return chain == anchor.chain
    ((first,),) = control.execute("SELECT coalesce(min(audit_no), 1) FROM audit").fetchall()
    return anchor.audit_no < int(first)


def acts(control: sqlite3.Connection, since: datetime, until: datetime) -> list[Act]:
    """The acts of a time (UTC, the end not included), oldest first."""
    query = "SELECT audit_no, at, act, actor_no, object_no, detail FROM audit WHERE at >= ? AND at < ? ORDER BY 1"
    rows = control.execute(query, (database.stamp(since), database.stamp(until))).fetchall()
    return [Act(number, database.moment(at), *rest) for number, at, *rest in rows]


def last(control: sqlite3.Connection, act: str) -> Act | None:
    """The newest act of a kind; None where there is none."""
    query = "SELECT audit_no, at, act, actor_no, object_no, detail FROM audit WHERE act = ? ORDER BY 1 DESC LIMIT 1"
    row = control.execute(query, (act,)).fetchone()
    return None if row is None else Act(row[0], database.moment(row[1]), *row[2:])


def wrong(control: sqlite3.Connection, anchors: Iterable[Anchor]) -> list[str]:
    """What of the chain does not hold: rows that were changed or taken out, a beginning or an end that was cut off."""
    said, before, chains = [], None, {}
    rows = control.execute(
        "SELECT audit_no, at, act, actor_no, object_no, detail, chain FROM audit ORDER BY audit_no"
    ).fetchall()
    for number, *words, chain in rows:
        # The oldest expire, each time with a receipt; the chain begins with whichever is the first now.
        if not (before is None and number > 1) and link(before or "", tuple(words)) != chain:
            said.append(f"act {number} was changed, or one before it")
        before, chains[number] = chain, chain
    first = min(chains, default=1)
    expired = "SELECT coalesce(sum(things), 0) FROM expiry WHERE clause = 'R-audit'"
    ((gone,),) = control.execute(expired).fetchall()
    if first - 1 > gone:
        said.append(f"the acts before {first} are gone, and no receipt says that they expired")
    ((made,),) = control.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'").fetchall()
    newest = max(chains, default=0)
    if made > max(newest, gone):
        said.append(f"{made} acts were written down and the newest that is there is {newest}: the end was cut off")
    for anchor in anchors:
        if anchor.audit_no > max(newest, gone):
            said.append(f"{anchor.place} tells of act {anchor.audit_no}, which is gone: the end was cut off")
        elif anchor.audit_no in chains and chains[anchor.audit_no] != anchor.chain:
            said.append(f"{anchor.place} tells of another act {anchor.audit_no} than the one that is there")
    return said
