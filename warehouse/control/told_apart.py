"""Accounts of the logs that are told apart by team or key: their parts are accounts of their own, claimed one by one.

`acme` told apart by team has its calls from then on in `acme/red`, `acme/blue` and so on, and a new key of a team is
where its team is. What names no team, and what came before, stays in `acme`. Nobody sees a part by claiming the whole.
"""

import sqlite3
from datetime import datetime
from typing import Literal, cast

from warehouse import database, labels
from warehouse.control.member import MemberError

Part = Literal["team", "key"]
PARTS: tuple[Part, ...] = ("team", "key")


def put(control: sqlite3.Connection, label: str, part: Part, now: datetime) -> None:
    """Tell an account of the logs apart from the next pass on; MemberError where it is no label."""
    if not labels.is_label(label):
        raise MemberError(
            "an account is told apart by its label, such as acme; `apiledger account unclaimed` lists some"
        )
    control.execute("INSERT OR REPLACE INTO told_apart VALUES (?, ?, ?)", (label, part, database.stamp(now)))


def end(control: sqlite3.Connection, label: str) -> bool:
    """Take an account as a whole again; its parts keep what they have. Whether it was told apart."""
    return control.execute("DELETE FROM told_apart WHERE label = ?", (label,)).rowcount == 1


def listed(control: sqlite3.Connection) -> dict[str, Part]:
    """Which accounts are told apart, by label, and by what."""
    rows = control.execute("SELECT label, part FROM told_apart ORDER BY label").fetchall()
    return {label: cast("Part", part) for label, part in rows}
