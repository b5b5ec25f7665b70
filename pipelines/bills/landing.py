"""What a provider told -> raw_<provider>.* and its receipt: the days that say something new, whole or not at all.

Killed anywhere, the next pull heals: rows without a receipt are removed, and days whose rows are gone are asked for
again.
"""

import shutil
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.bills import bill_boundary, bill_part, report_reader
from pipelines.bills.biller import Biller, Report
from pipelines.bills.report_reader import LEFT_OUT, LOST_DAYS, Told, report_name
from pipelines.errors import ProviderError
from pipelines.materialization import dlt_load
from warehouse import database
from warehouse.control import coverage
from warehouse.control import pull as receipts
from warehouse.control.connection import Connection
from warehouse.control.pull import ReportDay
from warehouse.home import Home

# Which parts of a bill a delivery tells of a report's day.
Parts = dict[tuple[str, date], frozenset[str]]


@dataclass
class Pulled:
    """What a pull gave: days read, days told anew, raw rows landed; `skipped` says why there was none.

    `notes` say what its reports leave out or have lost. `connection_no` is there where the key is a stored one.
    """

    provider: str
    days: int = 0
    new_days: int = 0
    rows: int = 0
    skipped: str | None = None
    notes: list[str] = field(default_factory=list)
    connection_no: int | None = None


def lost(build: duckdb.DuckDBPyConnection, biller: Biller, days: list[ReportDay]) -> list[ReportDay]:
    """The days whose raw rows are not what their receipts say, as after a build that was put back."""
    stored: dict[tuple[str, int, date], int] = {}
    for report in biller.reports:
        if _exists(build, report):
            counted = f"SELECT pull_no, day, count(*) FROM {report.table.full_name} GROUP BY ALL"
            stored |= {(report.name, no, day): rows for no, day, rows in build.execute(counted).fetchall()}
    return [day for day in days if stored.get((report_name(day.report), day.pull_no, day.day), 0) != day.rows]


def _exists(build: duckdb.DuckDBPyConnection, report: Report) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
    return build.execute(query, [report.table.schema, report.table.name]).fetchone() is not None


def land(
    home: Home, biller: Biller, connection: Connection, told: Told, now: datetime, parts: Parts | None = None
) -> Pulled:
    """Store what a provider told of a connection: the days that say something new, and the receipt of all of them."""
    number = connection.connection_no
    work = home.tmp / f"pull-{biller.name}"
    with (
        database.held(home.build_lock),
        database.build(home) as build,
        database.control(home) as control,
    ):
        broken = receipts.unfinished(control, number)
        for report in biller.reports:
            if broken and _exists(build, report):
                build.execute(f"DELETE FROM {report.table.full_name} WHERE pull_no IN (SELECT unnest(?))", [broken])
        receipts.forget(control, broken)
        known = {(day.report, day.day): day for day in receipts.days(control, number)}
        pull_no = receipts.begin(control, number, now)
        days: list[ReportDay] = []
        new: report_reader.Days = {}
        for key, spoken in (parts or {}).items():
            if key in known:
                kept = bill_part.kept(build, biller.reports[0], known[key], spoken)
                told.days[key] = sorted([*kept, *told.days[key]], key=repr)
        for (name, day), rows in told.days.items():
            before, told_sha256 = known.get((name, day)), bill_boundary.sha256(rows)
            if before is None or before.sha256 != told_sha256:
                new[name, day] = rows
                before = ReportDay(number, name, day, pull_no, len(rows), told_sha256, now.date())
            days.append(ReportDay(number, name, day, before.pull_no, len(rows), told_sha256, now.date()))
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        try:
            landed = _store(build, home, biller, work, new, pull_no, now)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        # Before the signature: what is in the file itself outlives a rotten write-ahead log.
        build.execute("CHECKPOINT")
        until = told.read_until or connection.read_until or now.date()
        receipts.sign(control, pull_no, days, until, now)
        with database.transaction(control):
            coverage.note(control, number, told.notes, LEFT_OUT, now)
            coverage.speak(control, number, told.dialect)
    return Pulled(
        biller.name,
        days=len({day for _, day in told.days}),
        new_days=len({day for _, day in new}),
        rows=landed,
        notes=[note for topic, note in told.notes.items() if topic.startswith((LEFT_OUT, LOST_DAYS))],
    )


def _store(
    build: duckdb.DuckDBPyConnection,
    home: Home,
    biller: Biller,
    work: Path,
    new: report_reader.Days,
    pull_no: int,
    now: datetime,
) -> int:
    loads, landed = [], 0
    for report in biller.reports:
        rows = [row for (name, _), told in new.items() if report_name(name) == report.name for row in told]
        if rows:
            part = bill_boundary.write(work / f"{report.table.name}.parquet", report.table, rows, pull_no, now)
            loads.append((report.table, [part]))
            landed += len(rows)
    if loads:
        dlt_load.load_tables(build, home.dlt, biller.name, loads)
        for table, parts in loads:
            query = f"SELECT count(*) FROM {table.full_name} WHERE pull_no = ?"
            if build.execute(query, [pull_no]).fetchall() != [(parts[0][1],)]:
                raise ProviderError(f"{biller.title}: a pull stored other rows than it read; the next one asks again")
    return landed
