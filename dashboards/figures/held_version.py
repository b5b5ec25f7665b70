"""published/warehouse-<n>.duckdb -> the newest version, held open while pages ask: opening it costs as much as they do.

Whoever opens a version while it is held joins what DuckDB has open of it, with the blocks that were read. It is let go
within a second once a newer one is there or somebody is being erased, where nobody has asked for a while, and where
what was read of it takes much memory.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse import database, withholding
from warehouse.home import Home

IDLE_S = 60.0
MOST_BYTES = 512 * 1024 * 1024
_LOOK_EVERY_S = 0.5
# A file by what it is, not by its name alone: a restored home may call another file so.
_File = tuple[Path, int, int, int]


@dataclass
class _Held:
    """One version of one home, and the thread that lets it go."""

    home: Home | None = None
    file: _File | None = None
    connection: duckdb.DuckDBPyConnection | None = None
    asked_at: float = 0.0
    watcher: threading.Thread | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def only(self, file: _File | None) -> None:
        """Let go of any other file than this."""
        with self.lock:
            if self.connection is not None and self.file != file:
                self.connection.close()
                self.connection = None

    def take(self, home: Home, file: _File) -> None:
        """Hold this file, which the caller has open; it is asked now."""
        with self.lock:
            self.asked_at = time.monotonic()
            self.only(file)
            if self.connection is None:
                # A page that has it open goes on without its being held.
                with suppress(duckdb.Error):
                    self.home, self.file, self.connection = home, file, database.read_only(file[0])
            if self.watcher is None:
                self.watcher = threading.Thread(target=self.watch, name="held version", daemon=True)
                self.watcher.start()

    def watch(self) -> None:
        """Look every half second, until nobody has asked for IDLE_S."""
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self.lock:
                if self.home is None or time.monotonic() - self.asked_at >= IDLE_S:
                    self.only(None)
                    self.watcher = None
                    return
                home = self.home
                if self.connection is not None and _held_bytes(self.connection) > MOST_BYTES:
                    self.only(None)
            self.follow(home)

    def follow(self, home: Home) -> None:
        """Let go of what is not the newest, and have the newest open before a page asks for it."""
        newest = _newest(home)
        with self.lock:
            self.only(newest)
            if newest is None or self.connection is not None or self.home != home:
                return
        try:
            connection = database.read_only(newest[0])
        except duckdb.Error:
            # A page that asks is told what is wrong with it.
            return
        with self.lock:
            if self.connection is None and self.home == home and _newest(home) == newest:
                self.file, self.connection = newest, connection
            else:
                connection.close()


_held = _Held()


@contextmanager
def opened(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the newest version, as `database.published` opens it for readers that are told apart.

    WarehouseError while nothing is published.
    """
    newest = _newest(home)
    _held.only(newest)
    with database.published(home, is_filtered=True) as connection:
        if newest is not None and _newest(home) == newest:
            _held.take(home, newest)
        yield connection


def let_go() -> None:
    """Hold nothing, with no block of it in memory, until a page asks again."""
    _held.only(None)


def _held_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    ((held,),) = connection.execute(
        "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()"
    ).fetchall()
    return int(held)


def _newest(home: Home) -> _File | None:
    """The newest version's file; None where nothing is published, or where somebody is being erased."""
    try:
        if withholding.is_withheld(home):
            return None
        # Called as `database.published` calls it: DuckDB refuses the same file with another place for what it spills.
        path = home.published / (home.published / "current").readlink()
        status = path.stat()
    except OSError:
        return None
    return path, status.st_ino, status.st_size, status.st_mtime_ns
