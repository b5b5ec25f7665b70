"""The one place that opens a database: DuckDB for the build and its versions, SQLite for the control store.

Why one place: DuckDB admits one writing process, a reader holding an old file under the same name sees old rows, and
SQLite keeps deleted bytes unless told otherwise. Each of these is settled here once.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse import build_memory, migrations, withholding
from warehouse.control import schema as control_schema
from warehouse.errors import BusyError, WarehouseError
from warehouse.home import Home

LOCK_PATIENCE_S = 120.0
# What a control store raises that is damaged.
ControlError = sqlite3.DatabaseError
# What a version raises under a question, as one that was withdrawn does.
ReadError = duckdb.Error
# How DuckDB says that a block of a file it has opened is damaged or gone.
_ROT = ("Corrupt database file", "Could not read enough bytes")


@contextmanager
def held(lock: Path, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Hold `home.build_lock` or `home.inbox_lock` against other processes; the kernel lets go if this one dies.

    BusyError after `patience_s`.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock.touch(mode=0o600)
    with lock.open("r+b") as handle:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BusyError(f"another run holds {lock}; the work is taken up at the next tick") from None
                time.sleep(0.05)
        yield


@contextmanager
def build(home: Home, *, deletes: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build file, for writing, migrated; the caller holds `held(home.build_lock)`.

    Spill goes to the home's tmp, memory is bounded, by the rows where any are deleted, and nothing is downloaded or
    loaded. WarehouseError where the file is damaged.
    """
    connection = _opened_build(home)
    try:
        if deletes:
            build_memory.make_room(connection)
        migrations.apply(connection, home)
        yield connection
    except duckdb.Error as error:
        if any(sign in str(error) for sign in _ROT):
            raise _rotten(home) from error
        raise
    finally:
        connection.close()


def _opened_build(home: Home) -> duckdb.DuckDBPyConnection:
    spill = home.tmp / "spill"
    # What a killed run spilled stays; who holds the lock is alone here.
    shutil.rmtree(spill, ignore_errors=True)
    try:
        connection = duckdb.connect(
            str(home.build_file),
            config={
                "memory_limit": f"{build_memory.USUAL_MB}MB",
                # At the default of 16 MB every run of days ends in a checkpoint; the pass ends with one of its own.
                "checkpoint_threshold": "256MB",
                "temp_directory": str(spill),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "preserve_insertion_order": "false",
            },
        )
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise BusyError(
                f"another program holds {home.build_file}; close it: people open {home.people_file}"
            ) from None
        if home.build_file.exists():
            raise _rotten(home) from error
        raise
    home.build_file.chmod(0o600)
    return connection


def copied_build(home: Home, target: Path) -> None:
    """The live rows of the build in a new file: tables, views, comments, and not a byte of what was deleted.

    The caller holds the build's lock and no connection to it. The copy is checkpointed and durable; duckdb.Error where
    there is no room, and then there is no copy.
    """
    connection = _opened_build(home)
    try:
        build_memory.make_room(connection)
        connection.execute("CHECKPOINT")
        (name,) = connection.execute("SELECT current_database()").fetchall()[0]
        connection.execute(f"ATTACH '{str(target).replace(chr(39), chr(39) * 2)}' AS rewritten")
        target.chmod(0o600)
        connection.execute(f'COPY FROM DATABASE "{name}" TO rewritten')
        connection.execute("CHECKPOINT rewritten")
        connection.execute("DETACH rewritten")
    finally:
        connection.close()
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _rotten(home: Home) -> WarehouseError:
    return WarehouseError(
        f"{home.build_file} is damaged; pages go on with version {current_version(home)}: "
        "look at the disk, then run `apiledger restore`"
    )


