"""What was deleted under which clause: counts, days and digests, never a value; each receipt seals the one before.

A receipt is written before the deletion it tells of becomes final: a kill between the two leaves a receipt too many,
which the next run repeats, and never a deletion without one.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database


@dataclass(frozen=True)
class Expired:
    """What a clause takes from a place: how many rows or files, dated from when to when, and a digest of them."""

    clause: str
    place: str
    things: int
    first_day: date | None = None
    last_day: date | None = None
    digest: str = ""

    def days(self) -> str:
        """`2026-01-01 to 2026-01-03`, one day by itself, or nothing where no day is known."""
        if self.first_day is None or self.last_day is None:
            return ""
        return f"{self.first_day}" if self.first_day == self.last_day else f"{self.first_day} to {self.last_day}"

    def months(self) -> set[date]:
        """The first day of every month from the first to the last of what is taken."""
        if self.first_day is None or self.last_day is None:
            return set()
        ends = [day.year * 12 + day.month - 1 for day in (self.first_day, self.last_day)]
        return {date(number // 12, number % 12 + 1, 1) for number in range(ends[0], ends[1] + 1)}


def digest(names: Iterable[object]) -> str:
    """A digest of what things are called, the same in any order."""
    return hashlib.sha256("\n".join(sorted(map(str, names))).encode()).hexdigest()


def write(control: sqlite3.Connection, expired: Expired, now: datetime) -> Expired:
    """Write a receipt and give it back; its chain is the hash of itself and the chain before."""
    row = control.execute("SELECT chain FROM expiry ORDER BY expiry_no DESC LIMIT 1").fetchone()
    days = [day and day.isoformat() for day in (expired.first_day, expired.last_day)]
    said = (database.stamp(now), expired.clause, expired.place, expired.things, *days, expired.digest)
    chain = _link(row[0] if row else "", said)
    control.execute(
        """INSERT INTO expiry (ran_at, clause, place, things, first_day, last_day, digest, chain)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (*said, chain),
    )
    return expired


def broken(control: sqlite3.Connection) -> list[int]:
    """The numbers of receipts that do not follow from the one before: they, or one before them, were changed."""
    rows = control.execute(
        "SELECT expiry_no, ran_at, clause, place, things, first_day, last_day, digest, chain FROM expiry ORDER BY 1"
    ).fetchall()
    found, before = [], None
    for number, *said, chain in rows:
        # The oldest have expired: the chain begins with whichever is the first now.
        if before is not None and _link(before, tuple(said)) != chain:
            found.append(number)
        before = chain
    return found


def _link(before: str, said: tuple[object, ...]) -> str:
    return hashlib.sha256(repr((before, *said)).encode()).hexdigest()
