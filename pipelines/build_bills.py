"""Receipts of pulls, raw_<provider>.* -> model.charges, bill_day, usage_reported: the days whose pull changed."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time

import duckdb
import polars as pl

from pipelines.biller import Biller, Report, billers
from warehouse import bill_tables, publication
from warehouse.control import connection as connections
from warehouse.control import pull as receipts
from warehouse.models import bill_day, change, charges, usage_reported
from warehouse.prices import PriceBook
from warehouse.settlement_tables import BILL_STATE
from warehouse.tables import Table

# connection_no, report, day, pull_no, settlement: a row of model.built_pull.
_Row = tuple[int, str, date, int, str]


def build(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, book: PriceBook) -> dict[str, int]:
    """Make the changed days of every bill anew; gives how many rows each model got.

    Days whose raw rows are not what their receipts say stay as they were made: the next pull asks for them again.
    """
    _kept(connection, bill_tables.CONNECTION, connections.rows(control))
    _kept(connection, BILL_STATE, receipts.states(control))
    sources = {number: source for number, source, *_ in connections.rows(control)}
    made: set[_Row] = set(connection.execute(f"FROM {bill_tables.BUILT_PULL.full_name}").fetchall())
    told_at = receipts.told_at(control)
    rows: dict[str, int] = {}
    for biller in billers().values():
        told = [day for day in receipts.days(control) if sources.get(day.connection_no) == biller.name]
        whole = _whole(connection, biller)
        due: list[_Row] = []
        moments: list[datetime] = []
        for day in told:
            settled = bill_day.settlement(day.day, day.read_on, biller.lookback_days)
            row = (day.connection_no, day.report, day.day, day.pull_no, settled)
            if row not in made and whole.get((day.report, day.pull_no, day.day), 0) == day.rows:
                due.append(row)
                # A day without a line is billed 0 once it was read late enough, whenever it was told first.
                moments.append(told_at[day.pull_no] if day.rows else datetime.combine(day.read_on, time.min))
        if due:
            _make(connection, biller, due, {name for name, _, _ in whole}, book, rows, max(moments))
    return rows


def _kept(connection: duckdb.DuckDBPyConnection, table: Table, wanted: Sequence[tuple[object, ...]]) -> None:
    """Bring a table to what the control store says; untouched where nothing changed."""
    name, named = table.full_name, ", ".join(table.column_names)
    if list(wanted) == connection.execute(f"SELECT {named} FROM {name} ORDER BY connection_no").fetchall():
        return
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {name}")
    if wanted:
        places = ", ".join("?" * len(table.columns))
        connection.executemany(f"INSERT INTO {name} ({named}) VALUES ({places})", wanted)
    publication.changed(connection)
    connection.execute("COMMIT")


def _whole(connection: duckdb.DuckDBPyConnection, biller: Biller) -> dict[tuple[str, int, date], int]:
    found: dict[tuple[str, int, date], int] = {}
    there = set(connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall())
    for report in biller.reports:
        if (report.table.full_name,) in there:
            counted = f"SELECT pull_no, day, count(*) FROM {report.table.full_name} GROUP BY ALL"
            found |= {(report.name, no, day): rows for no, day, rows in connection.execute(counted).fetchall()}
    return found


def _make(
    connection: duckdb.DuckDBPyConnection,
    biller: Biller,
    due: list[_Row],
    there: set[str],
    book: PriceBook,
    rows: dict[str, int],
    told_at: datetime,
) -> None:
    """Make days of one provider in one transaction; a report that is not `there` never had a row."""
    charged: list[_Row] = []
    connection_days = [(row[0], row[2]) for row in due]
    before = change.told(connection, connection_days)
    connection.execute("BEGIN")
    try:
        for report in biller.reports:
            days = [row for row in due if row[1] == report.name]
            if days:
                model, made = _made(connection, report, _told(days), is_there=report.name in there, book=book)
                rows[model.full_name] = rows.get(model.full_name, 0) + made
                charged += days if report.kind == "costs" else []
        bill_day.write(connection, [(row[0], row[2], row[4]) for row in charged])
        table = bill_tables.BUILT_PULL.full_name
        connection.executemany(
            f"DELETE FROM {table} WHERE connection_no = ? AND report = ? AND day = ?", [row[:3] for row in due]
        )
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", due)
        change.write(connection, before, change.told(connection, connection_days), told_at)
        publication.changed(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _made(
    connection: duckdb.DuckDBPyConnection, report: Report, told: charges.Told, *, is_there: bool, book: PriceBook
) -> tuple[Table, int]:
    frame = pl.DataFrame()
    if report.kind == "costs":
        if is_there:
            frame = charges.read_lines(connection, report.table, report.meaning, report.name, told)
        charges.write(connection, frame, report.name, told)
        return bill_tables.CHARGES, frame.height
    if is_there:
        counts = usage_reported.read_counts(connection, report.table, report.meaning, report.name, told)
        frame = usage_reported.priced(counts, book)
    usage_reported.write(connection, frame, report.name, told)
    return bill_tables.USAGE_REPORTED, frame.height


def _told(due: Iterable[_Row]) -> list[tuple[int, date, int]]:
    return [(connection_no, day, pull_no) for connection_no, _, day, pull_no, _ in due]