@contextmanager
def scratch(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory for reading log files in columns; `spill` is a folder that no other process uses.

    DuckDB numbers its spill files from 0 in every process: two that share a folder read each other's rows. It hands a
    stream over by one thread; of more it would only have the buffers. Of these it counts 32 MB each, however few bytes
    are in them: two streams have up to six.
    """
    connection = duckdb.connect(
        config={
            "memory_limit": "320MB",
            "threads": 1,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
    )
    try:
        yield connection
    finally:
        connection.close()


def current_version(home: Home) -> int | None:
    """The number of the newest published version, None before the first."""
    return None if (target := _current_file(home)) is None else int(target.stem.rsplit("-", 1)[1])


def _current_file(home: Home) -> Path | None:
    link = home.published / "current"
    try:
        return home.published / link.readlink()
    except FileNotFoundError:
        return None


@contextmanager
def published(home: Home, *, is_filtered: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The newest version, read-only and locked down: one short connection a query, so that a new version is seen.

    WarehouseError while nothing is published, WithheldError while somebody is being erased, unless the caller sees to
    it that nobody is shown them (`is_filtered`). Replaced between the look and the open, it is looked up again.
    """
    for _ in range(20):
        if not is_filtered:
            withholding.hold(home)
        if (target := _current_file(home)) is None:
            raise WarehouseError(f"nothing is published in {home.root}; run `apiledger run` once")
        try:
            connection = read_only(target)
        except (duckdb.IOException, FileNotFoundError):
            time.sleep(0.02)
            continue
        try:
            yield connection
        finally:
            connection.close()
        return
    raise WarehouseError(f"the newest version in {home.published} cannot be opened; run `apiledger doctor`")


def read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB file opened for reading only, where SQL reaches no file, no network and no setting.

    IOException where the file is missing or held by a writer.
    """
    # Told at the opening: threads that overlap share one instance, whose settings the first of them would have locked.
    return duckdb.connect(
        str(path),
        read_only=True,
        config={
            "autoinstall_known_extensions": "false",
            "python_enable_replacements": "false",
            "enable_external_access": "false",
            "lock_configuration": "true",
            # Beside the file by default, where two processes that spill read each other's rows.
            "temp_directory": str(path.with_name(f"{path.name}.{os.getpid()}.tmp")),
        },
    )


def single_table(home: Home, name: str, rows: object) -> bytes:
    """A DuckDB file of one table, made of Arrow rows in the home's tmp and taken from there; `name` is our own word."""
    with tempfile.TemporaryDirectory(dir=home.tmp, prefix="download-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / f"{name}.duckdb"
        connection = duckdb.connect(
            str(target), config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        try:
            connection.register("told", rows)
            connection.execute(f'CREATE TABLE "{name}" AS FROM told')
        finally:
            connection.close()
        return target.read_bytes()


@contextmanager
def control(home: Home) -> Iterator[sqlite3.Connection]:
    """`control.sqlite`, migrated, in autocommit: use `with transaction(connection):` for what belongs together.

    WAL with synchronous=FULL so that what is said done is done; secure_delete so that deleted bytes are zeroed.
    """
    home.control_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.control_file.touch(mode=0o600)
    connection = sqlite3.connect(home.control_file, timeout=30, isolation_level=None)
    try:
        for pragma in ("secure_delete=ON", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        control_schema.apply(connection, home)
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing on the control store; takes the write lock at once, so that two writers never deadlock."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        # What is held to only now, such as that a ledger adds up, is refused here.
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def tool_store(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file that a tool keeps in the home, in autocommit, for removing what has expired in it.

    The tool goes on working: SQLite's own locks are waited for, at most 30 s. What is deleted is zeroed.
    """
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete=ON")
        yield connection
    finally:
        connection.close()


def copied_control(home: Home, target: Path) -> None:
    """A consistent copy of the control store as one file, for the moment before a migration."""
    with sqlite3.connect(home.control_file, timeout=30, isolation_level=None) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    target.chmod(0o600)


def backed_up_control(home: Home, target: Path) -> None:
    """A copy of the control store by SQLite's own backup, consistent while others write, as one durable file."""
    target.touch(mode=0o600)
    with control(home) as source, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def stamp(moment: datetime) -> str:
    """A UTC moment as control.sqlite keeps it: ISO 8601 with microseconds, sortable as text."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """The reverse of `stamp`: a naive datetime in UTC, as DuckDB's TIMESTAMP wants it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007 (UTC by definition, naive by DuckDB's wish)
