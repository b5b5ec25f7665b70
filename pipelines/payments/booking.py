"""raw_stripe.transactions, claims -> the ledger's top-ups, refunds and disputes; what is nobody's is said.

All that is stored is looked at each time and entered once, so that a claim that comes later, or is taken back, moves
what it is about by reversing entries. Credits are dollars: what was paid in another currency waits for the operator.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from pipelines.payments import pull
from pipelines.providers.stripe import RAW_TRANSACTIONS
from warehouse import credit_tables, database, publication
from warehouse.control import payment, payment_claim, prepaid, restriction
from warehouse.control.payment import Payment
from warehouse.control.payment_claim import Claim
from warehouse.home import Home

# Ten million nano-dollars are a cent.
_NANO_PER_CENT = 10**7
_USD = "USD"


@dataclass(frozen=True)
class _Row:
    transaction: str
    payment: str
    kind: Any
    created_at: datetime
    amount_minor: int
    currency: str
    payment_currency: str
    customer_no: int | None
    account_no: int | None

    @property
    def day(self) -> date:
        return self.created_at.date()

    @property
    def is_in_dollars(self) -> bool:
        return self.currency == self.payment_currency == _USD


def book(home: Home, connection: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Enter what the stored payments say and the ledger does not; how many entries. The build is held; `now` is UTC."""
    rows = _rows(connection)
    with database.control(home) as control:
        whose = _Whose(control, rows)
        booked = [
            Payment(
                one.transaction,
                one.payment,
                one.kind,
                one.day,
                one.amount_minor * _NANO_PER_CENT,
                whose.account(one) if one.is_in_dollars else None,
            )
            for one in rows
        ]
        made = 0
        if booked:
            with database.transaction(control):
                made = payment.settle(control, booked, now, restriction.numbers(control))
    by_transaction = {one.transaction: one.account_no for one in booked}
    _say(connection, [one for one in rows if by_transaction[one.transaction] is None])
    return made


class _Whose:
    """Whose each transaction is: its customer's claim on the payment's day, else the account that a field names."""

    def __init__(self, control: sqlite3.Connection, rows: list[_Row]) -> None:
        self._ledgers = prepaid.ledgers(control)
        self._claims: dict[int, list[Claim]] = {}
        for claim in payment_claim.listed(control):
            self._claims.setdefault(claim.customer_no, []).append(claim)
        # What is given back belongs to whom it was credited to, whoever the customer is by then.
        self._paid = {one.payment: self._named(one) for one in rows if one.kind == "top_up"}

    def account(self, row: _Row) -> int | None:
        """The number of the ledger; None where nobody says so."""
        return self._paid[row.payment] if row.payment in self._paid else self._named(row)

    def _named(self, row: _Row) -> int | None:
        claims = [] if row.customer_no is None else self._claims.get(row.customer_no, [])
        # The newest claim that holds on the day wins.
        found = next((claim.account_no for claim in reversed(claims) if claim.holds(row.day)), row.account_no)
        return None if found is None else self._ledgers.get(found)


def _rows(connection: duckdb.DuckDBPyConnection) -> list[_Row]:
    if not pull.is_stored(connection):
        return []
    names = ", ".join(name for name in RAW_TRANSACTIONS.column_names if name != "observed_at")
    query = f"SELECT DISTINCT {names} FROM {RAW_TRANSACTIONS.full_name} ORDER BY created_at, transaction"
    return [_Row(*row) for row in connection.execute(query).fetchall()]


def _say(connection: duckdb.DuckDBPyConnection, rows: list[_Row]) -> None:
    """Keep for the operator what is in nobody's credits; a new version is due where that changed."""
    name = credit_tables.UNCLAIMED_PAYMENT.full_name
    told = [
        (
            one.day,
            one.kind,
            one.customer_no,
            one.amount_minor,
            one.payment_currency,
            "unclaimed" if one.is_in_dollars else "currency",
        )
        for one in rows
    ]
    if sorted(map(repr, told)) == sorted(map(repr, connection.execute(f"FROM {name}").fetchall())):
        return
    connection.execute("BEGIN")
    try:
        connection.execute(f"DELETE FROM {name}")
        if told:
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, ?)", told)
        publication.changed(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
