"""The control store forgets a subject: ids, names, people, data key, addresses, budgets, alerts, mails, connections.

Found by the columns `account_no` and `member_no`, so that a table added tomorrow forgets, too. What is deleted is
zeroed in the file.
"""

import json
import sqlite3
from datetime import datetime

from retention.subjects import Subject
from warehouse.control import hold, tombstone
from warehouse.control.tombstone import Tombstone

# These tell of an erasure, and say account_no of nobody; or of a hold, which keeps sums by number until its day.
_HELD = frozenset({"hold_account", "held_entry", "held_request"})
_KEPT = frozenset({"erasure", "erasure_receipt", "erased_load", "tombstone"}) | _HELD
# That the operator looked into an account is the account's to know, also when the one who looked is gone.
_KEPT_OF_MEMBERS = frozenset({"opening"})
# What hangs on these goes with them; counted first, it is in the receipt.
_LAST = ("member", "account")


def forget(control: sqlite3.Connection, stones: list[Tombstone]) -> dict[str, int]:
    """Delete all that the store holds of the subjects of these tombstones; the caller holds the transaction.

    Gives the rows by `control.<table>`.
    """
    control.execute("PRAGMA defer_foreign_keys = ON")
    counts: dict[str, int] = {}
    accounts = [stone.number for stone in stones if stone.kind == "account"]
    members = [stone.number for stone in stones if stone.kind == "member"]
    ids = [stone.number for stone in stones]
    if accounts:
        hold.keep_invoices(control, accounts, min(stone.erased_at for stone in stones).date())
        hold.keep_credits(control, accounts, min(stone.erased_at for stone in stones).date())
        query = f"SELECT no FROM outside_id WHERE account_no IN ({_listed(accounts)})"
        ids += [number for (number,) in control.execute(query)]
        query = f"SELECT member_no FROM member WHERE account_no IN ({_listed(accounts)})"
        members += [number for (number,) in control.execute(query)]
        control.execute(f"UPDATE session SET opened_account_no = NULL WHERE opened_account_no IN ({_listed(accounts)})")
    names = _names(control, ids)
    _delete(control, counts, "label", "no", ids)
    _delete(control, counts, "outside_id", "no", ids)
    _let_go_of_names(control, counts, names)
    for table, columns in _tables(control):
        if "member_no" in columns and table not in _KEPT_OF_MEMBERS:
            _delete(control, counts, table, "member_no", members)
        if "account_no" in columns and table not in _KEPT:
            _delete(control, counts, table, "account_no", accounts)
    return counts


def _names(control: sqlite3.Connection, numbers: list[int]) -> dict[str, int]:
    """The names of numbers, each with one of them."""
    found: dict[str, int] = {}
    for start in range(0, len(numbers), 500):
        query = f"SELECT label, no FROM label WHERE no IN ({_listed(numbers[start : start + 500])})"
        found |= dict(control.execute(query).fetchall())
    return found


def _let_go_of_names(control: sqlite3.Connection, counts: dict[str, int], names: dict[str, int]) -> None:
    """Claims, plans and the limits of members speak of accounts and projects by name: of those that nothing has now."""
    gone = names.keys() - {label for (label,) in control.execute("SELECT DISTINCT label FROM label")} if names else ()
    for label in gone:
        _count(counts, "claim", control.execute("DELETE FROM claim WHERE label = ?", (label,)).rowcount)
        control.execute("DELETE FROM told_apart WHERE label = ?", (label,))
        gone_rules = control.execute("DELETE FROM key_rule WHERE account = ? OR pattern = ?", (label, label))
        _count(counts, "key_rule", gone_rules.rowcount)
        # A plan that covered them alone covers nobody any more; its fee is its owner's as before.
        query = "UPDATE plan SET covers_account = ? WHERE covers_account = ?"
        control.execute(query, (f"account {names[label]}", label))
    for table in ("member", "ticket") if gone else ():
        for rowid, listed in control.execute(
            f"SELECT rowid, projects FROM {table} WHERE projects IS NOT NULL"
        ).fetchall():
            left = [name for name in json.loads(listed) if name not in gone]
            if len(left) < len(json.loads(listed)):
                # An empty list is no project: who was limited to theirs sees nothing, not everything.
                control.execute(f"UPDATE {table} SET projects = ? WHERE rowid = ?", (json.dumps(left), rowid))


