"""inbox/<gateway>/ -> raw_<gateway>.calls: files read, pseudonymised, loaded by dlt, receipted, removed.

Killed anywhere, the next pass heals: a file leaves the inbox only after its receipt, raw rows without a receipt are
removed before the next load, and dlt's working folder is emptied around every load, so that no half-done package of
it can stand in the way. What waits is landed in rounds of about MOST_ROWS; a round that gives way to an erasure is read
again after it, and the rounds before it stay.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb

from pipelines import erasing
from pipelines.errors import GaveWayError, PipelineError
from pipelines.gateways import logfile
from pipelines.gateways.boundary import MOST_ROWS, Boundary
from pipelines.gateways.logfile import LogFile, RefusedFileError
from pipelines.gateways.provider import Gateway
from pipelines.gateways.reading import Reader
from pipelines.materialization import dlt_load, landed
from warehouse import build_memory, database
from warehouse.control import receipt as receipts
from warehouse.control.receipt import Receipt
from warehouse.home import Home

Progress = Callable[[str, int, int], None]


@dataclass
class Ingested:
    """What a pass took from one inbox: files, rows, lines in quarantine, rows too late for their day, files refused.

    `gave_way` counts the erasures that it let go first.
    """

    gateway: str
    files: int = 0
    rows: int = 0
    quarantined: int = 0
    late_rows: int = 0
    known_files: int = 0
    refused: list[str] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    gave_way: int = 0

    @property
    def seen(self) -> int:
        """Files that do not wait any more."""
        return self.files + self.known_files + len(self.refused)


def waiting(home: Home, gateway: Gateway) -> int:
    """How many files of a gateway are ready to be read."""
    folder = home.inbox / gateway.name
    return len(logfile.ready(folder)) if folder.exists() else 0


def ingest(home: Home, gateway: Gateway, now: datetime, progress: Progress) -> Ingested:
    """Take everything that is ready in one gateway's inbox.

    `progress` is told (what, done, of how many). BusyError where another pass reads the inboxes or writes the build.
    """
    result = Ingested(gateway.name)
    is_more = True
    while is_more:
        erasing.resume(home, now, progress)
        if not waiting(home, gateway) and not _unfinished(home, gateway):
            break
        try:
            is_more = _round(home, gateway, result, now, progress)
        except GaveWayError:
            result.gave_way += 1
            progress(erasing.GAVE_WAY, 1, 1)
    return result


def _round(home: Home, gateway: Gateway, result: Ingested, now: datetime, progress: Progress) -> bool:
    """Read and land what is ready, about MOST_ROWS of it; whether there is more. GaveWayError: nothing was landed."""
    with database.held(home.inbox_lock), database.control(home) as control:
        give_way = partial(erasing.give_way, home, control)
        work = home.tmp / f"ingest-{gateway.name}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        try:
            with database.scratch(work / "spill") as scratch:
                boundary = Boundary(control, gateway.name, work, now)
                reader = Reader(gateway, scratch, boundary, work, give_way)
                read, is_more = _read(home, gateway, control, boundary, reader, result, now, progress)
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
    return is_more


def _unfinished(home: Home, gateway: Gateway) -> bool:
    with database.control(home) as control:
        return bool(receipts.unfinished(control, gateway.name))


def _read(
    home: Home,
    gateway: Gateway,
    control: sqlite3.Connection,
    boundary: Boundary,
    reader: Reader,
    result: Ingested,
    now: datetime,
    progress: Progress,
) -> tuple[list[tuple[LogFile, Receipt]], bool]:
    """What was read, until it is enough to be landed, and whether files were left."""
    files = logfile.ready(home.inbox / gateway.name)
    read: list[tuple[LogFile, Receipt]] = []
    hashes: set[bytes] = set()
    before, is_more = result.seen, False
    for number, file in enumerate(files):
        if is_more := sum(rows for _, rows in boundary.parts) >= MOST_ROWS:
            break
        progress(f"reading {gateway.name}", before + number, before + len(files))
        erasing.give_way(home, control)
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
    if not is_more:
        progress(f"reading {gateway.name}", before + len(files), before + len(files))
    return read, is_more


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
        try:
            for some in _together(parts):
                erasing.give_way(home, control)
                with build_memory.carrying(connection):
                    dlt_load.load(connection, home.dlt, gateway, some)
        except GaveWayError:
            # They would be written anew with the build for nothing.
            if _exists(connection, gateway.schema):
                nos = [receipt.load_no for receipt in read]
                connection.execute(f"DELETE FROM {table} WHERE load_no IN (SELECT unnest(?))", [nos])
            raise
        if parts:
            _hold_against(connection, table, read)
        # Before the signature: what is in the file itself outlives a rotten write-ahead log.
        connection.execute("CHECKPOINT")
        receipts.sign(control, read, now)


def _together(parts: dlt_load.Parts) -> Iterator[dlt_load.Parts]:
    """Parts that are loaded at once: as many as hold MOST_ROWS, since a load has a price of its own."""
    some: dlt_load.Parts = []
    for part in parts:
        if some and sum(rows for _, rows in [*some, part]) > MOST_ROWS:
            yield some
            some = []
        some.append(part)
    if some:
        yield some


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
