"""Claims by rule: account labels of the logs that look like a pattern belong to an account as soon as they come up.

An account of a log is its organisation, else its team: a new key follows it without a claim of its own. A label that a
person claimed, or took away, stays as they said; what no rule fits stays the operator's.
"""

import re
import sqlite3
from datetime import datetime

from warehouse import database, labels
from warehouse.control.connection import OPERATOR
from warehouse.control.member import MemberError
from warehouse.control.outside_id import OWN

ANY = "*"
# What the unnamed account of a gateway is called: its owner is the operator.
_UNNAMED = "own"


def is_rule(text: str) -> bool:
    """Whether a text is a pattern of labels and not a label."""
    return ANY in text


def put(control: sqlite3.Connection, pattern: str, account_no: int, now: datetime) -> None:
    """Let an account have the labels that look like `acme-*` from the next pass on; MemberError where another does."""
    if not labels.is_label(pattern.replace(ANY, "a")) or pattern.strip(ANY) == "":
        raise MemberError("a rule is a label in which * stands for any characters, such as acme-*")
    with database.transaction(control):
        query = "SELECT account_no FROM claim_rule WHERE pattern = ? AND ended_at IS NULL"
        held = control.execute(query, (pattern,)).fetchone()
        if held is not None and held[0] != account_no:
            raise MemberError(f"that rule is account {held[0]}'s; end it first")
        if held is None:
            query = "INSERT INTO claim_rule VALUES (?, ?, ?, NULL)"
            control.execute(query, (pattern, account_no, database.stamp(now)))


def end(control: sqlite3.Connection, pattern: str, now: datetime) -> bool:
    """End a rule; labels that it claimed stay claimed. Whether there was one."""
    query = "UPDATE claim_rule SET ended_at = ? WHERE pattern = ? AND ended_at IS NULL"
    return control.execute(query, (database.stamp(now), pattern)).rowcount == 1


def of_account(control: sqlite3.Connection, account_no: int) -> tuple[str, ...]:
    """The rules of an account that hold now, sorted."""
    query = "SELECT pattern FROM claim_rule WHERE account_no = ? AND ended_at IS NULL ORDER BY pattern"
    return tuple(pattern for (pattern,) in control.execute(query, (account_no,)))


def unclaimed(control: sqlite3.Connection) -> list[str]:
    """The account labels of the logs that nobody claims: the operator's alone, sorted."""
    rows = control.execute(
        """SELECT DISTINCT label.label FROM label JOIN outside_id USING (no)
           WHERE kind = 'account' AND valid_to IS NULL AND gateway NOT IN (?, ?) AND label.label <> ?
             AND label.label NOT IN (SELECT label FROM claim WHERE ended_at IS NULL) ORDER BY 1""",
        (OPERATOR, OWN, _UNNAMED),
    )
    return [label for (label,) in rows]


def follow(control: sqlite3.Connection, now: datetime) -> dict[str, int]:
    """Claim every label that a rule fits and nobody decided on yet; gives label -> account.

    Of several rules the one with the most letters of its own wins, of two as long the first by name.
    """
    rules = control.execute("SELECT pattern, account_no FROM claim_rule WHERE ended_at IS NULL").fetchall()
    if not rules:
        return {}
    rules.sort(key=lambda rule: (-len(rule[0].replace(ANY, "")), rule[0]))
    patterns = [(re.compile(".*".join(map(re.escape, pattern.split(ANY)))), number) for pattern, number in rules]
    with database.transaction(control):
        decided = {label for (label,) in control.execute("SELECT label FROM claim")}
        claimed = {}
        for label in unclaimed(control):
            number = next((number for pattern, number in patterns if pattern.fullmatch(label)), None)
            if number is not None and label not in decided:
                claimed[label] = number
        control.executemany(
            "INSERT INTO claim VALUES (?, ?, ?, NULL)",
            [(label, number, database.stamp(now)) for label, number in claimed.items()],
        )
    return claimed