def stones_of(control: sqlite3.Connection, subject: Subject, now: datetime) -> list[Tombstone]:
    """The tombstones to lay for a subject; those of an account stand for its connections, too.

    An account that people sign in to and a member have no outside id: their numbers alone are kept.
    """
    stones = [Tombstone(subject.kind, gateway, lookup, number, now) for number, gateway, _, lookup in subject.ids]
    people = [("account", subject.account_no), ("member", subject.member_no)]
    stones += [Tombstone(kind, "", b"", number, now) for kind, number in people if number is not None]
    accounts = [stone.number for stone in stones if stone.kind == "account"]
    return stones + (_connections(control, accounts, now) + _customers(control, accounts, now) if accounts else [])


def late(control: sqlite3.Connection, erasure_no: int) -> list[Tombstone]:
    """Numbers that a load which was under way gave to the erased once more, as tombstones of the same erasure.

    The caller holds the inboxes' lock: no load is under way any more, and none begins before the erasure is done.
    """
    laid = tombstone.of_erasure(control, erasure_no)
    found = []
    for stone in {stone.lookup: stone for stone in laid if stone.lookup}.values():
        rows = control.execute("SELECT no FROM outside_id WHERE kind = ? AND lookup = ?", (stone.kind, stone.lookup))
        found += [Tombstone(stone.kind, stone.gateway, stone.lookup, number, stone.erased_at) for (number,) in rows]
    return found


def _connections(control: sqlite3.Connection, accounts: list[int], now: datetime) -> list[Tombstone]:
    """The connections that accounts own: their bills go with them. They have no outside id."""
    query = f"SELECT connection_no, source FROM connection WHERE account_no IN ({_listed(accounts)})"
    return [Tombstone("connection", source, b"", number, now) for number, source in control.execute(query).fetchall()]


def _customers(control: sqlite3.Connection, accounts: list[int], now: datetime) -> list[Tombstone]:
    """The paying customers that accounts are: their payments go with them, and do not land again."""
    query = f"""SELECT no, gateway, lookup FROM outside_id
                WHERE kind = 'customer' AND account_no IN ({_listed(accounts)})"""
    return [Tombstone("customer", gateway, lookup, number, now) for number, gateway, lookup in control.execute(query)]


def numbers_there(control: sqlite3.Connection) -> set[int]:
    """Numbers with a tombstone that the store has again, as after an older one was put back."""
    places = (("outside_id", "no"), ("account", "account_no"), ("member", "member_no"))
    found: set[int] = set()
    for table, column in places:
        query = f"SELECT {column} FROM {table} WHERE {column} IN (SELECT number FROM tombstone)"
        found |= {number for (number,) in control.execute(query)}
    return found


def clients(control: sqlite3.Connection, numbers: list[int]) -> int:
    """Delete addresses and user agents by their numbers; how many there were. The caller holds the transaction."""
    before = control.total_changes
    control.executemany("DELETE FROM client WHERE client_no = ?", [(number,) for number in numbers])
    return control.total_changes - before


def _delete(control: sqlite3.Connection, counts: dict[str, int], table: str, column: str, numbers: list[int]) -> None:
    gone = 0
    for start in range(0, len(numbers), 500):
        listed = _listed(numbers[start : start + 500])
        gone += control.execute(f"DELETE FROM {table} WHERE {column} IN ({listed})").rowcount
    _count(counts, table, gone)


def _count(counts: dict[str, int], table: str, gone: int) -> None:
    counts[f"control.{table}"] = counts.get(f"control.{table}", 0) + gone


def _tables(control: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
    names = [name for (name,) in control.execute(query).fetchall()]
    names = [name for name in names if name not in _LAST] + list(_LAST)
    return [(name, [row[1] for row in control.execute(f"PRAGMA table_info({name})")]) for name in names]


def _listed(numbers: list[int]) -> str:
    # Our own numbers: integers, never a text of a log.
    return ", ".join(str(int(number)) for number in numbers)
