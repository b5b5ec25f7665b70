"""What is remembered of logs that are watched where they lie: files, objects of a bucket, stretches of a table.

A name is kept as a keyed hash alone. What is remembered only saves reading: a thing that is forgotten is read again,
and its calls are known by their ids.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Watched:
    """A thing as it was when it was last read.

    `read_to` is how far (bytes of a file), `tail` a keyed hash of what stood just before, `carried` what the source
    needs to go on from there: counters and hashes, never a text of the log.
    """

    lookup: bytes
    inode: int = 0
    size: int = 0
    read_to: int = 0
    tail: bytes | None = None
    carried: str | None = None


def known(control: sqlite3.Connection, place: str) -> dict[bytes, Watched]:
    """Everything that is remembered of a place, by the hash of its name."""
    rows = control.execute("SELECT lookup, inode, size, read_to, tail, carried FROM watched WHERE place = ?", (place,))
    return {row[0]: Watched(*row) for row in rows}


def remember(control: sqlite3.Connection, place: str, things: Iterable[Watched], today: date) -> None:
    """Remember things as they are now; the caller holds the transaction."""
    control.executemany(
        "INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (place, one.lookup, one.inode, one.size, one.read_to, one.tail, one.carried, today.isoformat())
            for one in things
        ),
    )


def seen(control: sqlite3.Connection, place: str, lookups: Iterable[bytes], today: date) -> None:
    """Say that things are still there, so that they are not forgotten; written once a day, and only then looked for."""
    older = "SELECT lookup FROM watched WHERE place = ? AND seen_on < ?"
    stale = {lookup for (lookup,) in control.execute(older, (place, today.isoformat()))}
    control.executemany(
        "UPDATE watched SET seen_on = ? WHERE place = ? AND lookup = ?",
        ((today.isoformat(), place, lookup) for lookup in stale.intersection(lookups)),
    )


def forget(control: sqlite3.Connection, place: str, lookups: Iterable[bytes]) -> None:
    """Forget things: a folder of a bucket that was read whole stands for its objects."""
    control.executemany("DELETE FROM watched WHERE place = ? AND lookup = ?", ((place, lookup) for lookup in lookups))
