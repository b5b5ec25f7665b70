"""Receipts of bills that came as files: which bytes were taken, how many lines said what, what was held back.

A file that comes again is known by its hash and says nothing new, so that an old bill never takes a newer one's place.
"""

import sqlite3
from dataclasses import dataclass, field
from datetime import date, datetime

from warehouse import database
from warehouse.control.receipt import MOST_QUARANTINED, Quarantined


@dataclass
class FileReceipt:
    """What one file, or one state of a folder, gave: lines of AI services, of others, and what was held back."""

    source: str
    sha256: bytes
    charges: int = 0
    left_out: int = 0
    quarantined: int = 0
    quarantine: list[Quarantined] = field(default_factory=list)

    def hold_back(self, line_no: int, line_bytes: int, reason: str) -> None:
        """Count a row that is no charge; where it stands and why is kept of the first MOST_QUARANTINED."""
        self.quarantined += 1
        if len(self.quarantine) < MOST_QUARANTINED:
            self.quarantine.append(Quarantined(line_no, line_bytes, reason))


def known(control: sqlite3.Connection, source: str, sha256: bytes) -> bool:
    """Whether these bytes were taken before."""
    query = "SELECT 1 FROM bill_file WHERE source = ? AND sha256 = ?"
    return control.execute(query, (source, sha256)).fetchone() is not None


def sign(control: sqlite3.Connection, receipts: list[FileReceipt], now: datetime) -> None:
    """Write the receipts of files whose charges have landed, all or none."""
    moment = database.stamp(now)
    with database.transaction(control):
        for one in receipts:
            control.execute(
                "INSERT OR REPLACE INTO bill_file VALUES (?, ?, ?, ?, ?, ?)",
                (one.source, one.sha256, moment, one.charges, one.left_out, one.quarantined),
            )
            control.executemany(
                "INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)",
                [(one.sha256, q.line_no, one.source, q.bytes, q.reason, moment) for q in one.quarantine],
            )


@dataclass(frozen=True)
class Cursor:
    """Up to which export a table was read (UTC), and the first day of it that was ever asked for.

    `turn` counts the tables of its source that were read before it.
    """

    source: str
    place: bytes
    first_day: date
    read_to: datetime
    turn: int = 0


def cursor(control: sqlite3.Connection, source: str, place: bytes) -> Cursor | None:
    """Where a table was read to; None where it never was."""
    query = "SELECT first_day, read_to, turn FROM bill_cursor WHERE source = ? AND place = ?"
    row = control.execute(query, (source, place)).fetchone()
    return Cursor(source, place, date.fromisoformat(row[0]), database.moment(row[1]), row[2]) if row else None


def last_turn(control: sqlite3.Connection, source: str) -> int | None:
    """The turn of the table of a source that is read; None where none was."""
    return control.execute("SELECT max(turn) FROM bill_cursor WHERE source = ?", (source,)).fetchone()[0]  # type: ignore[no-any-return]  # sqlite3 types no row


def move(control: sqlite3.Connection, to: Cursor) -> None:
    """Go on from there the next time; a table whose place it took begins anew, should it be read again."""
    with database.transaction(control):
        control.execute("DELETE FROM bill_cursor WHERE source = ? AND turn <= ?", (to.source, to.turn))
        control.execute(
            "INSERT INTO bill_cursor VALUES (?, ?, ?, ?, ?)",
            (to.source, to.place, to.first_day.isoformat(), database.stamp(to.read_to), to.turn),
        )


def forget(control: sqlite3.Connection, source: str) -> None:
    """Forget a source's files, since rows of them are gone: each is read again when it is there again."""
    with database.transaction(control):
        control.execute("DELETE FROM bill_file WHERE source = ?", (source,))
        control.execute("DELETE FROM bill_cursor WHERE source = ?", (source,))
