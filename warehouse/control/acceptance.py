"""Which texts of the privacy policy this installation has shown, and which of them each member accepted, and when.

A text is known by its hash, so that one that was changed under the same version is noticed. Who accepted the newest
text, or one since which nothing material changed, is asked for nothing.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from warehouse import database

# What is accepted before an installation has shown any text: the first that it will show.
_FIRST_TEXT = 1
SHIPPED_VERSION = "2026-11-22"


@dataclass(frozen=True)
class PolicyText:
    """A text as it was first shown: its version, hash, whether it asks for acceptance, and what it changed."""

    text_no: int
    version: str
    sha256: str
    is_material: bool
    changed: str
    noted_at: datetime


def newest(control: sqlite3.Connection) -> PolicyText | None:
    """The text that holds now; None before the first was shown."""
    row = control.execute(
        "SELECT text_no, version, sha256, is_material, changed, noted_at FROM policy_text ORDER BY text_no DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, version, sha256, is_material, changed, noted_at = row
    return PolicyText(number, version, sha256, bool(is_material), changed, database.moment(noted_at))


def note(
    control: sqlite3.Connection, version: str, sha256: str, *, is_material: bool, changed: str, now: datetime
) -> PolicyText:
    """The text that holds now, written down where it is another than the newest.

    One under a version that was shown with other words counts as material, whatever it says of itself.
    """
    found = newest(control)
    if found is None or found.sha256 != sha256:
        with database.transaction(control):
            found = newest(control)
            if found is None or found.sha256 != sha256:
                same = control.execute("SELECT 1 FROM policy_text WHERE version = ?", (version,)).fetchone()
                row = (version, sha256, is_material or same is not None, changed, database.stamp(now))
                control.execute(
                    "INSERT INTO policy_text (version, sha256, is_material, changed, noted_at) VALUES (?, ?, ?, ?, ?)",
                    row,
                )
                found = newest(control)
    if found is None:
        raise LookupError("the text that was just written down is there")
    return found


def accept(control: sqlite3.Connection, member_no: int, account_no: int, now: datetime) -> None:
    """Write down that a member accepts the text that holds now."""
    found = newest(control)
    number, version = (_FIRST_TEXT, SHIPPED_VERSION) if found is None else (found.text_no, found.version)
    row = (member_no, account_no, number, version, database.stamp(now))
    control.execute("INSERT OR IGNORE INTO acceptance VALUES (?, ?, ?, ?, ?)", row)


def is_due(control: sqlite3.Connection, member_no: int) -> bool:
    """Whether something material changed since the newest text that a member accepted."""
    query = "SELECT coalesce(max(text_no), 0) FROM acceptance WHERE member_no = ?"
    ((accepted,),) = control.execute(query, (member_no,)).fetchall()
    query = "SELECT 1 FROM policy_text WHERE is_material = 1 AND text_no > ?"
    return control.execute(query, (accepted,)).fetchone() is not None


def accepted(control: sqlite3.Connection, member_no: int) -> list[tuple[str, datetime]]:
    """The versions a member accepted, each with its moment, the newest first."""
    query = "SELECT version, accepted_at FROM acceptance WHERE member_no = ? ORDER BY accepted_at DESC"
    return [(version, database.moment(when)) for version, when in control.execute(query, (member_no,))]


def shown_twice(control: sqlite3.Connection) -> list[str]:
    """The versions under which more than one text was shown."""
    query = "SELECT version FROM policy_text GROUP BY version HAVING count(DISTINCT sha256) > 1 ORDER BY version"
    return [version for (version,) in control.execute(query)]
