"""Closed months: which, when, and the hash of what each one says, so that none can be changed or taken away unseen."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from warehouse import database


@dataclass(frozen=True)
class Close:
    """A closed month (`2026-10`), when it was closed (UTC) and the SHA-256 of its manifest."""

    month: str
    closed_at: datetime
    manifest_sha256: str


def listed(control: sqlite3.Connection) -> list[Close]:
    """Every closed month, oldest first."""
    rows = control.execute("SELECT month, closed_at, manifest_sha256 FROM month_close ORDER BY month")
    return [Close(month, database.moment(at), digest) for month, at, digest in rows]


def record(control: sqlite3.Connection, close: Close) -> None:
    """Keep a closed month; the caller holds the transaction."""
    row = (close.month, database.stamp(close.closed_at), close.manifest_sha256)
    control.execute("INSERT INTO month_close VALUES (?, ?, ?)", row)


def rehash(control: sqlite3.Connection, closes: Iterable[Close]) -> None:
    """Vouch for months that are written anew; the caller holds the transaction."""
    rows = [(each.manifest_sha256, each.month) for each in closes]
    control.executemany("UPDATE month_close SET manifest_sha256 = ? WHERE month = ?", rows)
