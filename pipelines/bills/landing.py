"""What providers told -> raw_<provider>.* and receipts: the days that say something new, whole or not at all.

Many connections land in one load, each with a receipt of its own. Killed anywhere, the next pull heals: rows without a
receipt are removed, and days whose rows are gone are asked for again.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb

from pipelines.bills import bill_boundary, bill_part, held_back, report_reader
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
    """What a pull gave: days read, days told anew, raw rows landed, days that an erasure keeps from landing.

    `skipped` says why there was nothing; `notes` what its reports leave out or have lost. `connection_no` is there
    where the key is a stored one.
    """

    provider: str
    days: int = 0
    new_days: int = 0
    rows: int = 0
    refused_days: int = 0
    skipped: str | None = None
    notes: list[str] = field(default_factory=list)
    connection_no: int | None = None


@dataclass(frozen=True)
class Landing:
    """What is to land of a connection: what was told, the days known of it, the parts of a bill it tells of."""

    connection: Connection
    told: Told
    known: list[ReportDay]
    parts: Parts = field(default_factory=dict)


@dataclass(frozen=True)
class _Ready:
    """A landing compared with what is known: its pull, its receipt's days, and the frames of what is new by report."""

    landing: Landing
    pull_no: int
    days: list[ReportDay]
    new_days: int
    frames: dict[str, bill_boundary.Frame]


def lost(build: duckdb.DuckDBPyConnection, biller: Biller, days: list[ReportDay]) -> list[ReportDay]:
    """The days whose raw rows are not what their receipts say, as after a build that was put back."""
    stored: dict[tuple[str, int, date], int] = {}
    numbers = sorted({day.connection_no for day in days})
    there = _there(build, biller) if numbers else ()
    for report in there:
        counted = f"""SELECT pull_no, day, count(*) FROM {report.table.full_name}
                      WHERE connection_no IN (SELECT unnest(?)) GROUP BY ALL"""
        stored |= {(report.name, no, day): rows for no, day, rows in build.execute(counted, [numbers]).fetchall()}
    return [day for day in days if stored.get((report_name(day.report), day.pull_no, day.day), 0) != day.rows]


def _there(build: duckdb.DuckDBPyConnection, biller: Biller) -> list[Report]:
    query = "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
    there = {name for (name,) in build.execute(query).fetchall()}
    return [report for report in biller.reports if report.table.full_name in there]


def land(
    build: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    home: Home,
    biller: Biller,
    landings: Sequence[Landing],
    now: datetime,
) -> list[Pulled | ProviderError]:
    """Store what a provider told of some connections: the days that say something new, and the receipts of all.

    One that no table can hold is given as its error, the others land; ProviderError where none could be stored.
    """
    if not landings:
        return []
    _forget_broken(build, control, biller, [one.connection.connection_no for one in landings])
    with database.transaction(control):
        numbers = [receipts.begin(control, one.connection.connection_no, now) for one in landings]
    found = [_ready(build, biller, *each, now) for each in zip(landings, numbers, strict=True)]
    ready = [one for one in found if isinstance(one, _Ready)]
    _store(build, home, biller, ready)
    # Before the signatures: what is in the file itself outlives a rotten write-ahead log.
    build.execute("CHECKPOINT")
    with database.transaction(control):
        for one in ready:
            connection, told = one.landing.connection, one.landing.told
            until = told.read_until or connection.read_until or now.date()
            receipts.sign(control, one.pull_no, one.days, until, now)
            coverage.note(control, connection.connection_no, told.notes, LEFT_OUT, now)
            coverage.speak(control, connection.connection_no, told.dialect)
        receipts.forget(control, [no for no, one in zip(numbers, found, strict=True) if not isinstance(one, _Ready)])
    return [_pulled(biller, one) if isinstance(one, _Ready) else one for one in found]


