"""Budgets: what an account or one of its projects may spend in a month, and who is told at which share of it.

Nothing here counts: how far a budget is used is asked of the newest version each time. A changed budget is a new
version of it; the address rests sealed under the account's key, and only the version in force keeps it.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from warehouse import database, money
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError, WarehouseError
from warehouse.zone import UTC_NAME

ZONE = UTC_NAME
MOST_THRESHOLDS = 10
_ADDRESS = "budget.sealed_address"
_COLUMNS = "budget_no, version, account_no, project_no, monthly_usd, thresholds, set_at"


@dataclass(frozen=True)
class Scope:
    """What a budget is for: an account, or one project of it; the numbers, and the names they have today."""

    account_no: int
    project_no: int | None
    account: str
    project: str | None

    @property
    def name(self) -> str:
        """The name of what is budgeted."""
        return self.account if self.project is None else self.project


@dataclass(frozen=True)
class Budget:
    """A version of a budget: USD a month, the shares of it in percent that are told of, and when it was set (UTC)."""

    budget_no: int
    version: int
    account_no: int
    project_no: int | None
    monthly_usd: Decimal
    thresholds: tuple[int, ...]
    set_at: datetime

    def reached(self, spent_usd: Decimal) -> tuple[int, ...]:
        """The thresholds that a spend has reached, in percent, exactly."""
        share = money.CONTEXT.multiply(spent_usd, Decimal(100))
        return tuple(t for t in self.thresholds if share >= money.CONTEXT.multiply(self.monthly_usd, Decimal(t)))


def month(day: date) -> tuple[date, date]:
    """The period a day lies in: its first day, and the first day of the next."""
    start = day.replace(day=1)
    return start, date(start.year + start.month // 12, start.month % 12 + 1, 1)


def amount(text: str) -> Decimal:
    """A monthly amount in USD from text; WarehouseError unless it is more than nothing."""
    monthly_usd = money.usd(text.strip().removeprefix("$").replace("_", ""))
    if monthly_usd <= 0:
        raise WarehouseError("a budget is an amount above 0 in USD, such as 500 or 49.90")
    return monthly_usd


def thresholds(text: str) -> tuple[int, ...]:
    """Shares of a budget from text such as `50,80,100`, ascending, in percent."""
    try:
        shares = sorted({int(part.strip().removesuffix("%")) for part in text.split(",")})
    except ValueError:
        shares = []
    if not 1 <= len(shares) <= MOST_THRESHOLDS or shares[0] < 1 or shares[-1] > 1000:
        raise WarehouseError(f"thresholds are 1 to {MOST_THRESHOLDS} whole percents, such as 50,80,100")
    return tuple(shares)


def scope(control: sqlite3.Connection, account: str | None, project: str | None) -> Scope:
    """What a person means by these names; without an account, the only one there is or the only one with the project.

    A name that two gateways use for the same thing is one scope, as it is one line in the marts. WarehouseError where
    no log has named it yet, or where several could be meant.
    """
    kind = "account" if project is None else "project"
    rows = control.execute(
        """SELECT thing.no, thing.account_no, owner.label, name.label
           FROM outside_id AS thing JOIN label AS name ON name.no = thing.no AND name.valid_to IS NULL
           JOIN label AS owner ON owner.no = thing.account_no AND owner.valid_to IS NULL
           WHERE thing.kind = ? ORDER BY thing.first_seen_at, thing.no""",
        (kind,),
    ).fetchall()
    found = [row for row in rows if account in {None, row[2]} and project in {None, row[3]}]
    if not found:
        names = _listed(row[3] for row in rows)
        raise WarehouseError(f"no log has named that {kind} yet; known are: {names}")
    if len({row[2] for row in found}) > 1:
        raise WarehouseError(f"say which account is meant, with --account: {_listed(row[2] for row in found)}")
    number, account_no, owner, name = found[0]
    return Scope(account_no, None if project is None else number, owner, None if project is None else name)


def _listed(names: Iterable[str]) -> str:
    known = sorted(set(names))
    return ", ".join(known[:10]) + (", …" if len(known) > 10 else "") if known else "none; put a log into the inbox"


def current(control: sqlite3.Connection) -> list[Budget]:
    """The versions in force, by number."""
    query = f"SELECT {_COLUMNS} FROM budget WHERE ended_at IS NULL ORDER BY budget_no"
    return [_budget(row) for row in control.execute(query)]


def version_of(control: sqlite3.Connection, budget_no: int, version: int) -> Budget:
    """One version of a budget, in force or not."""
    query = f"SELECT {_COLUMNS} FROM budget WHERE budget_no = ? AND version = ?"
    return _budget(control.execute(query, (budget_no, version)).fetchone())


def _budget(row: tuple[int, int, int, int | None, str, str, str]) -> Budget:
    number, version, account_no, project_no, monthly_usd, shares, set_at = row
    percents = tuple(int(part) for part in shares.split(","))
    return Budget(number, version, account_no, project_no, money.usd(monthly_usd), percents, database.moment(set_at))


def scope_of(control: sqlite3.Connection, budget: Budget) -> Scope:
    """The scope of a budget, under the names of today."""

    def label(number: int, kind: str) -> str:
        row = control.execute("SELECT label FROM label WHERE no = ? AND valid_to IS NULL", (number,)).fetchone()
        return row[0] if row else f"{kind} {number}"

    project = None if budget.project_no is None else label(budget.project_no, "project")
    return Scope(budget.account_no, budget.project_no, label(budget.account_no, "account"), project)


def put(
    control: sqlite3.Connection,
    vault: Vault,
    place: Scope,
    monthly_usd: Decimal,
    shares: tuple[int, ...],
    address: str,
    now: datetime,
) -> Budget:
    """Set the budget of a scope; the same again changes nothing, anything else is a new version.

    `address` is where its mails go, checked by the caller. The version before is kept without its address.
    """
    with database.transaction(control):
        before = _in_force(control, place)
        if (
            before
            and (before.monthly_usd, before.thresholds) == (monthly_usd, shares)
            and address_of(control, vault, before.budget_no) == address
        ):
            return before
        if before:
            _end(control, before, now)
            number, version = before.budget_no, before.version + 1
        else:
            (number,) = control.execute("SELECT coalesce(max(budget_no), 0) + 1 FROM budget").fetchone()
            version = 1
        new = Budget(number, version, place.account_no, place.project_no, monthly_usd, shares, now)
        control.execute(
            "INSERT INTO budget VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                number,
                version,
                place.account_no,
                place.project_no,
                format(monthly_usd, "f"),
                ",".join(map(str, shares)),
                ZONE,
                vault.seal(place.account_no, _ADDRESS, address),
                database.stamp(now),
            ),
        )
    return new


def remove(control: sqlite3.Connection, place: Scope, now: datetime) -> bool:
    """End the budget of a scope and withdraw what it had still to say; whether there was one."""
    with database.transaction(control):
        found = _in_force(control, place)
        if found is None:
            return False
        _end(control, found, now)
        control.execute(
            """UPDATE mail SET state = 'withdrawn', ended_at = ? WHERE state IN ('queued', 'dead')
               AND mail_no IN (SELECT mail_no FROM alert WHERE budget_no = ?)""",
            (database.stamp(now), found.budget_no),
        )
    return True


def address_of(control: sqlite3.Connection, vault: Vault, budget_no: int) -> str | None:
    """Where the mails of a budget go now; None once it was removed, or its receiver was erased and nobody took over."""
    row = control.execute(
        "SELECT account_no, sealed_address FROM budget WHERE budget_no = ? AND ended_at IS NULL", (budget_no,)
    ).fetchone()
    return None if row is None or row[1] is None else vault.open(row[0], _ADDRESS, row[1])


def readdress(control: sqlite3.Connection, vault: Vault, old: str, new: str | None) -> int:
    """Send the mails of every budget in force that go to one address to another, or nowhere; how many there were."""
    query = "SELECT budget_no, version, account_no, sealed_address FROM budget WHERE sealed_address IS NOT NULL"
    moved = 0
    for budget_no, version, account_no, sealed in control.execute(query).fetchall():
        try:
            address = vault.open(account_no, _ADDRESS, sealed)
        except KeyUnavailableError:
            # Sealed under a key that is gone: nobody can be told by it.
            continue
        if address.casefold() == old.casefold():
            row = (new and vault.seal(account_no, _ADDRESS, new), budget_no, version)
            control.execute("UPDATE budget SET sealed_address = ? WHERE budget_no = ? AND version = ?", row)
            moved += 1
    return moved


def _in_force(control: sqlite3.Connection, place: Scope) -> Budget | None:
    query = f"SELECT {_COLUMNS} FROM budget WHERE ended_at IS NULL AND account_no = ? AND project_no IS ?"
    row = control.execute(query, (place.account_no, place.project_no)).fetchone()
    return _budget(row) if row else None


def _end(control: sqlite3.Connection, budget: Budget, now: datetime) -> None:
    control.execute(
        "UPDATE budget SET ended_at = ?, sealed_address = NULL WHERE budget_no = ? AND version = ?",
        (database.stamp(now), budget.budget_no, budget.version),
    )
