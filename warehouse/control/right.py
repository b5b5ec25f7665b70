"""Requests: what people ask by their rights or for help, by when it is due, and how it ended.

An answer is due within one month of the request (GDPR, Art. 12(3)), to a question within two weeks. What
a person writes, and what they are answered,
rest sealed under their account's data key.
"""

import calendar
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, cast

from warehouse import database
from warehouse.control import audit, notice
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

Kind = Literal["access", "rectification", "erasure", "restriction", "objection", "withdrawal", "question"]
State = Literal["open", "done", "refused"]
Subject = Literal["member", "user", "end_user"]
KINDS: tuple[Kind, ...] = (
    "access", "rectification", "erasure", "restriction", "objection", "withdrawal", "question",
)  # fmt: skip
HELP_DUE = timedelta(days=14)
# Who has this many questions open waits for an answer to one of them.
MOST_OPEN = 20
LONGEST_NOTE = 2_000
_NOTE, _ANSWER = "rights_request.sealed_note", "rights_request.sealed_answer"
_COLUMNS = """request_no, account_no, kind, state, asked_at, due_on, ended_at, sealed_note, sealed_answer, member_no,
    subject"""


@dataclass(frozen=True)
class Request:
    """A request: its number, whose it is, which right, how it stands, and by which UTC day it is due.

    `subject` is whom it is about, where that is one person and not the account.
    """

    request_no: int
    account_no: int
    kind: Kind
    state: State
    asked_at: datetime
    due_on: date
    ended_at: datetime | None
    note: str
    answer: str
    member_no: int | None = None
    subject: Subject | None = None

    def age_days(self, today: date) -> int:
        """For how many days it has waited, or waited until it ended."""
        return ((today if self.ended_at is None else self.ended_at.date()) - self.asked_at.date()).days

    def is_overdue(self, today: date) -> bool:
        """Whether its day has passed and nobody has answered."""
        return self.state == "open" and today > self.due_on


def due(asked_on: date) -> date:
    """The same day of the next month, or that month's last day."""
    year, month = asked_on.year + asked_on.month // 12, asked_on.month % 12 + 1
    return date(year, month, min(asked_on.day, calendar.monthrange(year, month)[1]))


def ask(
    control: sqlite3.Connection,
    vault: Vault,
    account_no: int,
    kind: Kind,
    note: str,
    now: datetime,
    member: Member | None = None,
    subject: Subject | None = None,
) -> Request:
    """Write a request down, with an act; one with a member is theirs, and goes with them. `subject`: whom it is about.

    WarehouseError where its note is longer than LONGEST_NOTE characters, a question says nothing, or too many are open.
    """
    if len(note) > LONGEST_NOTE:
        raise WarehouseError(f"say it in {LONGEST_NOTE:,} characters at most")
    if kind == "question":
        _hold_question(control, account_no, note)
    sealed = vault.seal(account_no, _NOTE, note) if note else None
    due_on = now.date() + HELP_DUE if kind == "question" else due(now.date())
    number = None if member is None else member.member_no
    with database.transaction(control):
        made = control.execute(
            """INSERT INTO rights_request (account_no, kind, state, asked_at, due_on, sealed_note, member_no, subject)
               VALUES (?, ?, 'open', ?, ?, ?, ?, ?)""",
            (account_no, kind, database.stamp(now), due_on.isoformat(), sealed, number, subject),
        )
        audit.note(control, "support.asked", now, actor_no=number, object_no=made.lastrowid, detail=f"kind={kind}")
    return find(control, vault, int(made.lastrowid or 0))


def _hold_question(control: sqlite3.Connection, account_no: int, note: str) -> None:
    if not note.strip():
        raise WarehouseError("say what you need help with")
    query = "SELECT count(*) FROM rights_request WHERE account_no = ? AND kind = 'question' AND state = 'open'"
    if control.execute(query, (account_no,)).fetchone()[0] >= MOST_OPEN:
        raise WarehouseError(f"{MOST_OPEN} questions wait for an answer already")


def end(
    control: sqlite3.Connection,
    vault: Vault,
    request_no: int,
    state: State,
    answer: str,
    now: datetime,
    actor_no: int | None = None,
) -> Request:
    """Answer a request, with an act; who waited for it is told by mail.

    WarehouseError where there is none, it has ended, or it is refused without saying why.
    """
    found = find(control, vault, request_no)
    if found.state != "open":
        raise WarehouseError(f"request {request_no} has ended on {found.ended_at:%Y-%m-%d}")
    if state == "refused" and not answer.strip():
        raise WarehouseError("who is refused is told why: give the reason")
    sealed = vault.seal(found.account_no, _ANSWER, answer) if answer else None
    with database.transaction(control):
        control.execute(
            "UPDATE rights_request SET state = ?, ended_at = ?, sealed_answer = ? WHERE request_no = ?",
            (state, database.stamp(now), sealed, request_no),
        )
        detail = f"kind={found.kind} state={state}"
        audit.note(control, "support.answered", now, actor_no=actor_no, object_no=request_no, detail=detail)
        _tell(control, found, now)
    return find(control, vault, request_no)


def carried_out(
    control: sqlite3.Connection, vault: Vault, account_no: int, kind: Kind, answer: str, now: datetime
) -> Request:
    """Write down a request that was carried out at once, with its answer."""
    return end(control, vault, ask(control, vault, account_no, kind, "", now).request_no, "done", answer, now)


def _tell(control: sqlite3.Connection, found: Request, now: datetime) -> None:
    """What is carried out at once, by who asks, needs no mail."""
    if now - found.asked_at < timedelta(minutes=1):
        return
    asked = None if found.member_no is None else members.of_number(control, found.member_no)
    if asked is not None:
        notice.tell(control, asked, "request_answered", now, about_no=found.request_no)
    else:
        notice.tell_owners(control, found.account_no, "request_answered", now, about_no=found.request_no)


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


def _request(
    vault: Vault, row: tuple[int, int, str, str, str, str, str | None, str | None, str | None, int | None, str | None]
) -> Request:
    number, account_no, kind, state, asked_at, due_on, ended_at, note, answer, member_no, subject = row
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
        member_no,
        cast("Subject | None", subject),
    )
