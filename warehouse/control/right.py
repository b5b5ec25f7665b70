"""Requests by which people use their rights: what was asked, by when it is due, and how it ended.

An answer is due within one month of the request (GDPR, Art. 12(3)). What a person writes, and what they are answered,
rest sealed under their account's data key.
"""

import calendar
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast

from warehouse import database
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

Kind = Literal["access", "rectification", "erasure", "restriction", "objection", "withdrawal"]
State = Literal["open", "done", "refused"]
KINDS: tuple[Kind, ...] = ("access", "rectification", "erasure", "restriction", "objection", "withdrawal")
LONGEST_NOTE = 2_000
_NOTE, _ANSWER = "rights_request.sealed_note", "rights_request.sealed_answer"
_COLUMNS = "request_no, account_no, kind, state, asked_at, due_on, ended_at, sealed_note, sealed_answer"


@dataclass(frozen=True)
class Request:
    """A request: its number, whose it is, which right, how it stands, and by which UTC day it is due."""

    request_no: int
    account_no: int
    kind: Kind
    state: State
    asked_at: datetime
    due_on: date
    ended_at: datetime | None
    note: str
    answer: str

    def is_overdue(self, today: date) -> bool:
        """Whether its day has passed and nobody has answered."""
        return self.state == "open" and today > self.due_on


def due(asked_on: date) -> date:
    """The same day of the next month, or that month's last day."""
    year, month = asked_on.year + asked_on.month // 12, asked_on.month % 12 + 1
    return date(year, month, min(asked_on.day, calendar.monthrange(year, month)[1]))


def ask(control: sqlite3.Connection, vault: Vault, account_no: int, kind: Kind, note: str, now: datetime) -> Request:
    """Write a request down; WarehouseError where its note is longer than LONGEST_NOTE characters."""
    if len(note) > LONGEST_NOTE:
        raise WarehouseError(f"say it in {LONGEST_NOTE:,} characters at most")
    sealed = vault.seal(account_no, _NOTE, note) if note else None
    made = control.execute(
        """INSERT INTO rights_request (account_no, kind, state, asked_at, due_on, sealed_note)
           VALUES (?, ?, 'open', ?, ?, ?)""",
        (account_no, kind, database.stamp(now), due(now.date()).isoformat(), sealed),
    )
    return find(control, vault, int(made.lastrowid or 0))


def end(
    control: sqlite3.Connection, vault: Vault, request_no: int, state: State, answer: str, now: datetime
) -> Request:
    """Answer a request; WarehouseError where there is none, it has ended, or it is refused without saying why."""
    found = find(control, vault, request_no)
    if found.state != "open":
        raise WarehouseError(f"request {request_no} has ended on {found.ended_at:%Y-%m-%d}")
    if state == "refused" and not answer.strip():
        raise WarehouseError("who is refused is told why: give the reason")
    sealed = vault.seal(found.account_no, _ANSWER, answer) if answer else None
    control.execute(
        "UPDATE rights_request SET state = ?, ended_at = ?, sealed_answer = ? WHERE request_no = ?",
        (state, database.stamp(now), sealed, request_no),
    )
    return find(control, vault, request_no)


def find(control: sqlite3.Connection, vault: Vault, request_no: int) -> Request:
    """A request by its number; WarehouseError where there is none."""
    row = control.execute(f"SELECT {_COLUMNS} FROM rights_request WHERE request_no = ?", (request_no,)).fetchone()
    if row is None:
        raise WarehouseError(f"there is no request {request_no}; `apiledger rights list` shows them")
    return _request(vault, row)


def of_account(control: sqlite3.Connection, vault: Vault, account_no: int) -> list[Request]:
    """The requests of an account, the newest first."""
    query = f"SELECT {_COLUMNS} FROM rights_request WHERE account_no = ? ORDER BY request_no DESC"
    return [_request(vault, row) for row in control.execute(query, (account_no,)).fetchall()]


def listed(control: sqlite3.Connection, vault: Vault, *, ended: bool = False) -> list[Request]:
    """Every request that is open, the one that is due first at the top; with `ended` those that ended as well."""
    only = "" if ended else "WHERE state = 'open'"
    rows = control.execute(f"SELECT {_COLUMNS} FROM rights_request {only} ORDER BY state = 'open' DESC, due_on, 1")
    return [_request(vault, row) for row in rows.fetchall()]


def due_before(control: sqlite3.Connection, day: date) -> list[tuple[int, str, date]]:
    """Number, kind and due day of each open request that is due before a day; what people wrote is not opened."""
    rows = control.execute(
        "SELECT request_no, kind, due_on FROM rights_request WHERE state = 'open' AND due_on < ? ORDER BY due_on, 1",
        (day.isoformat(),),
    )
    return [(number, kind, date.fromisoformat(due_on)) for number, kind, due_on in rows]


def _request(vault: Vault, row: tuple[int, int, str, str, str, str, str | None, str | None, str | None]) -> Request:
    number, account_no, kind, state, asked_at, due_on, ended_at, note, answer = row
    return Request(
        number,
        account_no,
        cast("Kind", kind),
        cast("State", state),
        database.moment(asked_at),
        date.fromisoformat(due_on),
        None if ended_at is None else database.moment(ended_at),
        "" if note is None else vault.open(account_no, _NOTE, note),
        "" if answer is None else vault.open(account_no, _ANSWER, answer),
    )
