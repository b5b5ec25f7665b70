"""control.sqlite -> model.plan, plan_cover, plan_day, invoice, invoice_day: fees and invoices for the marts."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb

from warehouse import database, fee_tables, frame, publication
from warehouse.control import invoice, outside_id, plan
from warehouse.fx import FxRates
from warehouse.home import Home
from warehouse.models import invoice_day, plan_day
from warehouse.tables import Table


def build_plans(home: Home, connection: duckdb.DuckDBPyConnection, today: date) -> set[date]:
    """Bring plans, what they cover and their days up to `today` (UTC) into the build, before calls are modelled.

    Gives the days up to `today` whose calls a plan pays for now and did not before, or the reverse.
    """
    with database.control(home) as control:
        plans = plan.listed(control)
        covers = plan.covered(plans, outside_id.named(control))
    before = _days(connection, today)
    _written(
        connection,
        lambda: [
            _kept(connection, fee_tables.PLAN, sorted((p.row() for p in plans), key=_first)),
            _kept(connection, fee_tables.PLAN_COVER, covers),
        ],
        lambda: plan_day.write(connection, today),
    )
    return {day for day, *_ in before ^ _days(connection, today)}


def build_invoices(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Bring invoices into the build, and which days they are of, after bills are modelled."""
    with database.control(home) as control:
        rows = _invoices(control, FxRates.load(home))
    _written(connection, lambda: [_kept(connection, fee_tables.INVOICE, rows)], lambda: invoice_day.write(connection))


def _invoices(control: sqlite3.Connection, rates: FxRates) -> list[tuple[object, ...]]:
    return [one.row(added_at, rates) for one, added_at in invoice.listed(control)]


def _first(row: tuple[object, ...]) -> Any:
    return row[0]


def _written(
    connection: duckdb.DuckDBPyConnection, write: Callable[[], list[bool]], write_days: Callable[[], set[date]]
) -> None:
    """One transaction; a new version is due where anything changed, in what is told or in the days of it."""
    connection.execute("BEGIN")
    try:
        told, days = write(), write_days()
        if any(told) or days:
            # What a plan covers is of any day.
            publication.changed(connection, None if any(told) else days)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _kept(connection: duckdb.DuckDBPyConnection, table: Table, wanted: Sequence[tuple[object, ...]]) -> bool:
    """Bring a table to what the control store says; whether anything changed."""
    name = table.full_name
    if sorted(map(repr, wanted)) == sorted(map(repr, connection.execute(f"FROM {name}").fetchall())):
        return False
    connection.execute(f"DELETE FROM {name}")
    if wanted:
        frame.insert_rows(connection, table, wanted)
    return True


def _days(connection: duckdb.DuckDBPyConnection, today: date) -> set[tuple[date, str, str, int]]:
    """Whose calls of which gateway and day are paid by a plan."""
    covers = connection.execute(
        "SELECT gateway, provider, account_no, starts_on, least(ends_on, ?) FROM model.plan_cover", [today]
    ).fetchall()
    return {
        (first + timedelta(days=index), gateway, provider, account_no)
        for gateway, provider, account_no, first, last in covers
        for index in range((last - first).days + 1)
    }
