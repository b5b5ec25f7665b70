"""Erasures: a number, a kind, how far each is, what it counted; who was erased stands nowhere.

What the last step searches the files for rests sealed in the row, under a key of its own, until that step is done.
"""

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime

from warehouse import database
from warehouse.control.vault import Vault

STEPS = ("begun", "deleted", "published", "done")
_PLACE = "erasure.sealed"


@dataclass
class Erasure:
    """One erasure; `rows` counts what it took by table, `months` are those (ISO) whose comparison is made anew.

    `is_shown`: a published version may tell of the subject, so that none is read before the erasure has published one.
    """

    erasure_no: int
    kind: str
    step: str
    begun_at: datetime
    rows: dict[str, int] = field(default_factory=dict)
    months: list[str] = field(default_factory=list)
    is_shown: bool = True

    def counted(self, rows: dict[str, int]) -> None:
        """Count rows; one that is taken up finds fewer than there were, and the larger count stands."""
        for table, number in rows.items():
            if number:
                self.rows[table] = max(number, self.rows.get(table, 0))


def begin(control: sqlite3.Connection, kind: str, now: datetime, *, is_shown: bool = True) -> Erasure:
    """Write an erasure down; the caller holds the transaction."""
    made = control.execute(
        "INSERT INTO erasure (kind, step, begun_at, counts) VALUES (?, 'begun', ?, '{}')", (kind, database.stamp(now))
    )
    return Erasure(int(made.lastrowid or 0), kind, "begun", now, is_shown=is_shown)


def pending(control: sqlite3.Connection) -> list[Erasure]:
    """The erasures that are not done, oldest first."""
    rows = control.execute(
        "SELECT erasure_no, kind, step, begun_at, counts FROM erasure WHERE step <> 'done' ORDER BY erasure_no"
    ).fetchall()
    return [
        Erasure(number, kind, step, database.moment(begun), **json.loads(counts))
        for number, kind, step, begun, counts in rows
    ]


def is_waited_for(control: sqlite3.Connection) -> bool:
    """Whether an erasure is written down and not done: asked between any two parts of a pass."""
    return control.execute("SELECT 1 FROM erasure WHERE step <> 'done' LIMIT 1").fetchone() is not None


def newest(control: sqlite3.Connection) -> int:
    """The number of the erasure that was begun last; 0 where there was none."""
    return int(control.execute("SELECT coalesce(max(erasure_no), 0) FROM erasure").fetchone()[0])


def keep(control: sqlite3.Connection, erasure: Erasure) -> None:
    """Write down how far an erasure is and what it counted."""
    counts = json.dumps({"rows": erasure.rows, "months": erasure.months, "is_shown": erasure.is_shown})
    control.execute(
        "UPDATE erasure SET step = ?, counts = ? WHERE erasure_no = ?", (erasure.step, counts, erasure.erasure_no)
    )


def seal_needles(
    control: sqlite3.Connection, vault: Vault, erasure_no: int, needles: list[str], names: list[str]
) -> None:
    """Seal what the files are searched for at the end, and an account's names; the caller holds the transaction."""
    sealed = vault.seal(-erasure_no, _PLACE, json.dumps({"needles": needles, "names": names}))
    control.execute("UPDATE erasure SET sealed = ? WHERE erasure_no = ?", (sealed, erasure_no))


def needles(control: sqlite3.Connection, vault: Vault, erasure_no: int) -> list[str]:
    """What the files are searched for."""
    return _unsealed(control, vault, erasure_no)["needles"]


def names(control: sqlite3.Connection, vault: Vault, erasure_no: int) -> list[str]:
    """What the account that is erased was called, past names included; nothing for people, and once it is done."""
    return _unsealed(control, vault, erasure_no)["names"]


def _unsealed(control: sqlite3.Connection, vault: Vault, erasure_no: int) -> dict[str, list[str]]:
    (sealed,) = control.execute("SELECT sealed FROM erasure WHERE erasure_no = ?", (erasure_no,)).fetchone()
    told = {} if sealed is None else json.loads(vault.open(-erasure_no, _PLACE, sealed))
    # One that was begun before closed months were written anew knows its needles alone.
    return {"needles": [], "names": []} | (told if isinstance(told, dict) else {"needles": told})


def end(control: sqlite3.Connection, erasure: Erasure, receipt: str, chain: str, now: datetime) -> None:
    """Write the receipt, and forget what was searched for; the caller holds the transaction."""
    control.execute("DELETE FROM data_key WHERE account_no = ?", (-erasure.erasure_no,))
    control.execute(
        "UPDATE erasure SET step = 'done', done_at = ?, counts = '{}', sealed = NULL WHERE erasure_no = ?",
        (database.stamp(now), erasure.erasure_no),
    )
    control.execute(
        "INSERT INTO erasure_receipt (erasure_no, receipt, chain) VALUES (?, ?, ?)",
        (erasure.erasure_no, receipt, chain),
    )
    erasure.step = "done"


def again(control: sqlite3.Connection, erasure_no: int) -> None:
    """Take up an erasure that was done: what it took has come back with an older build."""
    control.execute("UPDATE erasure SET step = 'begun', done_at = NULL WHERE erasure_no = ?", (erasure_no,))


def has_receipt(control: sqlite3.Connection, erasure_no: int) -> bool:
    """Whether an erasure was done once."""
    query = "SELECT 1 FROM erasure_receipt WHERE erasure_no = ?"
    return control.execute(query, (erasure_no,)).fetchone() is not None


def receipts(control: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every receipt with its chain, in the order in which they were written."""
    return control.execute("SELECT receipt, chain FROM erasure_receipt ORDER BY receipt_no").fetchall()


def is_known(control: sqlite3.Connection, erasure_no: int) -> bool:
    """Whether there is an erasure of this number."""
    return control.execute("SELECT 1 FROM erasure WHERE erasure_no = ?", (erasure_no,)).fetchone() is not None


def receipt_of(control: sqlite3.Connection, erasure_no: int) -> tuple[str, str, str] | None:
    """The newest receipt of an erasure, its chain, and the chain of the receipt before it; None while it waits."""
    row = control.execute(
        "SELECT receipt_no, receipt, chain FROM erasure_receipt WHERE erasure_no = ? ORDER BY receipt_no DESC LIMIT 1",
        (erasure_no,),
    ).fetchone()
    if row is None:
        return None
    query = "SELECT chain FROM erasure_receipt WHERE receipt_no < ? ORDER BY receipt_no DESC LIMIT 1"
    before = control.execute(query, row[:1]).fetchone()
    return row[1], row[2], "" if before is None else str(before[0])


def last_chain(control: sqlite3.Connection) -> str:
    """The chain of the newest receipt; empty before the first."""
    row = control.execute("SELECT chain FROM erasure_receipt ORDER BY receipt_no DESC LIMIT 1").fetchone()
    return "" if row is None else str(row[0])
