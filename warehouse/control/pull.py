"""Receipts of pulls: which days of a report a complete pull told anew, with rows and a hash of them.

A day that says the same again gets no new rows, only a later `read_on`. Raw rows without a receipt are never read, so a
pull that broke off anywhere never happened; and a part-read period never writes nothing over something.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple

from warehouse import database
from warehouse.control import refusal


class ReportDay(NamedTuple):
    """A report's day as its newest complete pull told it: rows, their hash, and the UTC day it was last read on.

    `held_back` counts rows of the newest telling that could not be read, `why` says it of them. The rows are what was
    left of such a telling where `is_rest`; else they are all that was told, then or before. It `may_lack` a row that
    says no day and is counted on another. A tuple, since a pass holds thousands of them.
    """

    connection_no: int
    report: str
    day: date
    pull_no: int
    rows: int
    sha256: bytes
    read_on: date
    held_back: int = 0
    is_rest: bool = False
    why: str | None = None
    may_lack: bool = False

    @property
    def lacks(self) -> bool:
        """Whether it was not told whole, or may not have been."""
        return bool(self.held_back) or self.may_lack


def begin(control: sqlite3.Connection, connection_no: int, now: datetime) -> int:
    """Open a pull; its number is never used twice."""
    query = "INSERT INTO pull (connection_no, begun_at) VALUES (?, ?)"
    cursor = control.execute(query, (connection_no, database.stamp(now)))
    if cursor.lastrowid is None:
        raise AssertionError("an INSERT gives a row id")
    return cursor.lastrowid


def unfinished(control: sqlite3.Connection, connection_no: int) -> list[int]:
    """Pulls that were begun and never got a receipt: their raw rows, if any, are to be removed."""
    query = "SELECT pull_no FROM pull WHERE connection_no = ? AND completed_at IS NULL"
    return [pull_no for (pull_no,) in control.execute(query, (connection_no,))]


def forget(control: sqlite3.Connection, pull_nos: list[int]) -> None:
    """Drop pulls that broke off, once their raw rows are gone."""
    control.executemany("DELETE FROM pull WHERE pull_no = ? AND completed_at IS NULL", [(no,) for no in pull_nos])


def sign(control: sqlite3.Connection, pull_no: int, days: list[ReportDay], read_until: date, now: datetime) -> None:
    """Write a pull's receipt: the days it told anew or again, and up to where it read.

    A pull that told nothing new leaves no receipt of its own. The caller holds the transaction: all or nothing.
    """
    ((connection_no,),) = control.execute("SELECT connection_no FROM pull WHERE pull_no = ?", (pull_no,)).fetchall()
    if any(day.pull_no == pull_no for day in days):
        control.execute("UPDATE pull SET completed_at = ? WHERE pull_no = ?", (database.stamp(now), pull_no))
    control.executemany(
        """INSERT INTO report_day VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
           pull_no = excluded.pull_no, rows = excluded.rows, sha256 = excluded.sha256, read_on = excluded.read_on,
           held_back = excluded.held_back, is_rest = excluded.is_rest, why = excluded.why,
           may_lack = excluded.may_lack""",
        [(*day[:2], day.day.isoformat(), *day[3:6], day.read_on.isoformat(), *day[7:]) for day in days],
    )
    control.execute(
        """UPDATE connection SET read_until = ?, refused_key = NULL, refused_at = NULL,
           skipped = NULL, skipped_since = NULL WHERE connection_no = ?""",
        (read_until.isoformat(), connection_no),
    )
    refusal.mend(control, connection_no, now)
    control.execute("DELETE FROM pull WHERE pull_no = ? AND completed_at IS NULL", (pull_no,))


def look(control: sqlite3.Connection, source: str, first: date, on: date) -> None:
    """Note that everything of a source since a day was read on `on`: what is appended to tells of a day when it moves.

    The caller holds the transaction.
    """
    control.execute(
        """UPDATE report_day SET read_on = ? WHERE read_on < ? AND day >= ?
           AND connection_no IN (SELECT connection_no FROM connection WHERE source = ?)""",
        (on.isoformat(), on.isoformat(), first.isoformat(), source),
    )


def days(control: sqlite3.Connection, connection_no: int) -> list[ReportDay]:
    """Every report's days that were told of a connection."""
    rows = control.execute(
        """SELECT connection_no, report, day, pull_no, rows, sha256, read_on, held_back, is_rest, why, may_lack
           FROM report_day WHERE connection_no = ? ORDER BY report, day""",
        (connection_no,),
    )
    return [
        ReportDay(number, report, _date(day), no, count, sha256, _date(read_on), odd, rest == 1, why, may == 1)
        for number, report, day, no, count, sha256, read_on, odd, rest, why, may in rows
    ]


def every_day(
    control: sqlite3.Connection, size: int = 10_000
) -> Iterator[list[tuple[int, str, str, int, int, str, int]]]:
    """Every report's days of all connections, in batches of the columns that are asked for below.

    The last is above 0 for a day that was not told whole.
    """
    query = "SELECT connection_no, report, day, pull_no, rows, read_on, held_back + may_lack FROM report_day"
    found = control.execute(query)
    while batch := found.fetchmany(size):
        yield batch


def lose(control: sqlite3.Connection, lost: list[ReportDay]) -> None:
    """Forget days whose raw rows are gone, and go back to the first of them: the provider is asked again."""
    with database.transaction(control):
        for day in lost:
            control.execute(
                "DELETE FROM report_day WHERE connection_no = ? AND report = ? AND day = ?",
                (day.connection_no, day.report, day.day.isoformat()),
            )
            control.execute(
                "UPDATE connection SET read_until = min(read_until, ?) WHERE connection_no = ?",
                (day.day.isoformat(), day.connection_no),
            )


def told_at(control: sqlite3.Connection, pull_nos: Sequence[int]) -> dict[int, datetime]:
    """When pulls were complete (UTC)."""
    query = """SELECT pull_no, completed_at FROM pull
               WHERE completed_at IS NOT NULL AND pull_no IN (SELECT value FROM json_each(?))"""
    found = control.execute(query, (json.dumps(list(pull_nos)),))
    return {pull_no: database.moment(moment) for pull_no, moment in found}


def states(control: sqlite3.Connection) -> list[tuple[object, ...]]:
    """What was read of each connection, in the columns of settlement_tables.BILL_STATE."""
    rows = control.execute(
        """SELECT c.connection_no, max(d.day) FILTER (WHERE d.rows > 0), max(d.read_on),
             (SELECT max(completed_at) FROM pull WHERE pull.connection_no = c.connection_no),
             count(DISTINCT d.day), coalesce(sum(d.rows), 0), c.skipped, c.skipped_since,
             coalesce(sum(d.held_back), 0)
           FROM connection AS c LEFT JOIN report_day AS d ON d.connection_no = c.connection_no
           GROUP BY c.connection_no ORDER BY c.connection_no"""
    )
    return [
        (
            number,
            last_day and date.fromisoformat(last_day),
            read_on and date.fromisoformat(read_on),
            landed_at and database.moment(landed_at),
            days,
            total,
            skipped,
            since and database.moment(since),
            held_back,
        )
        for number, last_day, read_on, landed_at, days, total, skipped, since, held_back in rows
    ]


def _date(text: str) -> date:
    return date.fromisoformat(text)
