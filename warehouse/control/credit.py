"""The ledger of prepaid credits: append-only, double entry, in whole nano-dollars; a correction is a reversing entry.

A transaction has an id that is never used twice and entries that add up to nothing, which the store itself enforces at
the commit; none is changed, none goes but with its account. A balance is what the entries of the customer's book add up
to. What a deduction is worth exactly is kept with it, so that the ledger's sum is the usage rounded once.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from warehouse import database, money
from warehouse.errors import WarehouseError

Kind = Literal["top_up", "refund", "dispute", "deduction", "adjustment"]
NANO_PER_USD = 10**9
# SQLite's integers end at 2^63; a balance is a sum of these.
MOST_NANO = 10**18
# Against which book each kind is entered.
BOOKS: dict[str, str] = {
    "top_up": "stripe",
    "refund": "stripe",
    "dispute": "stripe",
    "deduction": "usage",
    "adjustment": "adjustment",
}


@dataclass(frozen=True)
class Posting:
    """A transaction as its account sees it: what it was, on which UTC day it counts, by how much the balance moved.

    `usage_usd` is what a deduction's usage is worth exactly; its amount is what that moves the rounded sum by.
    """

    tx_no: int
    account_no: int
    kind: str
    cause: str
    day: date
    provider: str | None
    model: str | None
    amount_nano: int
    usage_usd: Decimal | None
    made_at: datetime


@dataclass(frozen=True)
class Cell:
    """The usage of an account by one model of a provider on a UTC day: what is priced and deducted as one."""

    account_no: int
    day: date
    provider: str
    model: str

    @property
    def cause(self) -> str:
        """What its deductions are entered under."""
        return f"usage:{self.day}:{self.provider}/{self.model}"


def nano(amount_usd: Decimal) -> int:
    """An amount in whole nano-dollars, rounded half-even; WarehouseError beyond a billion dollars."""
    found = int(amount_usd.scaleb(9, money.CONTEXT).to_integral_value(ROUND_HALF_EVEN, money.CONTEXT))
    if abs(found) > MOST_NANO:
        raise WarehouseError("an amount of credits is at most a billion dollars")
    return found


def from_nano(amount_nano: int) -> Decimal:
    """Whole nano-dollars as an amount in USD, in the twelve places of every amount."""
    return money.usd(Decimal(amount_nano).scaleb(-9, money.CONTEXT))


def post(
    control: sqlite3.Connection,
    account_no: int,
    kind: Kind,
    cause: str,
    day: date,
    amount_nano: int,
    now: datetime,
    *,
    payment: str | None = None,
    sealed_reason: str | None = None,
) -> int | None:
    """Enter what moves a balance by `amount_nano`, a credit above 0; gives the transaction's number, None for nothing.

    `cause` says what it is of; what is entered of one cause is numbered, so that no id comes twice. The caller holds
    the transaction on the store; `now` is UTC.
    """
    if amount_nano == 0:
        return None
    said = {"payment": payment, "sealed_reason": sealed_reason}
    return _entered(control, account_no, kind, cause, day, amount_nano, now, said)


def deduct(control: sqlite3.Connection, usages: Iterable[tuple[Cell, Decimal]], now: datetime) -> int:
    """Bring what is deducted of cells to what their usage is worth now, in USD and exactly; how many were entered.

    A later row or another price becomes an adjusting entry of the difference. Rounded is the sum of all that an account
    has used, half-even, so that no residue is lost or doubled. The caller holds the transaction on the store.
    """
    made = 0
    for cell, worth_usd in usages:
        query = "SELECT usage_usd FROM credit_tx WHERE account_no = ? AND cause = ?"
        booked = _sum(text for (text,) in control.execute(query, (cell.account_no, cell.cause)))
        difference = money.CONTEXT.subtract(worth_usd, booked)
        if difference == 0:
            continue
        before = used(control, cell.account_no)
        total = money.CONTEXT.add(before, difference)
        amount_nano = nano(before) - nano(total)
        said: dict[str, str | None] = {
            "provider": cell.provider,
            "model": cell.model,
            "usage_usd": f"{difference:f}",
            "total_usd": f"{total:f}",
        }
        _entered(control, cell.account_no, "deduction", cell.cause, cell.day, amount_nano, now, said)
        made += 1
    return made


def used(control: sqlite3.Connection, account_no: int) -> Decimal:
    """What an account has used in USD, exactly, as far as it is deducted."""
    row = control.execute(
        "SELECT total_usd FROM credit_tx WHERE account_no = ? AND kind = 'deduction' ORDER BY tx_no DESC LIMIT 1",
        (account_no,),
    ).fetchone()
    return Decimal(0) if row is None else Decimal(row[0])


def _entered(
    control: sqlite3.Connection,
    account_no: int,
    kind: Kind,
    cause: str,
    day: date,
    amount_nano: int,
    now: datetime,
    said: dict[str, str | None],
) -> int:
    query = "SELECT count(*) FROM credit_tx WHERE account_no = ? AND cause = ?"
    ((earlier,),) = control.execute(query, (account_no, cause)).fetchall()
    row: dict[str, object] = {
        "tx_id": f"{account_no}/{cause}/{earlier + 1}",
        "account_no": account_no,
        "kind": kind,
        "cause": cause,
        "day": day.isoformat(),
        **said,
        "made_at": database.stamp(now),
    }
    made = control.execute(
        f"INSERT INTO credit_tx ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
    )
    number = int(made.lastrowid or 0)
    # A deduction of less than half a nano-dollar moves no balance yet; what it is worth waits in its transaction.
    if amount_nano:
        control.executemany(
            "INSERT INTO credit_entry VALUES (?, ?, ?, ?)",
            [(number, "customer", account_no, amount_nano), (number, BOOKS[kind], account_no, -amount_nano)],
        )
    return number


def balance(control: sqlite3.Connection, account_no: int) -> int:
    """What an account has left, in nano-dollars; below 0 where it has used more than it paid."""
    return _book(control, account_no, "customer")


def lifetime(control: sqlite3.Connection, account_no: int) -> int:
    """Settled top-ups less refunds and disputes over all time, in nano-dollars: what the tier is made of."""
    return -_book(control, account_no, "stripe")


def _book(control: sqlite3.Connection, account_no: int, book: str) -> int:
    query = "SELECT coalesce(sum(amount_nano), 0) FROM credit_entry WHERE account_no = ? AND book = ?"
    ((total,),) = control.execute(query, (account_no, book)).fetchall()
    return int(total)


def accounts(control: sqlite3.Connection) -> list[int]:
    """Every account that has anything in the ledger."""
    return [number for (number,) in control.execute("SELECT DISTINCT account_no FROM credit_tx ORDER BY 1")]


def statement(control: sqlite3.Connection, account_no: int, first: date, last: date) -> Iterator[Posting]:
    """What moved an account's balance on days from `first` to `last` (UTC, both included), in the order it was made."""
    yield from _postings(control, "tx.account_no = ? AND day BETWEEN ? AND ?", (account_no, str(first), str(last)))


