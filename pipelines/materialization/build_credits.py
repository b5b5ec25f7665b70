"""control.sqlite -> model.prepaid, credit_entry, credit_state; and what calls cost -> the ledger's deductions.

The ledger is the truth and stands in the control store; marts read a copy of it. Deducted is what was found conserved,
just before it is published, so that nobody pays for a figure that nobody may see.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from itertools import islice

import duckdb

from warehouse import credit_tables, credit_tier, database, frame, publication
from warehouse.control import balance_watch, credit, prepaid, restriction
from warehouse.home import Home
from warehouse.models import credit_entry
from warehouse.tables import Table

_BATCH = 50_000


def build_credits(home: Home, connection: duckdb.DuckDBPyConnection, today: date) -> None:
    """Bring terms, tiers and the ledger into the build, which is held; a new version is due where anything changed.

    `today` is UTC's.
    """
    with database.control(home) as control:
        _copy(home, connection, control, today)


def deduct(home: Home, connection: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Deduct what calls cost now and did not before; how many entries. The build is held and conserved; `now` is UTC.

    Killed anywhere, the next time finds what is left; two at once find nothing left.
    """
    found = credit_entry.due(connection)
    if not found:
        return 0
    with database.control(home) as control:
        with database.transaction(control):
            made = credit.deduct(control, found, now)
        _copy(home, connection, control, now.date())
    return made


def _copy(home: Home, connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, today: date) -> None:
    connection.execute("BEGIN")
    try:
        changed = [
            _kept(connection, credit_tables.PREPAID, _prepaid(control)),
            _followed(connection, control),
            _kept(connection, credit_tables.CREDIT_STATE, _states(home, control, today)),
        ]
        if any(changed):
            publication.changed(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _followed(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> bool:
    """Append what the ledger has more; where the copy is of another ledger it is made anew."""
    count, last = credit_entry.newest(connection)
    if (count, last) == credit.tail(control):
        return False
    if (count, last) != credit.tail(control, last):
        connection.execute(f"DELETE FROM {credit_tables.CREDIT_ENTRY.full_name}")
        last = 0
    rows = credit.after(control, last)
    while part := list(islice(rows, _BATCH)):
        credit_entry.append(connection, part)
    return True


def _prepaid(control: sqlite3.Connection) -> list[tuple[object, ...]]:
    stretches = prepaid.stretches(control)
    if not stretches:
        return []
    callers: dict[int, list[int]] = {}
    for number, ledger in prepaid.ledgers(control).items():
        callers.setdefault(ledger, []).append(number)
    waiting = restriction.numbers(control)
    return [
        (
            one.terms.account_no,
            caller,
            one.terms.from_day,
            one.last_day,
            one.terms.factor,
            not waiting.isdisjoint(callers[one.terms.account_no]),
        )
        for one in stretches
        for caller in callers.get(one.terms.account_no, [])
    ]


def _states(home: Home, control: sqlite3.Connection, today: date) -> list[tuple[object, ...]]:
    stretches: dict[int, list[prepaid.Stretch]] = {}
    for one in prepaid.stretches(control):
        stretches.setdefault(one.terms.account_no, []).append(one)
    numbers = sorted({*stretches, *credit.accounts(control)})
    if not numbers:
        return []
    tiers, lows = credit_tier.of_home(home.root), balance_watch.lows(control)
    found: list[tuple[object, ...]] = []
    for number in numbers:
        own = stretches.get(number, [])
        running = next((one for one in own if one.terms.from_day <= today <= one.last_day), None)
        standing = credit_tier.standing(tiers, lifetime := credit.from_nano(credit.lifetime(control, number)))
        found.append(
            (
                number,
                running is not None,
                own[0].terms.from_day if own else None,
                running.terms.factor if running else None,
                lows.get(number),
                lifetime,
                standing.tier.name,
                standing.following.name if standing.following else None,
                standing.missing_usd,
            )
        )
    return found


def _kept(connection: duckdb.DuckDBPyConnection, table: Table, wanted: Sequence[tuple[object, ...]]) -> bool:
    """Bring a table to what the control store says; whether anything changed."""
    name = table.full_name
    there = connection.execute(f"FROM {name}").fetchall()
    if sorted(map(hash, wanted)) == sorted(map(hash, there)):
        return False
    connection.execute(f"DELETE FROM {name}")
    if wanted:
        frame.insert_rows(connection, table, wanted)
    return True
