"""Coverage: what a connection's reports do not say, in a sentence that people are told; and the dialect it is read in.

A note of a report that is left out goes with the next pull that reads it; a lost day stays lost, so its note stays.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from warehouse import database


def note(
    control: sqlite3.Connection, connection_no: int, notes: Mapping[str, str], passing: str, now: datetime
) -> None:
    """Keep what a pull has to say of its connection, by topic; topics that begin with `passing` are only of this pull.

    The caller holds the transaction.
    """
    control.execute(
        "DELETE FROM coverage WHERE connection_no = ? AND substr(topic, 1, ?) = ?",
        (connection_no, len(passing), passing),
    )
    control.executemany(
        """INSERT INTO coverage VALUES (?, ?, ?, ?)
           ON CONFLICT (connection_no, topic) DO UPDATE SET note = excluded.note""",
        [(connection_no, topic, said, database.stamp(now)) for topic, said in notes.items()],
    )


def rows(control: sqlite3.Connection) -> list[tuple[int, str, str, datetime]]:
    """Every note in the columns of model.coverage."""
    found = control.execute("SELECT * FROM coverage ORDER BY connection_no, topic")
    return [(number, topic, said, database.moment(noted)) for number, topic, said, noted in found]


def dialect(control: sqlite3.Connection, connection_no: int) -> str | None:
    """Which of its provider's APIs a connection's key was found to read; None where it was not asked yet."""
    row = control.execute("SELECT dialect FROM connection WHERE connection_no = ?", (connection_no,)).fetchone()
    return row[0] if row else None


def speak(control: sqlite3.Connection, connection_no: int, found: str | None) -> None:
    """Remember the dialect that a connection is read in."""
    control.execute("UPDATE connection SET dialect = ? WHERE connection_no = ?", (found, connection_no))