def _forget_broken(
    build: duckdb.DuckDBPyConnection, control: sqlite3.Connection, biller: Biller, numbers: list[int]
) -> None:
    broken = [pull_no for number in numbers for pull_no in receipts.unfinished(control, number)]
    if not broken:
        return
    for report in _there(build, biller):
        build.execute(f"DELETE FROM {report.table.full_name} WHERE pull_no IN (SELECT unnest(?))", [broken])
    with database.transaction(control):
        receipts.forget(control, broken)


def _ready(
    build: duckdb.DuckDBPyConnection, biller: Biller, landing: Landing, pull_no: int, now: datetime
) -> _Ready | ProviderError:
    known = {(day.report, day.day): day for day in landing.known}
    number, told = landing.connection.connection_no, landing.told
    days: list[ReportDay] = []
    new: report_reader.Days = {}
    # Days of which some parts were not told of this time: rows of these may lack still.
    in_parts = set()
    for key, spoken in landing.parts.items():
        if key in known:
            kept = bill_part.kept(build, biller.reports[0], known[key], spoken)
            told.days[key] = sorted([*kept, *told.days[key]], key=repr)
            in_parts |= {key} if kept else set()
    for (name, day), rows in told.days.items():
        before, told_sha256 = known.get((name, day)), bill_boundary.sha256(rows)
        odd = held_back.of(told.held_back.get((name, day), ()))
        if before is not None and (name, day) in in_parts:
            odd = held_back.still(before, odd)
        # What of a day's parts is told is an odd row alone: it says nothing of the rows that are stored.
        is_untold = before is not None and (name, day) in landing.parts and not landing.parts[name, day]
        if before is not None and (is_untold or held_back.stays(before, len(rows), odd)):
            odd = held_back.still(before, odd) if is_untold else odd
            days.append(before._replace(read_on=now.date(), **odd))
            continue
        was_whole = before is not None and before.sha256 == told_sha256 and not before.is_rest
        if before is None or before.sha256 != told_sha256:
            new[name, day] = rows
            before = ReportDay(number, name, day, pull_no, len(rows), told_sha256, now.date())
        is_rest = held_back.lacks(odd) and not was_whole
        read = ReportDay(number, name, day, before.pull_no, len(rows), told_sha256, now.date(), is_rest=is_rest)
        days.append(read._replace(**odd))
    told.notes |= held_back.said(biller, landing.known, days)
    frames = {}
    for report in biller.reports:
        rows = [row for (name, _), told_rows in new.items() if report_name(name) == report.name for row in told_rows]
        try:
            if rows:
                frames[report.name] = bill_boundary.frame(report.table, rows, pull_no, now)
        except ValueError as error:
            return ProviderError(f"{biller.title}: {error}; nothing was stored")
    return _Ready(landing, pull_no, days, len({day for _, day in new}), frames)


def _store(build: duckdb.DuckDBPyConnection, home: Home, biller: Biller, ready: list[_Ready]) -> None:
    loads = []
    work = home.tmp / f"pull-{biller.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    try:
        for report in biller.reports:
            frames = [one.frames[report.name] for one in ready if report.name in one.frames]
            if frames:
                part = bill_boundary.write(work / f"{report.table.name}.parquet", frames)
                loads.append((report.table, [part]))
        if loads:
            dlt_load.load_tables(build, home.dlt, biller.name, loads)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for report in biller.reports:
        rows = {one.pull_no: one.frames[report.name].height for one in ready if report.name in one.frames}
        query = f"""SELECT pull_no, count(*) FROM {report.table.full_name}
                    WHERE pull_no IN (SELECT unnest(?)) GROUP BY pull_no"""
        if rows and dict(build.execute(query, [sorted(rows)]).fetchall()) != rows:
            raise ProviderError(f"{biller.title}: a pull stored other rows than it read; the next one asks again")


def _pulled(biller: Biller, one: _Ready) -> Pulled:
    told = one.landing.told
    return Pulled(
        biller.name,
        days=len({day for _, day in told.days}),
        new_days=one.new_days,
        rows=sum(frame.height for frame in one.frames.values()),
        refused_days=told.refused_days,
        notes=[note for topic, note in told.notes.items() if topic.startswith((LEFT_OUT, LOST_DAYS))],
    )
