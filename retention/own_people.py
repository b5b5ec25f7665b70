"""A gateway's user or end user of one's own account, by the id that its log has: nobody finds another account's.

Who is not there and who is another account's are answered alike.
"""

import sqlite3

from retention import subjects
from retention.errors import RetentionError
from retention.holding import Holding
from retention.subjects import Subject
from warehouse.control.vault import Vault

KINDS = {"user": "user of a gateway", "end_user": "end user"}


def find(
    control: sqlite3.Connection, vault: Vault, holding: Holding, kind: str, text: str, account: str = ""
) -> Subject:
    """The subject of an outside id among an account's own; `account` is its name in the log, where it has several.

    RetentionError where the account has nobody of that id, or several of its names have.
    """
    if kind not in KINDS:
        raise RetentionError(f"people are {' or '.join(KINDS.values())}s")
    names = _names(control, holding)
    owners = {number for number, name in names.items() if account in {"", name}}
    ids = [row for row in subjects.rows(control, vault, kind, text) if row[2] in owners]
    if not ids:
        raise RetentionError(f"this account has no {KINDS[kind]} of that id: take the id that its log has")
    if len({names[row[2]] for row in ids}) > 1:
        raise RetentionError(f"several names of this account have a {KINDS[kind]} of that id: say which account")
    return Subject(kind, tuple(ids))


def _names(control: sqlite3.Connection, holding: Holding) -> dict[int, str]:
    """What the logs call each of an account's numbers; two gateways that call it alike mean one."""
    listed = ", ".join(str(number) for number in holding.numbers)
    query = f"SELECT no, label FROM label WHERE valid_to IS NULL AND no IN ({listed})"
    return dict.fromkeys(holding.numbers, "") | dict(control.execute(query).fetchall())
