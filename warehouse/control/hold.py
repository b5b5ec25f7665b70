"""Holds: a law, a tax office or a dispute asks that a little is kept although it would go; each ends by itself.

What a hold keeps is copied here when the rows it is made of go: sums of days, invoices, and for a dispute its calls,
all by number. No name, key, project, user, address or id of a log is ever in it.
"""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database, labels
from warehouse.control import credit
from warehouse.errors import WarehouseError

KINDS = ("legal", "tax", "dispute")
_SAID = re.compile(r"[\w ./:;,()§&'-]{3,160}")
_COLUMNS = "hold_no, kind, provider, invoice, first_day, last_day, basis, reason, begun_at, expires_on, ended_at"


@dataclass(frozen=True)
class Hold:
    """A hold: its scope (days both included; a provider and invoice where it is of one), its basis, its last day."""

    hold_no: int
    kind: str
    accounts: tuple[int, ...]
    provider: str | None
    invoice: str | None
    first_day: date
    last_day: date
    basis: str
    reason: str
    begun_at: datetime
    expires_on: date
    ended_at: datetime | None

    def is_active(self, on: date) -> bool:
        """Whether it holds anything back on a day."""
        return self.ended_at is None and on <= self.expires_on


@dataclass(frozen=True)
class Kept:
    """What a hold has kept of rows that went: sums and invoices, and calls of a dispute."""

    entries: int
    requests: int


def add(
    control: sqlite3.Connection,
    kind: str,
    accounts: Iterable[int],
    days: tuple[date, date],
    said: tuple[str, str],
    expires_on: date,
    now: datetime,
    invoice: tuple[str, str] | None = None,
) -> int:
    """Begin a hold of accounts and days; gives its number. `said` is its legal basis and its reason.

    `invoice` names a provider and number, where it is of one. WarehouseError where it would have ended already, or a
    text may tell of a person.
    """
    if expires_on <= now.date():
        raise WarehouseError("a hold ends on a day to come: nothing is held for ever, and nothing for the past")
    for text in said:
        if not _SAID.fullmatch(text) or labels.is_telling(text):
            raise WarehouseError(
                "basis and reason are 3 to 160 letters, digits and plain signs, and name no person: they outlive them"
            )
    with database.transaction(control):
        made = control.execute(
            """INSERT INTO hold (kind, provider, invoice, first_day, last_day, basis, reason, begun_at, expires_on)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (kind, *(invoice or (None, None)), *map(str, days), *said, database.stamp(now), str(expires_on)),
        )
        rows = [(made.lastrowid, number) for number in accounts]
        control.executemany("INSERT INTO hold_account VALUES (?, ?)", rows)
    return int(made.lastrowid or 0)


def end(control: sqlite3.Connection, hold_no: int, now: datetime) -> None:
    """End a hold today: what it kept goes in the next night. WarehouseError where none of that number is active."""
    query = """UPDATE hold SET ended_at = ?, expires_on = min(expires_on, ?)
               WHERE hold_no = ? AND ended_at IS NULL AND expires_on >= ?"""
    today = now.date().isoformat()
    if control.execute(query, (database.stamp(now), today, hold_no, today)).rowcount != 1:
        raise WarehouseError("no hold of that number is active; `apiledger hold list` shows those there are")


def listed(control: sqlite3.Connection) -> list[Hold]:
    """Every hold whose night has not come, the first to end first."""
    accounts: dict[int, list[int]] = {}
    for hold_no, account_no in control.execute("SELECT hold_no, account_no FROM hold_account ORDER BY 1, 2"):
        accounts.setdefault(hold_no, []).append(account_no)
    return [
        Hold(
            hold_no,
            kind,
            tuple(accounts.get(hold_no, [])),
            provider,
            invoice,
            date.fromisoformat(first),
            date.fromisoformat(last),
            basis,
            reason,
            database.moment(begun),
            date.fromisoformat(expires),
            None if ended is None else database.moment(ended),
        )
        for hold_no, kind, provider, invoice, first, last, basis, reason, begun, expires, ended in control.execute(
            f"SELECT {_COLUMNS} FROM hold ORDER BY expires_on, hold_no"
        ).fetchall()
    ]


def active(control: sqlite3.Connection, on: date, accounts: Iterable[int] | None = None) -> list[Hold]:
    """The holds that hold something back on a day, of these accounts where they are named."""
    wanted = None if accounts is None else set(accounts)
    return [
        each
        for each in listed(control)
        if each.is_active(on) and (wanted is None or not wanted.isdisjoint(each.accounts))
    ]


def kept(control: sqlite3.Connection, hold_no: int) -> Kept:
    """How much a hold has kept so far."""
    counted = (
        control.execute(f"SELECT count(*) FROM {table} WHERE hold_no = ?", (hold_no,)).fetchone()[0]
        for table in ("held_entry", "held_request")
    )
    return Kept(*counted)


def keep_invoices(control: sqlite3.Connection, accounts: Iterable[int], on: date) -> None:
    """Keep of the invoices of accounts what their holds need, before they go; the caller holds the transaction."""
    listed_numbers = list(accounts)
    for each in active(control, on, listed_numbers):
        for account_no in set(each.accounts) & set(listed_numbers):
            control.execute(
                """INSERT OR REPLACE INTO held_entry
                   SELECT ?, account_no, period_end, 'invoice', provider, number, NULL, amount_usd, currency,
                       billed_amount FROM invoice
                   WHERE account_no = ? AND period_start <= ? AND period_end >= ?
                     AND provider = coalesce(?, provider) AND number = coalesce(?, number)""",
                (each.hold_no, account_no, str(each.last_day), str(each.first_day), each.provider, each.invoice),
            )


def keep_credits(control: sqlite3.Connection, accounts: Iterable[int], on: date) -> None:
    """Keep of the credits of accounts what their holds need, before they go: sums by day and kind, no id of a payment.

    The caller holds the transaction. A hold of one provider's invoice is not about credits.
    """
    listed_numbers = list(accounts)
    for each in active(control, on, listed_numbers):
        if each.provider is not None:
            continue
        for account_no in sorted(set(each.accounts) & set(listed_numbers)):
            rows = control.execute(
                """SELECT day, kind, CASE book WHEN 'stripe' THEN 'stripe' ELSE 'credits' END, -sum(amount_nano)
                   FROM credit_tx JOIN credit_entry USING (tx_no)
                   WHERE credit_tx.account_no = ? AND book <> 'customer' AND day BETWEEN ? AND ?
                   GROUP BY day, kind, book""",
                (account_no, str(each.first_day), str(each.last_day)),
            ).fetchall()
            control.executemany(
                """INSERT OR REPLACE INTO held_entry (hold_no, account_no, day, source, provider, number, amount_usd)
                   VALUES (?, ?, ?, ?, ?, '', ?)""",
                [
                    (each.hold_no, account_no, day, kind, of, f"{credit.from_nano(amount):f}")
                    for day, kind, of, amount in rows
                ],
            )


def entries(control: sqlite3.Connection, hold_no: int) -> list[tuple[object, ...]]:
    """What a hold has kept, as account number, day, source, provider, invoice, requests, amount in USD or another."""
    return control.execute(
        """SELECT account_no, day, source, provider, number, requests, amount_usd, currency, billed_amount
           FROM held_entry WHERE hold_no = ?
           ORDER BY account_no, day, source, provider, number""",
        (hold_no,),
    ).fetchall()
