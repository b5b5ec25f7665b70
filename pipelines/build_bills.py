"""Receipts of pulls, raw_<provider>.* -> model.charges, bill_day, usage_reported: the days whose pull changed."""

import sqlite3
from collections.abc import Iterable
from datetime import date

import duckdb
import polars as pl

from pipelines.biller import Biller, billers
from warehouse import bill_tables, publication
from warehouse.control import connection as connections
from warehouse.control import pull as receipts
from warehouse.models import bill_day, charges, usage_reported
from warehouse.prices import PriceBook

# connection_no, report, day, pull_no, settlement: a row of model.built_pull.
_Row = tuple[int, str, date, int, str]


def build(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, book: PriceBook) -> dict[str, int]:
    """Make the changed days of every bill anew; gives how many rows each model got.

    Days whose raw rows are not what their receipts say stay as they were made: the next pull asks for them again.
    """
    _connections(connection, connections.rows(control))
    providers = {number: provider for number, provider, *_ in connections.rows(control)}
    made: set[_Row] = set(connection.execute(f"FROM {bill_tables.BUILT_PULL.full_name}").fetchall())
    rows: dict[str, int] = {}
    for biller in billers().values():
        told = [day for day in receipts.days(control) if providers.get(day.connection_no) == biller.name]
        whole = _whole(connection, biller)
        due: list[_Row] = []
        for day in told:
            settled = bill_day.settlement(day.day, day.read_on, biller.lookback_days)
            row = (day.connection_no, day.report, day.day, day.pull_no, settled)
            if row not in made and whole.get((day.report, day.pull_no, day.day), 0) == day.rows:
                due.append(row)
        if due:
            _make(connection, biller.name, due, {kind for kind, _, _ in whole}, book, rows)
    return rows


def _connections(connection: duckdb.DuckDBPyConnection, wanted: list[tuple[int, str, int, bool]]) -> None:
    name = bill_tables.CONNECTION.full_name
    if wanted == connection.execute(f"FROM {name} ORDER BY connection_no").fetchall():
        return
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {name}")
    connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", wanted)
    publication.changed(connection)
    connection.execute("COMMIT")


def _whole(connection: duckdb.DuckDBPyConnection, biller: Biller) -> dict[tuple[str, int, date], int]:
    found: dict[tuple[str, int, date], int] = {}
    there = set(connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall())
    for report in biller.reports:
        if (report.table.full_name,) in there:
            counted = f"SELECT pull_no, day, count(*) FROM {report.table.full_name} GROUP BY ALL"
            found |= {(report.kind, no, day): rows for no, day, rows in connection.execute(counted).fetchall()}
    return found


def _make(
    connection: duckdb.DuckDBPyConnection,
    provider: str,
    due: list[_Row],
    there: set[str],
    book: PriceBook,
    rows: dict[str, int],
) -> None:
    """Make days of one provider in one transaction; a report that is not `there` never had a row."""
    costs, usage = ([row for row in due if row[1] == kind] for kind in ("costs", "usage"))
    connection.execute("BEGIN")
    try:
        if costs:
            told = _told(costs)
            lines = charges.read_lines(connection, provider, told) if "costs" in there else pl.DataFrame()
            charges.write(connection, lines, told)
            bill_day.write(connection, [(row[0], row[2], row[4]) for row in costs])
            rows[bill_tables.CHARGES.full_name] = rows.get(bill_tables.CHARGES.full_name, 0) + lines.height
        if usage:
            told = _told(usage)
            counts = pl.DataFrame()
            if "usage" in there:
                counts = usage_reported.priced(usage_reported.read_counts(connection, provider, told), book)
            usage_reported.write(connection, counts, told)
            name = bill_tables.USAGE_REPORTED.full_name
            rows[name] = rows.get(name, 0) + counts.height
        table = bill_tables.BUILT_PULL.full_name
        connection.executemany(
            f"DELETE FROM {table} WHERE connection_no = ? AND report = ? AND day = ?", [row[:3] for row in due]
        )
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", due)
        publication.changed(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _told(due: Iterable[_Row]) -> list[tuple[int, date, int]]:
    return [(connection_no, day, pull_no) for connection_no, _, day, pull_no, _ in due]
