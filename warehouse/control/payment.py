"""Payments as the ledger has them: each transaction of the processor is entered once, for the account it is of now.

What is said of a transaction later, such as whose it is, moves it by reversing entries. In whichever order payments,
refunds and claims come, and however often, what is left at the end is the same.
"""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from warehouse.control import credit
from warehouse.control.credit import Kind


@dataclass(frozen=True)
class Payment:
    """One transaction of the processor: its own id, the payment it belongs to, what it was, its UTC day, its amount.

    `amount_nano` is what the account's credits grow by, below 0 for what is given back; `account_no` None: nobody knows
    yet whose it is.
    """

    transaction: str
    payment: str
    kind: Kind
    day: date
    amount_nano: int
    account_no: int | None


def settle(
    control: sqlite3.Connection, payments: Iterable[Payment], now: datetime, waiting: Collection[int] = ()
) -> int:
    """Enter what these transactions say and the ledger does not; how many entries. The caller holds the transaction.

    What concerns an account in `waiting`, which is restricted, is left as it is. A transaction that is not named stays.
    """
    booked: dict[str, dict[int, int]] = {}
    rows = control.execute(
        """SELECT cause, tx.account_no, sum(amount_nano) FROM credit_tx AS tx JOIN credit_entry USING (tx_no)
           WHERE book = 'customer' AND kind IN ('top_up', 'refund', 'dispute') GROUP BY cause, tx.account_no"""
    )
    for cause, account_no, amount in rows:
        booked.setdefault(cause, {})[account_no] = amount
    made = 0
    for one in payments:
        cause = f"stripe:{one.transaction}"
        wanted = {} if one.account_no is None else {one.account_no: one.amount_nano}
        there = booked.get(cause, {})
        if not {*wanted, *there}.isdisjoint(waiting):
            continue
        # What is taken back comes before what is given, so that nobody has both for a moment.
        for account_no in sorted({*wanted, *there}, key=lambda number: (number in wanted, number)):
            moved = wanted.get(account_no, 0) - there.get(account_no, 0)
            number = credit.post(control, account_no, one.kind, cause, one.day, moved, now, payment=one.payment)
            made += number is not None
        booked[cause] = wanted
    return made
