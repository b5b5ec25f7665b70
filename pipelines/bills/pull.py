"""A provider's billing API -> raw_<provider>.*: what it says of the days that may have changed, whole or not at all.

Read are whole UTC days: from where the last pull ended, less the provider's look-back window, up to today; once a day
`late_days` back, since what comes later than a provider says is part of the bill, too. A day that says the same again
is not stored again. Killed anywhere, the next pull heals: rows without a receipt are removed, and days whose rows are
gone are asked for again.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.bills import bill_boundary, bill_part, billing_key, delivery, report_reader
from pipelines.bills.bill_boundary import BillBoundary
from pipelines.bills.biller import Biller, Report, billers
from pipelines.bills.billing_api import BillingApi, Clock, is_loopback
from pipelines.bills.report_reader import LEFT_OUT, LOST_DAYS, Told, report_name
from pipelines.errors import KeyRefusedError, ProviderError
from pipelines.materialization import dlt_load
from warehouse import database
from warehouse.control import bill_file as file_receipts
from warehouse.control import connection as connections
from warehouse.control import consent, coverage, restriction
from warehouse.control import pull as receipts
from warehouse.control.connection import Connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.pull import ReportDay
from warehouse.control.vault import Vault
from warehouse.errors import BusyError
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
_RETRY_REFUSED = timedelta(days=1)
# Which parts of a bill a delivery tells of a report's day.
_Parts = dict[tuple[str, date], frozenset[str]]


@dataclass
class Pulled:
    """What a pull gave: days read, days told anew, raw rows landed; `skipped` says why there was none.

    `notes` say what its reports leave out or have lost.
    """

    provider: str
    days: int = 0
    new_days: int = 0
    rows: int = 0
    skipped: str | None = None
    notes: list[str] = field(default_factory=list)


def is_connected(home: Home, biller: Biller) -> bool:
    """Whether a provider's key is in the environment; a sandbox asks no one but a server of this machine.

    A source of files is, where a file waits or a folder is named.
    """
    if biller.files is not None:
        return delivery.waits(home, biller.name, biller.files)
    return bool(billing_key.held(biller)) and (not home.is_sandbox or is_loopback(_address(biller)))


def pull(home: Home, biller: Biller, now: datetime, progress: Progress, clock: Clock | None = None) -> Pulled:
    """Pull one provider's reports with the key of the environment; `now` is UTC.

    ProviderError where it gives no usable answer, nothing was stored then; BusyError where another pull or pass is
    under way. A provider without a key, with one that is another's, or that refused it today, is skipped and said.
    """
    now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    if biller.files is not None:
        return _delivered(home, biller, biller.files, now, progress)
    if not is_connected(home, biller):
        return Pulled(biller.name, skipped=f"{biller.key_variable} is not set")
    if unfit := billing_key.wrong(biller, billing_key.held(biller), billers().values()):
        return Pulled(biller.name, skipped=unfit)
    with _alone(home, biller), database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
            ids = OutsideIds(control, vault, now)
            connection = connections.of_environment(control, ids, biller.name, biller.name, now)
        lookup = vault.lookup("credential", biller.name, billing_key.held(biller))
        if held := _held_back(control, biller, connection, lookup, now):
            return Pulled(biller.name, skipped=held)
        with database.held(home.build_lock), database.build(home) as build:
            receipts.lose(control, _lost(build, biller, receipts.days(control, connection.connection_no)))
        with database.transaction(control):
            connection = connections.of_environment(control, ids, biller.name, biller.name, now)
        known = receipts.days(control, connection.connection_no)
        if biller.is_daily and any(day.read_on == now.date() for day in known):
            return Pulled(biller.name)
        connections.use(control, connection.connection_no, lookup, now)
        try:
            with BillingApi(biller.title, _address(biller), biller.headers(billing_key.held(biller)), clock) as api:
                api.dialect = coverage.dialect(control, connection.connection_no)
                told = report_reader.read(api, biller, _since(connection, known), known, now, progress)
        except KeyRefusedError as error:
            connections.refuse(control, connection, lookup, str(error), now)
            raise
        except ProviderError as error:
            connections.skip(control, connection.connection_no, str(error), now)
            raise
        with database.transaction(control):
            boundary = BillBoundary(ids, vault, connection)
            tables = {report.name: report.table for report in biller.reports}
            told.days = {
                (name, day): boundary.admit(tables[report_name(name)], day, rows)
                for (name, day), rows in told.days.items()
            }
        return _land(home, biller, connection, told, now)


def _delivered(home: Home, biller: Biller, files: delivery.Files, now: datetime, progress: Progress) -> Pulled:
    """Take what has come as files: each bill is landed by itself, and a file goes once all that it holds has landed."""
    given = Pulled(biller.name)
    (report,) = biller.reports
    with _alone(home, biller), database.control(home) as control:
        for connection_no in connections.numbers(control, biller.name):
            with database.held(home.build_lock), database.build(home) as build:
                lost = _lost(build, biller, receipts.days(control, connection_no))
            if lost:
                receipts.lose(control, lost)
                file_receipts.forget(control, biller.name)
        for one in delivery.deliveries(home, biller.name, files, control, now, progress):
            for (provider, payer), days in one.bills.items():
                if connections.numbers(control, provider):
                    one.notes.append(f"the bill of {provider} is read from its API, so its lines here were not counted")
                    continue
                with database.transaction(control):
                    vault = Vault(control, now)
                    ids = OutsideIds(control, vault, now)
                    connection = connections.of_bill(control, ids, biller.name, provider, payer, now)
                    boundary = BillBoundary(ids, vault, connection)
                    told = Told(read_until=max(days) + timedelta(days=1))
                    for day, (rows, _) in days.items():
                        told.days[report.name, day] = boundary.admit(report.table, day, rows)
                parts = {(report.name, day): parts for day, (_, parts) in days.items()}
                landed = _land(home, biller, connection, told, now, parts)
                given.days += landed.days
                given.new_days += landed.new_days
                given.rows += landed.rows
            one.sign(control, now)
            given.notes += one.notes
    return given


def _held_back(
    control: sqlite3.Connection, biller: Biller, connection: Connection, lookup: bytes, now: datetime
) -> str | None:
    """Why a connection may not be read: its account's rights, or a key that was refused; None where it may."""
    if consent.is_withdrawn(control, connection.connection_no):
        return "the account has withdrawn its consent to this connection; it is not read"
    if connection.account_no in restriction.numbers(control):
        return "the account's data is restricted; it is read again once that is lifted"
    refused = connections.refused_since(control, connection.connection_no, lookup)
    # A refusal from tomorrow was noted by a clock that ran ahead.
    if refused is not None and abs(now - refused) < _RETRY_REFUSED:
        return f"the key was refused; set another {biller.key_variable}"
    return None


