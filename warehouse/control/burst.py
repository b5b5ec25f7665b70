"""Bursts of failed sign-ins: each is told to its member once, whatever the number of tries and of places.

Looked for in what the throttle has counted, apart from the sign-in itself: a page that had to tell somebody would take
longer for an address that somebody has. A burst lasts until an hour has passed without a failure; within a day no
second one is told, so that who guesses at a password fills nobody's mailbox.
"""

import sqlite3
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import audit, notice, throttle
from warehouse.control import member as members

KIND: notice.Kind = "failed_sign_ins"
_AT_MOST_EVERY = timedelta(days=1)


def tell(control: sqlite3.Connection, now: datetime) -> int:
    """Tell the members at whose passwords was guessed again and again, and write it down; how many bursts were new."""
    return sum(_tell(control, *each, now) for each in throttle.repeated(control, now))


def _tell(control: sqlite3.Connection, member_no: int, failures: int, last_at: datetime, now: datetime) -> bool:
    lasts_until = last_at + throttle.MEMORY
    with database.transaction(control):
        query = "SELECT queued_at, lasts_until FROM told WHERE member_no = ? AND kind = ? AND about_no = 0"
        before = control.execute(query, (member_no, KIND)).fetchone()
        if before is not None and database.moment(before[1]) >= now:
            query = "UPDATE told SET lasts_until = ? WHERE member_no = ? AND kind = ? AND lasts_until < ?"
            until = database.stamp(lasts_until)
            control.execute(query, (until, member_no, KIND, until))
            return False
        if before is not None and now - database.moment(before[0]) < _AT_MOST_EVERY:
            return False
        member = members.of_number(control, member_no)
        if member is None:
            return False
        control.execute(
            "INSERT OR REPLACE INTO told VALUES (?, ?, ?, 0, ?, ?, NULL)",
            (member_no, member.account_no, KIND, database.stamp(now), database.stamp(lasts_until)),
        )
        audit.note(control, "sign_in.failed", now, object_no=member_no, detail=f"failures={failures}")
        notice.tell(control, member, KIND, now, about_no=failures)
    return True
