"""The control store forgets a subject: ids, names, the data key, addresses, budgets, alerts, mails, connections.

Found by the column `account_no`, so that a table added tomorrow forgets, too. What is deleted is zeroed in the file.
"""

import sqlite3
from datetime import datetime

from retention.subjects import Subject
from warehouse.control import hold, tombstone
from warehouse.control.tombstone import Tombstone

# These tell of an erasure, and say account_no of nobody; or of a hold, which keeps sums by number until its day.
_HELD = frozenset({"hold_account", "held_entry", "held_request"})
_KEPT = frozenset({"erasure", "erasure_receipt", "erased_load", "tombstone"}) | _HELD


def forget(control: sqlite3.Connection, stones: list[Tombstone]) -> dict[str, int]:
    """Delete all that the store holds of the subjects of these tombstones; the caller holds the transaction.

    Gives the rows by `control.<table>`.
    """
    control.execute("PRAGMA defer_foreign_keys = ON")
    counts: dict[str, int] = {}
    accounts = [stone.number for stone in stones if stone.kind == "account"]
    ids = [stone.number for stone in stones]
    if accounts:
        hold.keep_invoices(control, accounts, min(stone.erased_at for stone in stones).date())
        query = f"SELECT no FROM outside_id WHERE account_no IN ({_listed(accounts)})"
        ids += [number for (number,) in control.execute(query)]
    _delete(control, counts, "label", "no", ids)
    _delete(control, counts, "outside_id", "no", ids)
    for table, columns in _tables(control):
        if "account_no" in columns and table not in _KEPT and accounts:
            _delete(control, counts, table, "account_no", accounts)
    return counts


def stones_of(control: sqlite3.Connection, subject: Subject, now: datetime) -> list[Tombstone]:
    """The tombstones to lay for a subject; those of an account stand for its connections, too."""
    stones = [Tombstone(subject.kind, gateway, lookup, number, now) for number, gateway, _, lookup in subject.ids]
    return stones + (_connections(control, subject.numbers, now) if subject.kind == "account" else [])


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
    name = f"control.{table}"
    counts[name] = counts.get(name, 0) + gone


def _tables(control: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
    names = [name for (name,) in control.execute(query).fetchall()]
    return [(name, [row[1] for row in control.execute(f"PRAGMA table_info({name})")]) for name in names]


def _listed(numbers: list[int]) -> str:
    # Our own numbers: integers, never a text of a log.
    return ", ".join(str(int(number)) for number in numbers)
