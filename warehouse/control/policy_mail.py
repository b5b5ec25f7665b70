"""A material change of the privacy policy is told to each member once, by mail, while there is time before it holds."""

import sqlite3
from datetime import datetime

from warehouse import database
from warehouse.control import acceptance, audit, letter, notice
from warehouse.control import member as members

KIND: notice.Kind = "policy_changed"


def tell(control: sqlite3.Connection, now: datetime) -> int:
    """Queue a mail of the newest material text to each member who neither was told of it nor accepted it; how many.

    The first text of an installation changes nothing for anybody. Without a mail server nobody is told, and whoever
    is told later counts as untold until then.
    """
    text = acceptance.newest_change(control)
    if text is None or not letter.has_server(control):
        return 0
    moment, told = database.stamp(now), 0
    with database.transaction(control):
        rows = control.execute(
            """SELECT member_no FROM member WHERE sealed_email IS NOT NULL AND created_at < :noted
               AND member_no NOT IN (SELECT member_no FROM acceptance WHERE text_no >= :text)
               AND member_no NOT IN (SELECT member_no FROM told WHERE kind = :kind AND about_no >= :text)
               ORDER BY member_no""",
            {"noted": database.stamp(text.noted_at), "text": text.text_no, "kind": KIND},
        ).fetchall()
        for (number,) in rows:
            member = members.of_number(control, number)
            if member is not None and notice.tell(control, member, KIND, now, about_no=text.text_no):
                row = (number, member.account_no, KIND, text.text_no, moment)
                control.execute("INSERT INTO told VALUES (?, ?, ?, ?, ?, NULL, NULL)", row)
                told += 1
        if told:
            audit.note(control, "policy.told", now, object_no=text.text_no, detail=f"members={told}")
    return told
