"""What each self-audit looked at, how much of it was wrong, and which act of the audit chain vouches for it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from warehouse import database
from warehouse.control import audit


@dataclass(frozen=True)
class Looked:
    """A check's newest result: when it was made (UTC), how much was wrong, and the act that is its receipt."""

    ran_at: datetime
    name: str
    wrong: int
    audit_no: int


def write(control: sqlite3.Connection, found: Mapping[str, int], now: datetime) -> None:
    """Write a self-audit's results with their act, all or none; `found` is how much was wrong by check."""
    with database.transaction(control):
        detail = f"checks={len(found)} wrong={sum(found.values())}"
        audit.note(control, "selfaudit.run", now, detail=detail)
        (number, _) = audit.tail(control) or (0, "")
        control.executemany(
            "INSERT OR REPLACE INTO self_audit VALUES (?, ?, ?, ?)",
            [(database.stamp(now), name, wrong, number) for name, wrong in found.items()],
        )


def newest(control: sqlite3.Connection) -> dict[str, Looked]:
    """The newest result of every check, by its name."""
    rows = control.execute("SELECT max(ran_at), name, wrong, audit_no FROM self_audit GROUP BY name ORDER BY name")
    return {name: Looked(database.moment(ran_at), name, wrong, number) for ran_at, name, wrong, number in rows}
