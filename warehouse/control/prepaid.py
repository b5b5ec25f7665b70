"""Which accounts are prepaid, from which UTC day on and at which factor of the list price; and whose calls are whose.

An account is what a log names, as budgets have it. Two gateways that name one alike mean one account: its ledger stands
under one number, the first that had anything in it, else the first that was seen.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import zip_longest

from warehouse import database
from warehouse.errors import WarehouseError

# Six places: times a list price of twelve the product is exact in 38 digits.
_PLACES = 6
_MOST = Decimal(100)
NO_END = date.max


@dataclass(frozen=True)
class Terms:
    """From a UTC day on an account is prepaid, or is not any more; `factor` is what a dollar of list price costs it."""

    account_no: int
    from_day: date
    is_prepaid: bool
    factor: Decimal


@dataclass(frozen=True)
class Stretch:
    """Days on which the terms of an account hold, both included."""

    terms: Terms
    last_day: date


def factor(text: str) -> Decimal:
    """A factor from text such as `1.2`, or a markup such as `20%`; WarehouseError for anything else."""
    plain = text.strip()
    try:
        found = Decimal(plain.removesuffix("%"))
    except InvalidOperation:
        found = Decimal(-1)
    if plain.endswith("%"):
        found = 1 + found / 100 if found.is_finite() and found > -100 else Decimal(-1)
    if not found.is_finite() or not 0 < found <= _MOST or found != round(found, _PLACES):
        raise WarehouseError("a factor is above 0 and up to 100 with six places at most, such as 1.2; a markup is 20%")
    return found


def put(control: sqlite3.Connection, terms: Terms, now: datetime) -> None:
    """Set the terms of an account from a day on; what was set for that very day before is set anew."""
    control.execute(
        "INSERT OR REPLACE INTO credit_terms VALUES (?, ?, ?, ?, ?)",
        (terms.account_no, str(terms.from_day), terms.is_prepaid, f"{terms.factor:f}", database.stamp(now)),
    )


def listed(control: sqlite3.Connection) -> list[Terms]:
    """Every account's terms, by account and day."""
    query = "SELECT account_no, from_day, is_prepaid, factor FROM credit_terms ORDER BY account_no, from_day"
    return [
        Terms(number, date.fromisoformat(day), bool(is_prepaid), Decimal(text))
        for number, day, is_prepaid, text in control.execute(query)
    ]


def stretches(control: sqlite3.Connection) -> list[Stretch]:
    """The days on which accounts are prepaid, each stretch with its terms."""
    known = listed(control)
    found = []
    for terms, following in zip_longest(known, known[1:]):
        last = NO_END
        if following is not None and following.account_no == terms.account_no:
            last = following.from_day - timedelta(days=1)
        if terms.is_prepaid:
            found.append(Stretch(terms, last))
    return found


def ledgers(control: sqlite3.Connection) -> dict[int, int]:
    """Under which number the ledger of each account stands, by every number that a log or a payment gives it."""
    rows = control.execute(
        """SELECT outside_id.no, label.label,
             EXISTS (SELECT 1 FROM credit_terms WHERE credit_terms.account_no = outside_id.no)
             OR EXISTS (SELECT 1 FROM credit_tx WHERE credit_tx.account_no = outside_id.no) AS has_ledger
           FROM outside_id JOIN label ON label.no = outside_id.no AND label.valid_to IS NULL
           WHERE kind = 'account' ORDER BY first_seen_at, outside_id.no"""
    ).fetchall()
    first: dict[str, int] = {}
    for number, label, has_ledger in sorted(rows, key=lambda row: not row[2]):
        first.setdefault(label, number)
        if has_ledger:
            first.setdefault(f"\n{number}", number)
    return {number: first.get(f"\n{number}", first[label]) for number, label, _ in rows}


def account(control: sqlite3.Connection, name: str) -> int:
    """The number of the ledger of an account by its name; WarehouseError where no log or payment has named it."""
    query = """SELECT outside_id.no FROM outside_id JOIN label ON label.no = outside_id.no AND valid_to IS NULL
               WHERE kind = 'account' AND label.label = ? ORDER BY first_seen_at, outside_id.no"""
    row = control.execute(query, (name,)).fetchone()
    if row is None:
        raise WarehouseError("no log or payment has named that account; `apiledger credits list` shows those there are")
    return ledgers(control)[row[0]]


def name(control: sqlite3.Connection, account_no: int) -> str:
    """What an account is called today."""
    row = control.execute("SELECT label FROM label WHERE no = ? AND valid_to IS NULL", (account_no,)).fetchone()
    return row[0] if row else f"account {account_no}"
