"""inbox/<gateway>/ -> raw_<gateway>.calls: files read, pseudonymised, loaded by dlt, receipted, removed.

Killed anywhere, the next pass heals: a file leaves the inbox only after its receipt, raw rows without a receipt are
removed before the next load, and dlt's working folder is emptied around every load, so that no half-done package of
it can stand in the way.
"""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines import erasing
from pipelines.errors import PipelineError
from pipelines.gateways import logfile
from pipelines.gateways.boundary import Boundary
from pipelines.gateways.logfile import LogFile, RefusedFileError
from pipelines.gateways.provider import Gateway
from pipelines.gateways.reading import Reader
from pipelines.materialization import dlt_load, landed
from warehouse import database
from warehouse.control import receipt as receipts
from warehouse.control.receipt import Receipt
from warehouse.home import Home

Progress = Callable[[str, int, int], None]


@dataclass
class Ingested:
    """What a pass took from one inbox: files, rows, lines in quarantine, rows too late for their day, files refused."""

    gateway: str
    files: int = 0
    rows: int = 0
    quarantined: int = 0
    late_rows: int = 0
    known_files: int = 0
    refused: list[str] = field(default_factory=list)
    days: set[str] = field(default_factory=set)


def waiting(home: Home, gateway: Gateway) -> int:
    """How many files of a gateway are ready to be read."""
    folder = home.inbox / gateway.name
    return len(logfile.ready(folder)) if folder.exists() else 0


def ingest(home: Home, gateway: Gateway, now: datetime, progress: Progress) -> Ingested:
    """Take everything that is ready in one gateway's inbox.

    `progress` is told (what, done, of how many). BusyError where another pass reads the inboxes or writes the build.
    """
    result = Ingested(gateway.name)
    erasing.resume(home, now, progress)
    if not waiting(home, gateway) and not _unfinished(home, gateway):
        return result
    with database.held(home.inbox_lock), database.control(home) as control:
        work = home.tmp / f"ingest-{gateway.name}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        try:
            with database.scratch(work / "spill") as scratch:
                boundary = Boundary(control, gateway.name, work, now)
                reader = Reader(gateway, scratch, boundary, work)
                read = _read(home, gateway, control, reader, result, now, progress)
            _load(home, gateway, control, boundary.parts, [receipt for _, receipt in read], now)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for file, receipt in read:
            _remove(file)
            result.files += 1
            result.rows += receipt.rows
            result.quarantined += receipt.quarantined
            result.late_rows += receipt.late_rows
            result.days.update(day.isoformat() for day in receipt.days)
    return result


def _unfinished(home: Home, gateway: Gateway) -> bool:
    with database.control(home) as control:
        return bool(receipts.unfinished(control, gateway.name))


def _read(
    home: Home,
    gateway: Gateway,
    control: sqlite3.Connection,
    reader: Reader,
    result: Ingested,
    now: datetime,
    progress: Progress,
) -> list[tuple[LogFile, Receipt]]:
    files = logfile.ready(home.inbox / gateway.name)
    read: list[tuple[LogFile, Receipt]] = []
    hashes: set[bytes] = set()
    for number, file in enumerate(files):
        progress(f"reading {gateway.name}", number, len(files))
        file_sha256 = file.sha256()
        if file_sha256 in hashes or receipts.landed(control, gateway.name, file_sha256):
            _remove(file)
            result.known_files += 1
            continue
        receipt = receipts.begin(control, gateway.name, file_sha256, file.size, now)
        try:
            reader.read(file, receipt)
        except RefusedFileError:
            logfile.refuse(file)
            result.refused.append(file.path.name)
            continue
        hashes.add(file_sha256)
        read.append((file, receipt))
    reader.flush()
    progress(f"reading {gateway.name}", len(files), len(files))
    return read


def _load(
    home: Home,
    gateway: Gateway,
    control: sqlite3.Connection,
    parts: list[tuple[Path, int]],
    read: list[Receipt],
    now: datetime,
) -> None:
    """Load the parts and sign their receipts under one lock, so that no other pass models rows without a receipt."""
    broken = set(receipts.unfinished(control, gateway.name)) - {receipt.load_no for receipt in read}
    with database.held(home.build_lock), database.build(home) as connection:
        # Before anything leaves the inbox: into a build that lost rows nothing is landed.
        landed.hold(connection, control)
        table = f"{gateway.schema}.calls"
        if broken and _exists(connection, gateway.schema):
            connection.execute(f"DELETE FROM {table} WHERE load_no IN (SELECT unnest(?))", [sorted(broken)])
        receipts.forget(control, sorted(broken))
        if parts:
            dlt_load.load(connection, home.dlt, gateway, parts)
            _hold_against(connection, table, read)
        # Before the signature: what is in the file itself outlives a rotten write-ahead log.
        connection.execute("CHECKPOINT")
        receipts.sign(control, read, now)


def _exists(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = 'calls'"
    return connection.execute(query, [schema]).fetchone() is not None


def _hold_against(connection: duckdb.DuckDBPyConnection, table: str, read: list[Receipt]) -> None:
    """What was stored must be what was read, to the row, the token and the pico-dollar, before a file may go."""
    from warehouse.tables import INPUT_CLASSES, OUTPUT_CLASSES

    stored = {
        load_no: sums
        for load_no, *sums in connection.execute(
            f"""SELECT load_no, count(*), sum({"+".join(INPUT_CLASSES)})::BIGINT,
                  sum({"+".join(OUTPUT_CLASSES)})::BIGINT, coalesce(sum(logged_cost_usd), 0)
                FROM {table} WHERE load_no >= ? GROUP BY load_no""",
            [min(receipt.load_no for receipt in read)],
        ).fetchall()
    }
    for receipt in read:
        expected = [receipt.rows, receipt.input_tokens, receipt.output_tokens, receipt.logged_cost_usd]
        if receipt.rows and stored.get(receipt.load_no) != expected:
            raise PipelineError(
                f"load {receipt.load_no} of {receipt.gateway} stored other sums than were read; its file stays in the "
                "inbox and the next run loads it again"
            )


def _remove(file: LogFile) -> None:
    """Unlink a file whose bytes are landed; one that was appended to since then stays and is read again whole."""
    if file.same():
        file.path.unlink()
