"""Receipts of pulls, raw_<provider>.* -> model.charges, bill_day, usage_reported, estimated_spend: changed days.

A day changes by a pull that told something else, by another exchange rate, and by another connection, whose bill may
hold what this one's holds as well.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time

import duckdb
import polars as pl

from pipelines.bills.biller import Biller, Report, billers
from pipelines.bills.report_reader import report_name
from warehouse import bill_tables, coverage_tables, frame, publication
from warehouse.control import claim, coverage, upstream_claim
from warehouse.control import connection as connections
from warehouse.control import pull as receipts
from warehouse.control.pull import ReportDay
from warehouse.fx import FxRates
from warehouse.models import bill_day, change, charges, estimated_spend, usage_reported
from warehouse.prices import PriceBook
from warehouse.settlement_tables import BILL_STATE
from warehouse.tables import Table

# connection_no, report, day, pull_no, settlement: a row of model.built_pull.
_Row = tuple[int, str, date, int, str]
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
    sources = {number: source for number, source, *_ in connections.rows(control)}
    old = charges.outdated(connection, rates)
    made: set[_Row] = {
        row for row in connection.execute(f"FROM {bill_tables.BUILT_PULL.full_name}").fetchall() if row[:3] not in old
    }
    told_at = receipts.told_at(control)
    rows: dict[str, int] = {}
    for biller in billers().values():
        told = [day for day in receipts.days(control) if sources.get(day.connection_no) == biller.name]
        whole = _whole(connection, biller)
        # A connection at a time: many with 90 days each would not fit into one transaction's memory.
        due: dict[int, list[_Row]] = {}
        moments: dict[int, list[datetime]] = {}
        kinds = {report.name: report.kind for report in biller.reports}
        looked = [day for day in told if kinds.get(report_name(day.report)) == "balance"]
        if all(whole.get((report_name(day.report), day.pull_no, day.day), 0) == day.rows for day in looked):
            _estimates(connection, biller, looked, rates)
        for day in told:
            if kinds.get(day.report) not in {"costs", "usage"}:
                continue
            settled = bill_day.settlement(day.day, day.read_on, biller.lookback_days)
            row = (day.connection_no, day.report, day.day, day.pull_no, settled)
            if row not in made and whole.get((day.report, day.pull_no, day.day), 0) == day.rows:
                due.setdefault(day.connection_no, []).append(row)
                # A day without a line is billed 0 once it was read late enough, whenever it was told first.
                moment = told_at[day.pull_no] if day.rows else datetime.combine(day.read_on, time.min)
                moments.setdefault(day.connection_no, []).append(moment)
        there = {name for name, _, _ in whole}
        for number, days in due.items():
            _make(connection, biller, days, there, book, rates, rows, max(moments[number]))
    return rows, moved


def _estimates(connection: duckdb.DuckDBPyConnection, biller: Biller, told: list[ReportDay], rates: FxRates) -> None:
    """All of a provider's estimates: a look's day depends on the look before it, and there are 24 a day at most."""
    if not told:
        return
    rows: list[estimated_spend.Row] = []
    for report in (report for report in biller.reports if report.kind == "balance"):
        looks = [(day.connection_no, day.day, day.pull_no) for day in told if report_name(day.report) == report.name]
        rows += estimated_spend.read_days(connection, report.table, report.meaning, looks, rates)
    connection.execute("BEGIN")
    if days := estimated_spend.write(connection, sorted({day.connection_no for day in told}), rows):
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


def _whole(connection: duckdb.DuckDBPyConnection, biller: Biller) -> dict[tuple[str, int, date], int]:
    found: dict[tuple[str, int, date], int] = {}
    there = set(connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall())
    for report in biller.reports:
        if (report.table.full_name,) in there:
            # A column that a newer program reads is in the file from the next load on; its rows were told without it.
            for column in report.table.columns:
                connection.execute(
                    f'ALTER TABLE {report.table.full_name} ADD COLUMN IF NOT EXISTS "{column.name}" {column.type}'
                )
            counted = f"SELECT pull_no, day, count(*) FROM {report.table.full_name} GROUP BY ALL"
            found |= {(report.name, no, day): rows for no, day, rows in connection.execute(counted).fetchall()}
    return found


def _make(
    connection: duckdb.DuckDBPyConnection,
    biller: Biller,
    due: list[_Row],
    there: set[str],
    book: PriceBook,
    rates: FxRates,
    rows: dict[str, int],
    told_at: datetime,
) -> None:
    """Make days of one connection in one transaction; a report that is not `there` never had a row."""
    charged: list[_Row] = []
    connection_days = [(row[0], row[2]) for row in due]
    before = change.told(connection, connection_days)
    connection.execute("BEGIN")
    try:
        for report in biller.reports:
            days = [row for row in due if row[1] == report.name]
            if days:
                is_there = report.name in there
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


def _note(connection: duckdb.DuckDBPyConnection, due: list[_Row]) -> None:
    """Note from which pulls days were made; in one statement, for the memory that each statement keeps."""
    table = bill_tables.BUILT_PULL
    schema = dict(zip(table.column_names, (pl.Int64, pl.String, pl.Date, pl.Int64, pl.String), strict=True))
    connection.register("due", pl.DataFrame(due, schema=schema, orient="row").to_arrow())
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


def _told(due: Iterable[_Row]) -> list[tuple[int, date, int]]:
    return [(connection_no, day, pull_no) for connection_no, _, day, pull_no, _ in due]
