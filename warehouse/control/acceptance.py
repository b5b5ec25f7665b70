"""Which texts of the privacy policy this installation has shown, and which of them each member accepted, and when.

A text is known by its hash, so that one that was changed under the same version is noticed. Who accepted the newest
text, or one since which nothing material changed, is asked for nothing.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from warehouse import database

# What is accepted before an installation has shown any text: the first that it will show.
_FIRST_TEXT = 1
SHIPPED_VERSION = "2026-11-23"
_COLUMNS = "text_no, version, sha256, is_material, changed, noted_at, in_force, holds_on"


@dataclass(frozen=True)
class PolicyText:
    """A text as it was first shown: its version, hash, whether it asks for acceptance, and what it changed.

    `holds_on` is the UTC day from which it holds: no material change holds before its days of notice have passed.
    """

    text_no: int
    version: str
    sha256: str
    is_material: bool
    changed: str
    noted_at: datetime
    holds_on: date


def newest(control: sqlite3.Connection) -> PolicyText | None:
    """The newest text; None before the first was shown."""
    return _text(control.execute(f"SELECT {_COLUMNS} FROM policy_text ORDER BY text_no DESC LIMIT 1").fetchone())


def of_number(control: sqlite3.Connection, text_no: int) -> PolicyText | None:
    """The text of a number; None where there is none."""
    return _text(control.execute(f"SELECT {_COLUMNS} FROM policy_text WHERE text_no = ?", (text_no,)).fetchone())


def _text(row: tuple[int, str, str, int, str, str, str | None, str | None] | None) -> PolicyText | None:
    if row is None:
        return None
    number, version, sha256, is_material, changed, noted_at, _, holds_on = row
    noted = database.moment(noted_at)
    holds = noted.date() if holds_on is None else date.fromisoformat(holds_on)
    return PolicyText(number, version, sha256, bool(is_material), changed, noted, holds)


def newest_change(control: sqlite3.Connection) -> PolicyText | None:
    """The newest text by which something material changed; None where there was but the first."""
    query = """SELECT max(text_no) FROM policy_text
               WHERE is_material = 1 AND text_no > (SELECT min(text_no) FROM policy_text)"""
    ((number,),) = control.execute(query).fetchall()
    return None if number is None else of_number(control, number)


def is_superseded(control: sqlite3.Connection, text: PolicyText) -> bool:
    """Whether another material text came after this one."""
    query = "SELECT 1 FROM policy_text WHERE text_no > ? AND is_material = 1"
    return control.execute(query, (text.text_no,)).fetchone() is not None


def note(
    control: sqlite3.Connection,
    version: str,
    sha256: str,
    *,
    is_material: bool,
    changed: str,
    in_force: date,
    notice_days: int,
    now: datetime,
) -> PolicyText:
    """The newest text, written down where it is another than the one before.

    One under a version that was shown with other words counts as material, whatever it says of itself. A material
    change holds from `in_force` on, and not before `notice_days` have passed since it was first seen here; the first
    text of an installation changes nothing for anybody, and holds at once.
    """
    found = newest(control)
    if found is None or found.sha256 != sha256:
        with database.transaction(control):
            found = newest(control)
            if found is None or found.sha256 != sha256:
                same = control.execute("SELECT 1 FROM policy_text WHERE version = ?", (version,)).fetchone()
                material = is_material or same is not None
                earliest = now.date() + timedelta(days=notice_days)
                holds = (
                    min(in_force, now.date()) if found is None else max(in_force, earliest) if material else in_force
                )
                control.execute(
                    """INSERT INTO policy_text (version, sha256, is_material, changed, noted_at, in_force, holds_on)
                       VALUES (?, ?, ?, ?, ?, ?, ?)""",
                    (version, sha256, material, changed, database.stamp(now), str(in_force), str(holds)),
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


def changed_unseen(control: sqlite3.Connection) -> list[str]:
    """What the newest text has in common with an older one of other words, and must not: its version, its day."""
    rows = control.execute("SELECT version, in_force, sha256 FROM policy_text ORDER BY text_no DESC").fetchall()
    if not rows:
        return []
    (version, in_force, _), older = rows[0], [row for row in rows[1:] if row[2] != rows[0][2]]
    said = []
    if any(version == other for other, _, _ in older):
        said.append(f"the privacy policy was changed under version {version}: give its text another version")
    elif in_force is not None and any(in_force == other for _, other, _ in older):
        said.append(f"the privacy policy was changed and is still in force since {in_force}: give it another date")
    return said


def untold(control: sqlite3.Connection, today: date) -> list[str]:
    """The newest material change, where it holds and members who joined before it were not told of it by mail."""
    text = newest_change(control)
    if text is None or today < text.holds_on:
        return []
    query = """SELECT count(*) FROM member WHERE created_at < ? AND sealed_email IS NOT NULL
        AND member_no NOT IN (SELECT member_no FROM acceptance WHERE text_no >= ?)
        AND member_no NOT IN (SELECT member_no FROM told WHERE kind = 'policy_changed' AND sent_at IS NOT NULL
                              AND about_no >= ?)"""
    ((count,),) = control.execute(query, (database.stamp(text.noted_at), text.text_no, text.text_no)).fetchall()
    if not count:
        return []
    return [
        f"version {text.version} of the privacy policy holds since {text.holds_on}, and {count} members were not told"
    ]