def after(control: sqlite3.Connection, tx_no: int) -> Iterator[Posting]:
    """The ledger's transactions behind a number, oldest first."""
    yield from _postings(control, "tx.tx_no > ?", (tx_no,))


def tail(control: sqlite3.Connection, until: int | None = None) -> tuple[int, int]:
    """How many transactions there are, and the newest one's number; up to a number where one is named."""
    query = "SELECT count(*), coalesce(max(tx_no), 0) FROM credit_tx WHERE tx_no <= ?"
    ((count, last),) = control.execute(query, (2**62 if until is None else until,)).fetchall()
    return count, last


def _postings(control: sqlite3.Connection, only: str, bound: tuple[object, ...]) -> Iterator[Posting]:
    rows = control.execute(
        f"""SELECT tx.tx_no, tx.account_no, kind, cause, day, provider, model, coalesce(amount_nano, 0), usage_usd,
              made_at
            FROM credit_tx AS tx LEFT JOIN credit_entry AS entry ON entry.tx_no = tx.tx_no AND entry.book = 'customer'
            WHERE {only} ORDER BY tx.tx_no""",
        bound,
    )
    for number, owner, kind, cause, day, provider, model, amount, worth, made_at in rows:
        exact = None if worth is None else Decimal(worth)
        moment = database.moment(made_at)
        yield Posting(number, owner, kind, cause, date.fromisoformat(day), provider, model, amount, exact, moment)


def wrong(control: sqlite3.Connection) -> list[str]:
    """What of the ledger does not hold, by number: each transaction adds up to nothing, deductions to rounded usage."""
    said = [
        f"transaction {number} is out of balance by {off} nano-dollars"
        for number, off in control.execute(
            "SELECT tx_no, sum(amount_nano) FROM credit_entry GROUP BY tx_no HAVING sum(amount_nano) <> 0"
        )
    ]
    for account_no in accounts(control):
        query = "SELECT usage_usd FROM credit_tx WHERE account_no = ? AND kind = 'deduction'"
        worth = _sum(text for (text,) in control.execute(query, (account_no,)))
        if nano(worth) != _book(control, account_no, "usage") or worth != used(control, account_no):
            said.append(f"account {account_no}: what is deducted is not its usage, rounded")
        books = sum(_book(control, account_no, book) for book in ("stripe", "usage", "adjustment"))
        if books != -balance(control, account_no):
            said.append(f"account {account_no}: its balance is not what its entries add up to")
    query = """SELECT payment, sum(amount_nano) FROM credit_tx JOIN credit_entry USING (tx_no)
               WHERE book = 'customer' AND payment IS NOT NULL GROUP BY payment HAVING sum(amount_nano) < 0"""
    said += [f"{-off} nano-dollars more were given back of a payment than it was" for _, off in control.execute(query)]
    return said


def _sum(texts: Iterable[str]) -> Decimal:
    total = Decimal(0)
    for text in texts:
        total = money.CONTEXT.add(total, Decimal(text))
    return total
