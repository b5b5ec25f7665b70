"""Which raw rows a seal has taken and which days' calls are gone: asked by the build, conservation and retention.

A sealed load of a day is one whose raw rows were removed after its hours were proved equal to its rows; the day's calls
are then in model.requests alone. A closed day is one whose calls have expired, too: its hours and days are all there
is, and nothing of it lands again.
"""

import sqlite3
from datetime import date, datetime
from typing import Any

import duckdb

from warehouse import database
from warehouse.sealing_tables import CLOSED_DAY, EXPIRED_BEFORE, SEALED_LOAD
from warehouse.tables import Table


def sealed_loads(connection: duckdb.DuckDBPyConnection) -> set[tuple[date, str, int]]:
    """Day, gateway and load number of every load whose raw rows a seal has taken."""
    return {(day, gateway, load) for day, gateway, load, _ in _rows(connection, SEALED_LOAD)}


def sealed_rows(connection: duckdb.DuckDBPyConnection, gateway: str) -> int:
    """How many raw rows of a gateway seals have taken, of the loads that are still known."""
    return sum(rows for _, source, _, rows in _rows(connection, SEALED_LOAD) if source == gateway)


def closed_days(connection: duckdb.DuckDBPyConnection) -> set[tuple[date, str]]:
    """Day and gateway of every day whose calls have expired."""
    return {(day, gateway) for day, gateway in _rows(connection, CLOSED_DAY)}


def whole_from(connection: duckdb.DuckDBPyConnection, table: Table) -> date:
    """The first day from which a roll-up is whole; the first day there is while nothing of it has expired."""
    return max((before for name, before in _rows(connection, EXPIRED_BEFORE) if name == table.name), default=date.min)


def _rows(connection: duckdb.DuckDBPyConnection, table: Table) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(f"FROM {table.full_name}").fetchall()
    except duckdb.CatalogException:
        # A version published before there were seals is read by `doctor` and `restore`, too. Asking the catalog first
        # takes ten times as long as the answer, and a pass asks twenty times.
        return []


def close(control: sqlite3.Connection, days: list[tuple[date, str]], now: datetime) -> None:
    """Refuse rows of these days from now on; called before their calls are removed, so that none slips in between."""
    control.executemany(
        "INSERT OR IGNORE INTO closed_day VALUES (?, ?, ?)",
        [(gateway, day.isoformat(), database.stamp(now)) for day, gateway in days],
    )


def refused_days(control: sqlite3.Connection, gateway: str) -> list[date]:
    """The days of a gateway of which nothing lands any more."""
    query = "SELECT day FROM closed_day WHERE gateway = ?"
    return [date.fromisoformat(day) for (day,) in control.execute(query, (gateway,))]


def refused_before(control: sqlite3.Connection) -> date:
    """Nothing older than this lands, whether or not anything of it ever did: even its days have expired."""
    row = control.execute("SELECT value FROM setting WHERE name = 'refused_before'").fetchone()
    return date.min if row is None else date.fromisoformat(row[0].decode())


def refuse_before(control: sqlite3.Connection, day: date) -> None:
    """Refuse everything older than `day` from now on."""
    control.execute("INSERT OR REPLACE INTO setting VALUES ('refused_before', ?)", (day.isoformat().encode(),))
