"""Keys by their alias -> a project, from a day on: for calls of an account of the logs that name no project themselves.

It counts for what lands from the next pass on. Of several that fit, the one with the most letters of its own wins.
"""

import re
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from warehouse import database, labels
from warehouse.control.claim_rule import ANY
from warehouse.control.member import MemberError


@dataclass(frozen=True)
class KeyRule:
    """A rule: the account label, its keys' aliases (* stands for any characters), the project, the days (UTC)."""

    rule_no: int
    account: str
    pattern: str
    project: str
    first_day: date
    last_day: date | None

    @property
    def expression(self) -> str:
        """The pattern as a regular expression of the whole alias."""
        return rf"(?s)\A{'.*'.join(map(re.escape, self.pattern.split(ANY)))}\z"


def put(control: sqlite3.Connection, account: str, pattern: str, project: str, first_day: date, now: datetime) -> None:
    """Set a rule from a UTC day on; the same account's and pattern's of before ends with the day before.

    MemberError names what is no label.
    """
    for what, text in (("an account", account), ("a project", project)):
        if not labels.is_label(text):
            raise MemberError(f"{what} is named by its label: at most 64 letters, digits, blanks and ./:-")
    if not labels.is_label(pattern.replace(ANY, "a")) or pattern.strip(ANY) == "":
        raise MemberError("a key's alias is a label in which * stands for any characters, such as web-*")
    with database.transaction(control):
        _end(control, account, pattern, first_day)
        query = "INSERT INTO key_rule (account, pattern, project, first_day, set_at) VALUES (?, ?, ?, ?, ?)"
        control.execute(query, (account, pattern, project, str(first_day), database.stamp(now)))


def end(control: sqlite3.Connection, account: str, pattern: str, first_day: date) -> bool:
    """Let a rule not hold from a UTC day on; whether one did."""
    with database.transaction(control):
        return _end(control, account, pattern, first_day)


def _end(control: sqlite3.Connection, account: str, pattern: str, first_day: date) -> bool:
    place = (account, pattern, str(first_day))
    gone = control.execute("DELETE FROM key_rule WHERE account = ? AND pattern = ? AND first_day >= ?", place)
    query = """UPDATE key_rule SET last_day = ?
               WHERE account = ? AND pattern = ? AND (last_day IS NULL OR last_day >= ?)"""
    cut = control.execute(query, (str(first_day - timedelta(days=1)), *place))
    return gone.rowcount + cut.rowcount > 0


def listed(control: sqlite3.Connection) -> list[KeyRule]:
    """Every rule, those with the most letters of their own first, then by name and day."""
    query = "SELECT rule_no, account, pattern, project, first_day, last_day FROM key_rule"
    found = [
        KeyRule(
            number, account, pattern, project, date.fromisoformat(first), date.fromisoformat(last) if last else None
        )
        for number, account, pattern, project, first, last in control.execute(query)
    ]
    return sorted(found, key=lambda one: (-len(one.pattern.replace(ANY, "")), one.pattern, one.account, one.first_day))
