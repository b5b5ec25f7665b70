"""Receipts of pulls, raw_<provider>.* -> model.charges, bill_day, usage_reported, estimated_spend: changed days.

A day changes by a pull that told something else, by another exchange rate, and by another connection, whose bill may
hold what this one's holds as well.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import duckdb
import polars as pl

from pipelines.bills.biller import Biller, Report, billers
from pipelines.materialization import due_day
from pipelines.materialization.due_day import Due
from warehouse import bill_tables, coverage_tables, frame, publication
from warehouse.control import claim, coverage, upstream_claim
from warehouse.control import connection as connections
from warehouse.control import pull as receipts
from warehouse.fx import FxRates
from warehouse.models import bill_day, change, charges, estimated_spend, usage_reported
from warehouse.prices import PriceBook
from warehouse.settlement_tables import BILL_STATE, WINDOW
from warehouse.tables import Table

# Days with calls that may be on another bill now that connections, or claims of them, in `told` came or went.
_OF_CONNECTIONS = """
    SELECT day FROM model.usage_daily SEMI JOIN told USING (provider, account_no)
    UNION SELECT day FROM model.usage_daily SEMI JOIN (
        SELECT told.provider, claim.account_no FROM told JOIN model.claim AS claim ON claim.holder_no = told.account_no
    ) AS held USING (provider, account_no)
    UNION SELECT day FROM model.usage_daily SEMI JOIN (FROM told WHERE is_operator) AS house USING (provider)"""
_OF_CLAIMS = "SELECT DISTINCT day FROM model.usage_daily SEMI JOIN told USING (account_no)"
_OF_UPSTREAMS = """
    SELECT DISTINCT day FROM model.usage_daily AS call SEMI JOIN told
        ON told.upstream_no = call.upstream_no AND told.provider = call.provider
        AND call.day BETWEEN told.first_day AND told.last_day"""


def build(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, book: PriceBook, rates: FxRates
) -> tuple[dict[str, int], set[date]]:
    """Make the changed days of every bill anew; gives how many rows each model got, and the days of calls that moved.

    These are days with calls that another connection pays for than before. Days whose raw rows are not what their
    receipts say stay as they were made: the next pull asks for them again.
    """
    moved = _kept(connection, bill_tables.CONNECTION, connections.rows(control), _OF_CONNECTIONS)
    moved |= _kept(connection, bill_tables.CLAIM, claim.rows(control), _OF_CLAIMS)
    moved |= _kept(connection, bill_tables.UPSTREAM_CLAIM, upstream_claim.rows(control), _OF_UPSTREAMS)
    _kept(connection, coverage_tables.COVERAGE, coverage.rows(control))
    _kept(connection, BILL_STATE, receipts.states(control))
    rows: dict[str, int] = {}
    sources = {source for _, source, *_ in connections.rows(control)}
    if not sources:
        return rows, moved
    windows = {name: biller.window(connection) for name, biller in billers().items() if name in sources}
    _kept(connection, WINDOW, [(name, *window) for name, window in windows.items()])
    old, columns = charges.outdated(connection, rates), _columns(connection)
    due_day.read(connection, control)
    for known in (biller for biller in billers().values() if biller.name in sources):
        biller = replace(known, lookback_days=windows[known.name][0])
        there = _there(connection, biller, columns)
        _estimates(connection, biller, due_day.looks(connection, biller), rates)
        for due, told_at in due_day.turns(connection, control, biller, old):
            _make(connection, biller, due, there, book, rates, rows, told_at)
    due_day.forget(connection)
    return rows, moved


def _estimates(
    connection: duckdb.DuckDBPyConnection,
    biller: Biller,
    looks: Mapping[str, charges.Told],
    rates: FxRates,
) -> None:
    """All of a provider's estimates: a look's day depends on the look before it, and there are 24 a day at most."""
    if not any(looks.values()):
        return
    rows: list[estimated_spend.Row] = []
    for report in (report for report in biller.reports if looks.get(report.name)):
        rows += estimated_spend.read_days(connection, report.table, report.meaning, looks[report.name], rates)
    numbers = sorted({number for told in looks.values() for number, _, _ in told})
    connection.execute("BEGIN")
    if days := estimated_spend.write(connection, numbers, rows):
        publication.changed(connection, days)
    connection.execute("COMMIT")


def _kept(
    connection: duckdb.DuckDBPyConnection, table: Table, wanted: Sequence[tuple[object, ...]], days: str = ""
) -> set[date]:
    """Bring a table to what the control store says, untouched where nothing changed; the days of calls that it moves.

    `days` is SQL for these, over `told`: the rows that came or went.
    """
    name, named = table.full_name, ", ".join(table.column_names)
    there = connection.execute(f"SELECT {named} FROM {name} ORDER BY ALL").fetchall()
    if sorted(wanted) == there:
        return set()
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {name}")
    frame.insert_rows(connection, table, wanted)
    is_whose = table in {bill_tables.CONNECTION, bill_tables.CLAIM}
    if is_whose:
        # What one connection's bill holds may be in another's, so every bill is looked at again.
        connection.execute(f"DELETE FROM {bill_tables.BUILT_PULL.full_name}")
    moved = _moved(connection, table, set(wanted) ^ set(there), days) if days else set()
    publication.changed(connection, None if is_whose else moved)
    connection.execute("COMMIT")
    return moved


def _moved(
    connection: duckdb.DuckDBPyConnection, table: Table, changed: Collection[tuple[object, ...]], days: str
) -> set[date]:
    connection.execute(f"CREATE TEMP TABLE told AS FROM {table.full_name} LIMIT 0")
    frame.insert_rows(connection, replace(table, schema="temp", name="told"), list(changed))
    found = {day for (day,) in connection.execute(days).fetchall()}
    connection.execute("DROP TABLE told")
    return found


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    query = "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() WHERE schema_name LIKE 'raw_%'"
    for table, column in connection.execute(query).fetchall():
        columns.setdefault(table, set()).add(column)
    return columns


def _there(connection: duckdb.DuckDBPyConnection, biller: Biller, columns: Mapping[str, set[str]]) -> set[str]:
    """The reports that have a raw table, each with every column that this program reads."""
    there = [report for report in biller.reports if report.table.full_name in columns]
    for report in there:
        # A column that a newer program reads is in the file from the next load on; its rows were told without it.
        for column in report.table.columns:
            if column.name not in columns[report.table.full_name]:
                connection.execute(f'ALTER TABLE {report.table.full_name} ADD COLUMN "{column.name}" {column.type}')
    return {report.name for report in there}


def _make(
    connection: duckdb.DuckDBPyConnection,
    biller: Biller,
    due: list[Due],
    there: set[str],
    book: PriceBook,
    rates: FxRates,
    rows: dict[str, int],
    told_at: datetime,
) -> None:
    """Make days of some connections in one transaction; a report that is not `there` never had a row."""
    charged: list[Due] = []
    connection_days = [(row[0], row[2]) for row in due]
    before = change.told(connection, connection_days)
    connection.execute("BEGIN")
    try:
        for report in biller.reports:
            days = [row for row in due if row[1] == report.name]
            if days:
                is_there = report.name in there and any(row[5] for row in days)
                model, made = _made(connection, report, _told(days), is_there=is_there, book=book, rates=rates)
                rows[model.full_name] = rows.get(model.full_name, 0) + made
                charged += days if report.kind == "costs" else []
        bill_day.write(connection, [(row[0], row[2], row[4]) for row in charged])
        _note(connection, due)
        change.write(connection, before, change.told(connection, connection_days), told_at)
        publication.changed(connection, {row[2] for row in due})
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _note(connection: duckdb.DuckDBPyConnection, due: list[Due]) -> None:
    """Note from which pulls days were made; in one statement, for the memory that each statement keeps."""
    table = bill_tables.BUILT_PULL
    schema = dict(zip(table.column_names, (pl.Int64, pl.String, pl.Date, pl.Int64, pl.String), strict=True))
    connection.register("due", pl.DataFrame([row[:5] for row in due], schema=schema, orient="row").to_arrow())
    connection.execute(
        f"""DELETE FROM {table.full_name} WHERE (connection_no, report, day) IN
            (SELECT (connection_no, report, day) FROM due)"""
    )
    connection.execute(f"INSERT INTO {table.full_name} SELECT * FROM due")
    connection.unregister("due")


def _made(
    connection: duckdb.DuckDBPyConnection,
    report: Report,
    told: charges.Told,
    *,
    is_there: bool,
    book: PriceBook,
    rates: FxRates,
) -> tuple[Table, int]:
    frame = pl.DataFrame()
    if report.kind == "costs":
        if is_there:
            frame = charges.read_lines(connection, report.table, report.meaning, report.name, told)
            frame = charges.converted(frame, rates)
        charges.write(connection, frame, report.name, told)
        return bill_tables.CHARGES, frame.height
    if is_there:
        counts = usage_reported.read_counts(connection, report.table, report.meaning, report.name, told)
        frame = usage_reported.priced(counts, book)
    usage_reported.write(connection, frame, report.name, told)
    return bill_tables.USAGE_REPORTED, frame.height


def _told(due: Iterable[Due]) -> list[tuple[int, date, int]]:
    return [(connection_no, day, pull_no) for connection_no, _, day, pull_no, _, _ in due]