def pull_all(home: Home, now: datetime, progress: Progress) -> list[Pulled]:
    """Pull every provider whose key is in the environment; one that fails is skipped and said, the others land."""
    return [pull_or_say(home, biller, now, progress) for biller in billers().values() if is_connected(home, biller)]


def pull_or_say(home: Home, biller: Biller, now: datetime, progress: Progress) -> Pulled:
    """Pull one provider; why there was nothing stands in `skipped`."""
    try:
        return pull(home, biller, now, progress)
    except (ProviderError, BusyError) as error:
        return Pulled(biller.name, skipped=str(error))


def _address(biller: Biller) -> str:
    return os.environ.get(biller.address_variable) or biller.address


def _alone(home: Home, biller: Biller) -> AbstractContextManager[None]:
    """Two pulls of one provider would tell its days twice."""
    return database.held(home.build_lock.with_name(f"pull-lock-{biller.name}"), patience_s=5)


def _since(connection: Connection, known: list[ReportDay]) -> dict[str, date]:
    """From which day on each report is due: after its last day, or where the connection went back to."""
    ends: dict[str, date] = {}
    for day in known:
        ends[day.report] = max(day.day + timedelta(days=1), ends.get(day.report, day.day))
    return {
        name: end if connection.read_until is None else min(end, connection.read_until) for name, end in ends.items()
    }


def _lost(build: duckdb.DuckDBPyConnection, biller: Biller, days: list[ReportDay]) -> list[ReportDay]:
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


def _land(
    home: Home, biller: Biller, connection: Connection, told: Told, now: datetime, parts: _Parts | None = None
) -> Pulled:
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
