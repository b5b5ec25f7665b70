"""control.zone, model.usage_hourly -> model.account_zone, model.zone_day: whose days are which, as far as hours go."""

import sqlite3
from datetime import timedelta

import duckdb

from warehouse import frame, publication, zone
from warehouse.control import zone as zones
from warehouse.tables import Table
from warehouse.zone_tables import ACCOUNT_ZONE, ZONE_DAY

_AHEAD = timedelta(days=2)


def build(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    """Bring the zones of the build to those of the control store; untouched where nothing changed."""
    wanted: list[tuple[object, ...]] = list(zones.rows(control))
    ((first, last),) = connection.execute("SELECT min(hour), max(hour) FROM model.usage_hourly").fetchall()
    days: list[tuple[object, ...]] = [
        (name, *day)
        for name in sorted({name for _, name in zones.rows(control)} - {zone.UTC_NAME})
        if first is not None
        for day in zone.days(name, first, last + _AHEAD)
    ]
    if wanted == _held(connection, ACCOUNT_ZONE, "account_no NULLS LAST") and days == _held(
        connection, ZONE_DAY, "zone, day"
    ):
        return
    connection.execute("BEGIN")
    for table, rows in ((ACCOUNT_ZONE, wanted), (ZONE_DAY, days)):
        connection.execute(f"DELETE FROM {table.full_name}")
        if rows:
            frame.insert_rows(connection, table, rows)
    publication.changed(connection, days=())
    connection.execute("COMMIT")


def _held(connection: duckdb.DuckDBPyConnection, table: Table, order: str) -> list[tuple[object, ...]]:
    return connection.execute(f"FROM {table.full_name} ORDER BY {order}").fetchall()
