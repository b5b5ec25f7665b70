"""Tombstones: who was erased and when, as a keyed hash of the outside id; the number is one that nothing has any more.

What is dated before the erasure and is offered again is known by the hash, whatever sends it. Where an older build was
put back, what has come back with it is known by the number.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database


@dataclass(frozen=True)
class Tombstone:
    """One subject that was erased: its kind, gateway, the keyed hash of its outside id, its number, and when (UTC)."""

    kind: str
    gateway: str
    lookup: bytes
    number: int
    erased_at: datetime


def lay(control: sqlite3.Connection, erasure_no: int, stones: list[Tombstone]) -> None:
    """Lay tombstones; the caller holds the transaction of the erasure."""
    control.executemany(
        "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)",
        [
            (each.number, each.kind, each.gateway, each.lookup, database.stamp(each.erased_at), erasure_no)
            for each in stones
        ],
    )


def of_erasure(control: sqlite3.Connection, erasure_no: int) -> list[Tombstone]:
    """The tombstones that an erasure laid."""
    rows = control.execute(
        "SELECT kind, gateway, lookup, number, erased_at FROM tombstone WHERE erasure_no = ? ORDER BY number",
        (erasure_no,),
    )
    return [
        Tombstone(kind, gateway, lookup, number, database.moment(erased))
        for kind, gateway, lookup, number, erased in rows
    ]


def erased_at(control: sqlite3.Connection, kind: str, gateway: str) -> dict[bytes, datetime]:
    """When each erased subject of a gateway was erased last, by its keyed hash."""
    rows = control.execute(
        "SELECT lookup, max(erased_at) FROM tombstone WHERE kind = ? AND gateway = ? GROUP BY lookup", (kind, gateway)
    )
    return {lookup: database.moment(when) for lookup, when in rows}


def numbers(control: sqlite3.Connection) -> dict[int, tuple[str, int]]:
    """The kind and the erasure of every number that nothing has any more."""
    rows = control.execute("SELECT number, kind, erasure_no FROM tombstone")
    return {number: (kind, erasure_no) for number, kind, erasure_no in rows}
