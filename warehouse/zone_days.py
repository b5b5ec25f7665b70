"""control.zone, model.usage_hourly -> model.account_zone, model.zone_day: whose days are which, as far as hours go."""

import sqlite3
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import cast

import duckdb

from warehouse import frame, publication, stale_spend, zone
from warehouse.control import zone as zones
from warehouse.spend_tables import SPEND_DAILY
from warehouse.tables import Table
from warehouse.zone_tables import ACCOUNT_ZONE, ZONE_DAY

_AHEAD = timedelta(days=2)
_Rows = list[tuple[object, ...]]


def build(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    """Bring the zones of the build to those of the control store; untouched where nothing changed.

    The UTC days whose spend is of other days now are stale.
    """
    wanted: _Rows = list(zones.rows(control))
    ((first, last),) = connection.execute("SELECT min(hour), max(hour) FROM model.usage_hourly").fetchall()
    days: _Rows = [
        (name, *day)
        for name in sorted({name for _, name in zones.rows(control)} - {zone.UTC_NAME})
        if first is not None
        for day in zone.days(name, first, last + _AHEAD)
    ]
    held = _held(connection, ACCOUNT_ZONE, "account_no NULLS LAST")
    held_days = _held(connection, ZONE_DAY, "zone, day")
    if wanted == held and days == held_days:
        return
    connection.execute("BEGIN")
    try:
        for table, rows in ((ACCOUNT_ZONE, wanted), (ZONE_DAY, days)):
            connection.execute(f"DELETE FROM {table.full_name}")
            if rows:
                frame.insert_rows(connection, table, rows)
        _mark(connection, {number for number, _ in {*wanted} ^ {*held}})
        if first is not None:
            stale_spend.mark(connection, _between({*days} ^ {*held_days}, first, last))
        publication.changed(connection, days=())
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _mark(connection: duckdb.DuckDBPyConnection, accounts: Collection[object]) -> None:
    """Mark the days on which accounts, or with None any that has no zone of its own, had any spend."""
    if None in accounts:
        stale_spend.mark(connection, None)
    elif accounts:
        query = f"SELECT DISTINCT day FROM {SPEND_DAILY.full_name} WHERE account_no IN (SELECT unnest(?::BIGINT[]))"
        stale_spend.mark(connection, [day for (day,) in connection.execute(query, [list(accounts)]).fetchall()])


def _between(changed: Collection[tuple[object, ...]], first: datetime, last: datetime) -> set[date]:
    """The UTC days on which there may be hours of zones' days that are new, gone or begin at another hour."""
    found: set[date] = set()
    for _, _, starts_at, ends_at in cast("Collection[tuple[str, date, datetime, datetime]]", changed):
        day, stop = max(starts_at, first).date(), min(ends_at, last + timedelta(hours=1))
        while datetime.combine(day, datetime.min.time()) < stop:
            found.add(day)
            day += timedelta(days=1)
    return found


def _held(connection: duckdb.DuckDBPyConnection, table: Table, order: str) -> _Rows:
    return connection.execute(f"FROM {table.full_name} ORDER BY {order}").fetchall()
