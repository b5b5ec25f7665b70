"""Rectification: a name or an address that is wrong is put right everywhere, and the old one is in no byte any more.

Facts carry numbers, so a name is changed in its own table, and every sum stays. A gateway that goes on telling the old
name is not believed: a keyed hash remembers that it was put right.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from retention import frozen_rows, policy, rewrite, self_scan, stores
from retention.errors import RetentionError
from retention.holding import Holding
from retention.subjects import SHORTEST_NEEDLE
from warehouse import closed_month, database, labels, publication, stale_allocation
from warehouse.control import audit, month_close, notice, store_file
from warehouse.control import member as members
from warehouse.control.outside_id import NAMED
from warehouse.control.vault import Vault
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
PATIENCE_S = 900.0
_SWEPT = ("S-work", "S-copies", "S-spill", "S-exports")
_ADDRESSES = (("budget", "sealed_address"), ("ticket", "sealed_email"))


@dataclass(frozen=True)
class Rectified:
    """What was put right: how many names or addresses, the version without the old one, and files that still have it.

    Those are the owner's own. `searched` is False for what is too short to be told apart, or
    somebody else's name as well.
    """

    changed: int
    version: int | None
    searched: bool
    found_in: tuple[Path, ...]


def name(home: Home, holding: Holding, kind: str, old: str, new: str, now: datetime, progress: Progress) -> Rectified:
    """Put the name of an account, project, team or key right, past ones included, and write the build anew.

    RetentionError where the account has nothing of that name, or the new one is no name; BusyError where a pass is
    under way for longer than PATIENCE_S.
    """
    if kind not in NAMED:
        raise RetentionError(f"names are put right of {', '.join(NAMED)}")
    if not labels.is_label(new):
        raise RetentionError("a name is up to 64 letters, digits, blanks and ./:-, and no address")
    with ExitStack() as stack:
        for lock in (home.inbox_lock, home.build_lock):
            stack.enter_context(database.held(lock, PATIENCE_S))
        control = stack.enter_context(database.control(home))
        _having(control, holding, kind, old)
        accounts = _called(control, holding)
        closes = frozen_rows.renamed(home, control, accounts, kind, old, new, now)
        try:
            with database.transaction(control):
                changed = _named(control, Vault(control, now), holding, kind, old, new, now)
                month_close.rehash(control, closes)
                rewrite.mark(control)
        finally:
            closed_month.settle(home, control)
        with database.build(home, deletes=True) as connection:
            connection.execute("BEGIN")
            connection.executemany(
                f"UPDATE model.{kind} SET label = ? WHERE {kind}_no = ? AND label = ?",
                [(new, number, old) for number in changed],
            )
            publication.changed(connection, days=())
            stale_allocation.mark_named(connection, kind, changed)
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
        progress("writing anew", 0, 1)
        rewrite.rewrite(home)
        version = rewrite.publish(home, control, now)
        _swept(home, control)
        progress("searching", 0, 1)
        told = len(old.encode()) >= SHORTEST_NEEDLE and old not in self_scan.vocabulary(home, control)
        found = self_scan.scan(home, [old]).found if told else []
    return Rectified(len(changed), version, told, tuple(path.relative_to(home.root) for path in found))


def _having(control: sqlite3.Connection, holding: Holding, kind: str, old: str) -> list[tuple[int, int]]:
    """The numbers of a holding that have or had a name, each with its account; RetentionError where none has."""
    listed = ", ".join(map(str, holding.numbers))
    rows = control.execute(
        f"""SELECT DISTINCT outside_id.no, account_no FROM outside_id JOIN label ON label.no = outside_id.no
            WHERE kind = ? AND label.label = ? AND account_no IN ({listed})""",
        (kind, old),
    ).fetchall()
    if not rows:
        raise RetentionError(f"this account has no {kind} of that name")
    return rows


def _called(control: sqlite3.Connection, holding: Holding) -> set[str]:
    """What a holding's accounts are or were called, and nobody else's: closed months know them by that alone."""
    listed = ", ".join(map(str, holding.numbers))
    query = "SELECT DISTINCT label FROM label JOIN outside_id USING (no) WHERE kind = 'account' AND account_no"
    mine, others = (
        {label for (label,) in control.execute(f"{query} {which} ({listed})")} for which in ("IN", "NOT IN")
    )
    return mine - others


def _named(
    control: sqlite3.Connection, vault: Vault, holding: Holding, kind: str, old: str, new: str, now: datetime
) -> list[int]:
    """Put it right in the control store; gives the numbers that had the name."""
    listed = ", ".join(map(str, holding.numbers))
    rows = _having(control, holding, kind, old)
    for number, account_no in rows:
        control.execute("UPDATE label SET label = ? WHERE no = ? AND label = ?", (new, number, old))
        control.execute(
            "INSERT OR REPLACE INTO rectified VALUES (?, ?, ?, ?)",
            (number, account_no, vault.lookup("rectified", str(number), old), database.stamp(now)),
        )
    if kind == "account":
        if control.execute("SELECT 1 FROM claim WHERE label = ? AND ended_at IS NULL", (new,)).fetchone():
            raise RetentionError("another account claims that name")
        control.execute(f"UPDATE claim SET label = ? WHERE label = ? AND account_no IN ({listed})", (new, old))
        query = f"UPDATE plan SET covers_account = ? WHERE covers_account = ? AND account_no IN ({listed})"
        control.execute(query, (new, old))
    if kind == "project":
        for table in ("member", "ticket"):
            _limits(control, table, holding, old, new)
    return [number for number, _ in rows]


def _limits(control: sqlite3.Connection, table: str, holding: Holding, old: str, new: str) -> None:
    """A viewer who is limited to a project stays so under its new name."""
    query = f"SELECT rowid, projects FROM {table} WHERE account_no = ? AND projects IS NOT NULL"
    for row, text in control.execute(query, (holding.owner_no,)).fetchall():
        told = [new if project == old else project for project in json.loads(text)]
        control.execute(f"UPDATE {table} SET projects = ? WHERE rowid = ?", (json.dumps(told), row))


def address(home: Home, holding: Holding, old: str, new: str, now: datetime) -> int:
    """Put an e-mail address right wherever the account has it: a member's, a budget's, an invitation's; how many.

    RetentionError where it has none such, or another member has the new one.
    """
    changed = 0
    with database.control(home) as control:
        vault = Vault(control, now)
        found = members.find(control, vault, old)
        if found is not None and found[0].account_no == holding.owner_no:
            if not members.set_email(control, vault, found[0], new):
                raise RetentionError("that address cannot be used")
            changed += 1
        listed = ", ".join(map(str, holding.numbers))
        with database.transaction(control):
            for table, column in _ADDRESSES:
                query = f"SELECT rowid, account_no, {column} FROM {table} WHERE account_no IN ({listed})"
                for row, account_no, sealed in control.execute(f"{query} AND {column} IS NOT NULL").fetchall():
                    place = f"{table}.{column}"
                    if vault.open(account_no, place, sealed) == old:
                        again = vault.seal(account_no, place, new)
                        control.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (again, row))
                        changed += 1
        if not changed:
            raise RetentionError("this account has no such address")
        if found is not None and found[0].account_no == holding.owner_no:
            audit.note(control, "address.changed", now, object_no=found[0].member_no, detail="by=rectification")
            # Who reads the one before is told as well: it may not have been wrong.
            notice.tell(control, found[0], "address_changed", now, at=(vault, old))
            notice.tell(control, found[0], "address_changed", now)
        _swept(home, control)
    return changed


def _swept(home: Home, control: sqlite3.Connection) -> None:
    """Copies and working files go; the control store is written anew, its log emptied."""
    held = policy.load(home.root / "policy.toml")
    for clause_id in _SWEPT:
        for pattern in held.clause(clause_id).holds:
            stores.remove(sorted(home.root.glob(pattern.replace("/**", "/*"))))
    store_file.renew(control)
