"""control.sqlite (receipts of pulls) -> the days of bills that are to be modelled anew, some connections at a time.

Compared in the build, where a year of many connections' days has room: in Python there are those of one turn alone.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from pipelines.bills.biller import Biller, Report
from warehouse import bill_tables
from warehouse.control import pull as receipts
from warehouse.models import bill_day

# connection_no, report, day, pull_no, settlement: a row of model.built_pull; and how many raw rows the day has.
Due = tuple[int, str, date, int, str, int]
# Rows and days of a turn, which one transaction makes: some connections with 90 days each.
_TURN_ROWS = 40_000
_TOLD: dict[str, Any] = {
    "connection_no": pl.Int64,
    "report": pl.String,
    "day": pl.String,
    "pull_no": pl.Int64,
    "rows": pl.Int64,
    "read_on": pl.String,
    "lacks": pl.Int64,
}


def read(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    """Bring every receipt's days into the build, for `turns` and `looks`."""
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE told_day
           (connection_no BIGINT, report VARCHAR, day DATE, pull_no BIGINT, rows BIGINT, read_on DATE,
            lacks BIGINT)"""
    )
    for batch in receipts.every_day(control):
        told = pl.DataFrame(batch, schema=_TOLD, orient="row")
        connection.register("told_days", told.to_arrow())
        connection.execute("INSERT INTO told_day FROM told_days")
        connection.unregister("told_days")


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Take from the build what `read` brought."""
    connection.execute("DROP TABLE IF EXISTS temp.told_day; DROP TABLE IF EXISTS temp.due_day")


def looks(connection: duckdb.DuckDBPyConnection, biller: Biller) -> dict[str, list[tuple[int, date, int]]]:
    """A provider's snapshots of balances by report, as (connection_no, day, pull_no); none while one lacks its rows."""
    found = {}
    for report in (report for report in biller.reports if report.kind == "balance"):
        told = connection.execute(
            """SELECT connection_no, day, pull_no, rows FROM told_day SEMI JOIN
               (SELECT connection_no FROM model.connection WHERE source = ?) USING (connection_no)
               WHERE split_part(report, '.', 1) = ? ORDER BY ALL""",
            [biller.name, report.name],
        ).fetchall()
        stored: dict[tuple[int, date], int] = {}
        if told and _is_there(connection, report):
            counted = f"SELECT pull_no, day, count(*) FROM {report.table.full_name} GROUP BY ALL"
            stored = {(pull_no, day): rows for pull_no, day, rows in connection.execute(counted).fetchall()}
        if any(stored.get((pull_no, day), 0) != rows for _, day, pull_no, rows in told):
            return {}
        found[report.name] = [(number, day, pull_no) for number, day, pull_no, _ in told]
    return found


def turns(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    biller: Biller,
    outdated: Iterable[tuple[int, str, date]],
) -> Iterator[tuple[list[Due], datetime]]:
    """A provider's days to be made anew, with when they were told (UTC): as receipts say otherwise than what was made.

    So are those of `outdated`. Days whose raw rows are not what their receipts say are left out.
    """
    reports = [report for report in biller.reports if report.kind in {"costs", "usage"}]
    schema = {"connection_no": pl.Int64, "report": pl.String, "day": pl.Date}
    connection.register("outdated", pl.DataFrame(list(outdated), schema=schema, orient="row").to_arrow())
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE due_day AS
            SELECT told.*, {bill_day.settlement("told", biller.lookback_days)} AS settlement
            FROM told_day AS told
            LEFT JOIN {bill_tables.BUILT_PULL.full_name} AS made USING (connection_no, report, day)
            WHERE connection_no IN (SELECT connection_no FROM model.connection WHERE source = ?)
                AND report IN (SELECT unnest(?))
                AND (made.pull_no IS DISTINCT FROM told.pull_no
                    OR made.settlement IS DISTINCT FROM {bill_day.settlement("told", biller.lookback_days)}
                    OR (connection_no, report, day) IN (SELECT (connection_no, report, day) FROM outdated))""",
        [biller.name, [report.name for report in reports]],
    )
    connection.unregister("outdated")
    _leave_out_lost(connection, reports)
    for moment, numbers in _packed(_moments(connection, control)):
        due = connection.execute(
            """SELECT connection_no, report, day, pull_no, settlement, rows FROM due_day
               WHERE connection_no IN (SELECT unnest(?)) ORDER BY ALL""",
            [numbers],
        ).fetchall()
        yield due, moment


def _leave_out_lost(connection: duckdb.DuckDBPyConnection, reports: Sequence[Report]) -> None:
    query = "SELECT DISTINCT report FROM due_day"
    due = {name for (name,) in connection.execute(query).fetchall()}
    for report in (report for report in reports if report.name in due):
        stored = "(SELECT NULL::BIGINT AS pull_no, NULL::DATE AS day, 0 AS stored)"
        if _is_there(connection, report):
            stored = f"""(SELECT pull_no, day, count(*) AS stored FROM {report.table.full_name}
                          WHERE pull_no IN (SELECT pull_no FROM due_day) GROUP BY ALL)"""
        connection.execute(
            f"""DELETE FROM due_day WHERE report = ? AND (connection_no, day) IN (
                    SELECT (due.connection_no, due.day) FROM due_day AS due
                    LEFT JOIN {stored} AS raw USING (pull_no, day)
                    WHERE due.report = ? AND due.rows <> coalesce(stored, 0))""",
            [report.name, report.name],
        )


def _is_there(connection: duckdb.DuckDBPyConnection, report: Report) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
    return connection.execute(query, [report.table.schema, report.table.name]).fetchone() is not None


def _moments(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> list[tuple[datetime, int, int]]:
    """When each connection was told what is due of it, its number and how much that is.

    A day without a line is billed 0 once it was read late enough, whenever it was told first.
    """
    pull_nos = connection.execute("SELECT DISTINCT pull_no FROM due_day WHERE rows > 0").fetchall()
    told_at = receipts.told_at(control, [pull_no for (pull_no,) in pull_nos])
    schema: dict[str, Any] = {"pull_no": pl.Int64, "told_at": pl.Datetime("us")}
    connection.register("told_pull", pl.DataFrame(list(told_at.items()), schema=schema, orient="row").to_arrow())
    found = connection.execute(
        """SELECT max(CASE WHEN rows > 0 THEN told_at ELSE read_on::TIMESTAMP END) AS moment, connection_no,
               (count(*) + sum(rows))::BIGINT
           FROM due_day LEFT JOIN told_pull USING (pull_no) GROUP BY connection_no ORDER BY moment, connection_no"""
    ).fetchall()
    connection.unregister("told_pull")
    return found


def _packed(moments: Sequence[tuple[datetime, int, int]]) -> Iterator[tuple[datetime, list[int]]]:
    """Connections that were told at the same time, as many as one transaction makes."""
    numbers: list[int] = []
    held, last = 0, None
    for moment, number, rows in moments:
        if last is not None and (moment != last or held + rows > _TURN_ROWS):
            yield last, numbers
            numbers, held = [], 0
        numbers.append(number)
        held, last = held + rows, moment
    if last is not None:
        yield last, numbers
