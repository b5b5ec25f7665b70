"""Raw calls -> priced calls of some days, some at a time; the next are read while some are being written."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from threading import Event

import duckdb
import polars as pl

from pipelines.gateways.provider import gateways
from retention import seal
from warehouse import sealing
from warehouse.models import requests
from warehouse.models.requests import RawCalls
from warehouse.prices import PriceBook


@dataclass(frozen=True)
class Load:
    """What one load of a gateway holds of a day."""

    day: date
    gateway: str
    load_no: int
    rows: int


@dataclass(frozen=True)
class Run:
    """Days that are made in one transaction, and what was loaded of them."""

    days: Sequence[date]
    loads: Sequence[Load]


class CallReader:
    """Reads runs ahead of whoever writes them, with a thread and a cursor of its own.

    What is read are raw rows, which no run changes, and calls of the run's own days where they are sealed.
    `may_be_read` is SQL: of a restricted account no new row is processed.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cursor: duckdb.DuckDBPyConnection,
        thread: Executor,
        book: PriceBook,
        may_be_read: str,
    ) -> None:
        self._cursor, self._thread, self._book, self._may_be_read = cursor, thread, book, may_be_read
        # What was taken in from a bundle has no raw table, only calls that are known.
        self._there = set(seal.sources(connection))
        self._sealed = {(day, gateway) for day, gateway, _ in sealing.sealed_loads(connection)}

    def reading(self, run: Run) -> "Reading":
        """A run that nothing is read of yet."""
        loaded = {load.gateway for load in run.loads}
        names = [name for name in gateways() if name in self._there & loaded]
        sealed = {(day, gateway) for day, gateway in self._sealed if day in set(run.days)}
        raw = RawCalls(names, run.days, sum(load.rows for load in run.loads), sealed, self._may_be_read)
        return Reading(run, raw, requests.read_calls(self._cursor, raw), self._thread, self._book)


class Reading:
    """A run that is read: its calls, each once and priced, but for those that other days tell of earlier."""

    def __init__(
        self, run: Run, raw: RawCalls, frames: Iterator[pl.DataFrame], thread: Executor, book: PriceBook
    ) -> None:
        self.run, self._raw, self._frames, self._thread, self._book = run, raw, frames, thread, book
        self._ahead: Future[list[pl.DataFrame]] | None = None
        self._is_awaited = Event()
        self._then: Reading | None = None
        self._earlier: pl.DataFrame | None = None

    def begin(self) -> "Future[list[pl.DataFrame]]":
        """Begin to read the next frame, unless that is being done; none where all are read."""
        if self._ahead is None:
            self._ahead = self._thread.submit(self._read)
        return self._ahead

    def told_elsewhere(self, connection: duckdb.DuckDBPyConnection) -> list[date]:
        """Leave out what other days tell of earlier; the days that must be made again, since calls of theirs are here.

        `connection` sees what was made of the runs before. While it looks, the first calls are read.
        """
        self.begin()
        self._earlier, again = requests.told_elsewhere(connection, self._raw)
        return again

    def calls(self, then: "Reading | None" = None) -> Iterator[pl.DataFrame]:
        """The run's calls, in one frame or more; once all are read, the first of the run after it are."""
        self._then = then
        while self._has_more():
            # Kept by nobody here while it is written.
            yield self._taken()

    def _read(self) -> list[pl.DataFrame]:
        read = list(islice(self._frames, 1))
        if not read and self._then is not None:
            self._then.begin()
        # Whoever waits for them has the time to price them, while the next are read.
        return read if self._is_awaited.is_set() else [requests.priced(calls, self._book) for calls in read]

    def _has_more(self) -> bool:
        self._is_awaited.set()
        found = self.begin().result()
        self._is_awaited.clear()
        return bool(found)

    def _taken(self) -> pl.DataFrame:
        (calls,) = self.begin().result()
        self._ahead = None
        self.begin()
        if not requests.is_priced(calls):
            calls = requests.priced(calls, self._book)
        return calls if self._earlier is None else calls.join(self._earlier, on="request_no", how="anti")


@contextmanager
def opened(connection: duckdb.DuckDBPyConnection, book: PriceBook, may_be_read: str = "TRUE") -> Iterator[CallReader]:
    """A reader of what `connection` is open on; what was read ahead and nobody took is given up at the end."""
    with connection.cursor() as cursor, ThreadPoolExecutor(1, "read-ahead") as thread:
        try:
            yield CallReader(connection, cursor, thread, book, may_be_read)
        finally:
            cursor.interrupt()
