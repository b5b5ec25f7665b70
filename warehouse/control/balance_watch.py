"""Below which balance an account is told so, once a crossing: told again only after it was well above in between."""

import hashlib
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from warehouse import database
from warehouse.control import claim, credit
from warehouse.control import member as members
from warehouse.control.outbox import MESSAGE_DOMAIN, Lease
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError, WarehouseError

MAIL_CLASS = "balance"
_ADDRESS = "credit_watch.sealed_address"
# A balance that swings about the line is low once, until it is a fifth above it.
_REARM = Decimal("1.2")


@dataclass(frozen=True)
class Notice:
    """What a mail tells of: an account's balance and the line it fell below, in USD, when that was found (UTC)."""

    account_no: int
    balance_usd: Decimal
    low_usd: Decimal
    crossed_at: datetime


def put(
    control: sqlite3.Connection, vault: Vault, account_no: int, low_usd: Decimal, address: str | None, now: datetime
) -> None:
    """Tell of an account's balance below an amount; without an address its owners are told, or the operator is.

    `address` was checked by the caller and rests sealed. Another line is a new one: a balance below it is told of.
    """
    if low_usd <= 0:
        raise WarehouseError("the line of a low balance is an amount above 0 in USD, such as 10")
    with database.transaction(control):
        sealed = None if address is None else vault.seal(account_no, _ADDRESS, address)
        low, rearm = credit.nano(low_usd), credit.nano(low_usd * _REARM)
        control.execute(
            """INSERT INTO credit_watch (account_no, low_nano, rearm_nano, sealed_address, set_at)
               VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (account_no) DO UPDATE SET sealed_address = excluded.sealed_address,
                 set_at = excluded.set_at, is_low = is_low AND low_nano = excluded.low_nano,
                 low_nano = excluded.low_nano, rearm_nano = excluded.rearm_nano""",
            (account_no, low, rearm, sealed, database.stamp(now)),
        )


def remove(control: sqlite3.Connection, account_no: int) -> bool:
    """Tell of an account's balance no more; whether it was told of."""
    return control.execute("DELETE FROM credit_watch WHERE account_no = ?", (account_no,)).rowcount == 1


def lows(control: sqlite3.Connection) -> dict[int, Decimal]:
    """The line of each account that has one, in USD."""
    return {
        number: credit.from_nano(low)
        for number, low in control.execute("SELECT account_no, low_nano FROM credit_watch")
    }


def evaluate(control: sqlite3.Connection, unasked: Collection[int], now: datetime, *, has_operator: bool) -> int:
    """Queue a mail for each account that fell below its line; how many. `now` is UTC.

    Accounts in `unasked` are left out, and so is one that nobody would be told of: it is, once somebody can be.
    """
    made = 0
    with database.transaction(control):
        rows = control.execute(
            "SELECT account_no, low_nano, rearm_nano, is_low, crossings FROM credit_watch"
        ).fetchall()
        for number, low, rearm, is_low, crossings in rows:
            left = credit.balance(control, number)
            if is_low and left >= rearm:
                control.execute("UPDATE credit_watch SET is_low = 0 WHERE account_no = ?", (number,))
            elif not is_low and left < low and number not in unasked and _is_told(control, number, has_operator):
                _enqueue(control, Crossing(number, left, low, crossings + 1), now)
                made += 1
    return made


@dataclass(frozen=True)
class Crossing:
    """An account's balance and line in nano-dollars, and which crossing of it this is."""

    account_no: int
    balance_nano: int
    low_nano: int
    number: int


def _enqueue(control: sqlite3.Connection, crossing: Crossing, now: datetime) -> None:
    moment = database.stamp(now)
    words = f"balance/{crossing.account_no}/{crossing.number}/{moment}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:32]
    mail = control.execute(
        """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
           VALUES (?, ?, ?, 'queued', ?, ?)""",
        (crossing.account_no, MAIL_CLASS, f"<{digest}@{MESSAGE_DOMAIN}>", moment, moment),
    )
    control.execute(
        "INSERT INTO credit_notice VALUES (?, ?, ?, ?, ?)",
        (mail.lastrowid, crossing.account_no, crossing.balance_nano, crossing.low_nano, moment),
    )
    control.execute(
        "UPDATE credit_watch SET is_low = 1, crossings = ? WHERE account_no = ?", (crossing.number, crossing.account_no)
    )


def _is_told(control: sqlite3.Connection, account_no: int, has_operator: bool) -> bool:
    query = "SELECT 1 FROM credit_watch WHERE account_no = ? AND sealed_address IS NOT NULL"
    return (
        has_operator
        or control.execute(query, (account_no,)).fetchone() is not None
        or any(one.is_owner for one in _members(control, account_no))
    )


def _members(control: sqlite3.Connection, account_no: int) -> list[members.Member]:
    """The members of the account here that claims what a log calls it."""
    query = "SELECT label FROM label WHERE no = ? AND valid_to IS NULL"
    labels = [label for (label,) in control.execute(query, (account_no,))]
    holders = [holder for label in labels if (holder := claim.holder_of(control, label)) is not None]
    return [one for holder in holders for one in members.of_account(control, holder)]


def notice_of(control: sqlite3.Connection, lease: Lease) -> Notice | None:
    """What a leased mail tells of; None where its account was erased since."""
    query = "SELECT account_no, balance_nano, low_nano, crossed_at FROM credit_notice WHERE mail_no = ?"
    row = control.execute(query, (lease.mail_no,)).fetchone()
    if row is None:
        return None
    return Notice(row[0], credit.from_nano(row[1]), credit.from_nano(row[2]), database.moment(row[3]))


def receiver(control: sqlite3.Connection, vault: Vault, account_no: int, operator: str | None) -> str | None:
    """Who is told: the address that was set, else the first owner of who claims the account, else the operator.

    None where the account is watched no more.
    """
    row = control.execute("SELECT sealed_address FROM credit_watch WHERE account_no = ?", (account_no,)).fetchone()
    if row is None:
        return None
    if row[0] is not None:
        try:
            return vault.open(account_no, _ADDRESS, row[0])
        except KeyUnavailableError:
            # The account's own key is gone, and with it the account.
            return None
    owners = (one for one in _members(control, account_no) if one.is_owner)
    return next((email for one in owners if (email := members.email_of(control, vault, one))), operator)
