"""Every pass that ended, with what landed in it: files, rows, lines held back, bills; numbers and moments alone.

What landed is counted off the receipts, by their numbers: whoever runs the pass, its steps need not tell each other.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database


@dataclass(frozen=True)
class PassRun:
    """A pass: from when to when (UTC), whether it ended well, and what landed since the one before.

    `begun_at` is None where nobody knows: nothing landed, and whoever ran it did not say.
    """

    run_no: int
    begun_at: datetime | None
    ended_at: datetime
    is_good: bool
    files: int
    rows: int
    quarantined: int
    pulls: int


def note(control: sqlite3.Connection, ended_at: datetime, *, is_good: bool, begun_at: datetime | None = None) -> None:
    """A pass has ended. Without `begun_at` it is said to have begun with the first thing that landed."""
    last = control.execute("SELECT newest_load, newest_pull FROM pass_run ORDER BY run_no DESC LIMIT 1").fetchone()
    load_no, pull_no = last or (0, 0)
    ((files, rows, held, first_load, newest_load),) = control.execute(
        """SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(quarantined), 0), min(begun_at),
             coalesce(max(load_no), ?)
           FROM load WHERE state = 'landed' AND load_no > ?""",
        (load_no, load_no),
    ).fetchall()
    ((pulls, first_pull, newest_pull),) = control.execute(
        """SELECT count(*), min(begun_at), coalesce(max(pull_no), ?) FROM pull
           WHERE completed_at IS NOT NULL AND pull_no > ?""",
        (pull_no, pull_no),
    ).fetchall()
    began = database.stamp(begun_at) if begun_at else min(filter(None, (first_load, first_pull)), default=None)
    control.execute(
        """INSERT INTO pass_run (begun_at, ended_at, is_good, files, rows, quarantined, pulls, newest_load, newest_pull)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (began, database.stamp(ended_at), is_good, files, rows, held, pulls, newest_load, newest_pull),
    )


def listed(control: sqlite3.Connection, since: datetime) -> list[PassRun]:
    """The passes that ended at a moment (UTC) or later, the newest first."""
    query = """SELECT run_no, begun_at, ended_at, is_good, files, rows, quarantined, pulls FROM pass_run
               WHERE ended_at >= ? ORDER BY run_no DESC"""
    return [
        PassRun(number, begun and database.moment(begun), database.moment(ended), bool(good), *landed)
        for number, begun, ended, good, *landed in control.execute(query, (database.stamp(since),))
    ]
