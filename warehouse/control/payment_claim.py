"""Whose a paying customer is: a dated claim by the operator; the processor's id of them rests sealed.

Before anybody claims it an id is the installation's own; from then on it is sealed under the account's key, and goes
with the account.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError, WarehouseError

GATEWAY, KIND = "stripe", "customer"
# Number 0 is no account's: what is sealed under it is the installation's.
_NOBODY = 0


@dataclass(frozen=True)
class Claim:
    """That a customer's payments are an account's, from a UTC day on, and up to another one (not included)."""

    customer_no: int
    account_no: int
    from_day: date
    ended_on: date | None

    def holds(self, day: date) -> bool:
        """Whether a payment of a day is the account's by it."""
        return self.from_day <= day and (self.ended_on is None or day < self.ended_on)


def numbers(ids: OutsideIds, customers: set[str]) -> dict[str, int]:
    """Our numbers for the processor's customers; the caller holds the transaction on the store."""
    found = ids.numbers(KIND, GATEWAY, [(_NOBODY, customer, None) for customer in sorted(customers)])
    return {customer: number for (_, customer), number in found.items()}


def lookup(vault: Vault, customer: str) -> bytes:
    """The keyed hash by which a customer is known, also once they are erased."""
    return vault.lookup(KIND, GATEWAY, str(_NOBODY), customer)


def put(control: sqlite3.Connection, customer: str, account_no: int, from_day: date, now: datetime) -> int:
    """Say that a customer is an account from a UTC day on; their number. Another account's claim ends on that day."""
    with database.transaction(control):
        vault = Vault(control, now)
        number = numbers(OutsideIds(control, vault, now), {customer})[customer]
        row = (number, account_no, str(from_day), database.stamp(now))
        control.execute("INSERT OR REPLACE INTO credit_claim VALUES (?, ?, ?, ?, NULL)", row)
        sealed = vault.seal(account_no, "outside_id.sealed", customer)
        control.execute("UPDATE outside_id SET account_no = ?, sealed = ? WHERE no = ?", (account_no, sealed, number))
    return number


def end(control: sqlite3.Connection, customer: str, on: date, now: datetime) -> None:
    """Say that a customer is nobody's from a UTC day on; WarehouseError where they are nobody's already."""
    with database.transaction(control):
        found_by = lookup(Vault(control, now), customer)
        query = """UPDATE credit_claim SET ended_on = ? WHERE ended_on IS NULL AND customer_no IN
                     (SELECT no FROM outside_id WHERE kind = ? AND lookup = ?)"""
        if not control.execute(query, (str(on), KIND, found_by)).rowcount:
            raise WarehouseError("nobody claims that customer; `apiledger credits unclaimed` shows those there are")


def listed(control: sqlite3.Connection) -> list[Claim]:
    """Every claim, by customer and day."""
    query = "SELECT customer_no, account_no, from_day, ended_on FROM credit_claim ORDER BY customer_no, from_day"
    return [
        Claim(customer, account, date.fromisoformat(since), date.fromisoformat(ended) if ended else None)
        for customer, account, since, ended in control.execute(query)
    ]


def name(control: sqlite3.Connection, vault: Vault, customer_no: int) -> str:
    """What the processor calls a customer; our number where nobody can read that any more."""
    row = control.execute("SELECT account_no, sealed FROM outside_id WHERE no = ?", (customer_no,)).fetchone()
    try:
        return f"customer {customer_no}" if row is None else vault.open(row[0], "outside_id.sealed", row[1])
    except KeyUnavailableError:
        return f"customer {customer_no}"
