"""Objection: what an account does not want to be done with its data, by purpose (GDPR, Art. 21)."""

import sqlite3
from datetime import datetime
from typing import Literal

from warehouse import database

Purpose = Literal["alerts", "agent_sessions"]
# What each purpose is, for people.
PURPOSES: dict[Purpose, str] = {
    "alerts": "mails that tell of budgets and balances",
    "agent_sessions": "reading the session files of coding agents on this machine",
}


def begin(control: sqlite3.Connection, account_no: int, purpose: Purpose, now: datetime) -> None:
    """Note an objection; the first one's moment stands. Mails of budgets that wait are withdrawn."""
    with database.transaction(control):
        row = (account_no, purpose, database.stamp(now))
        control.execute("INSERT OR IGNORE INTO objection VALUES (?, ?, ?)", row)
        if purpose == "alerts":
            listed = ", ".join(map(str, sorted(_concerned(control, account_no))))
            control.execute(
                f"""UPDATE mail SET state = 'withdrawn', ended_at = ? WHERE class IN ('budget', 'balance')
                    AND state IN ('queued', 'dead') AND account_no IN ({listed})""",
                (database.stamp(now),),
            )


def end(control: sqlite3.Connection, account_no: int, purpose: Purpose) -> bool:
    """Take an objection back; whether there was one."""
    query = "DELETE FROM objection WHERE account_no = ? AND purpose = ?"
    return control.execute(query, (account_no, purpose)).rowcount > 0


def of_account(control: sqlite3.Connection, account_no: int) -> dict[Purpose, datetime]:
    """What an account objects to, and since when."""
    query = "SELECT purpose, objected_at FROM objection WHERE account_no = ? ORDER BY purpose"
    return {purpose: database.moment(since) for purpose, since in control.execute(query, (account_no,))}


def numbers(control: sqlite3.Connection, purpose: Purpose) -> set[int]:
    """The number of every account that objects to a purpose, those of its labels in the logs included."""
    query = "SELECT account_no FROM objection WHERE purpose = ?"
    owners = [number for (number,) in control.execute(query, (purpose,)).fetchall()]
    return {number for owner in owners for number in _concerned(control, owner)}


def _concerned(control: sqlite3.Connection, account_no: int) -> set[int]:
    query = """SELECT label.no FROM label JOIN claim ON claim.label = label.label
               JOIN outside_id ON outside_id.no = label.no AND outside_id.kind = 'account'
               WHERE label.valid_to IS NULL AND claim.ended_at IS NULL AND claim.account_no = ?"""
    return {account_no, *(number for (number,) in control.execute(query, (account_no,)))}
