"""Readers as pages and people are, and a careless writer, each in a process of its own and as any user.

Each imports what it needs before it becomes that user, who may not reach where this Python lies. What it is forked from
has imported none of it: importing DuckDB starts a thread, and one reader in some ten thousand openings of a forked one
jumped to address 0 in the first thread that took over its stack.
"""

import importlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

from warehouse import database
from warehouse.home import Home

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([])
_ASKED = """SELECT (SELECT version FROM mart.published), (SELECT count(*) FROM model.requests),
    (SELECT sum(requests)::BIGINT FROM mart.spend_daily), (SELECT sum(requests)::BIGINT FROM model.usage_monthly)"""


@dataclass
class Seen:
    """What readers saw: queries in all, errors, and by version the sums."""

    queries: int = 0
    errors: list[str] = field(default_factory=list)
    versions: dict[int, set[tuple[int, int, int]]] = field(default_factory=dict)


class AnotherProcess:
    """`work` in a process of its own, as `user` (a user id; None: as who runs the tests), with a pipe to it."""

    def __init__(self, work: Callable[..., None], *arguments: Any, user: int | None = None) -> None:
        self.pipe, far = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_as, args=(user, work, far, *arguments), daemon=True)
        self._process.start()
        far.close()

    def end(self) -> None:
        """Kill -9 it."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


@contextmanager
def reading(home: Home, stop: Path, *, pages: int, people: int, user: int | None = None) -> Iterator[Seen]:
    """Readers that query while the body runs; what they saw is there afterwards."""
    seen = Seen()
    kinds = [False] * pages + [True] * people
    started = [AnotherProcess(_read, home, stop, as_people, user=user) for as_people in kinds]
    try:
        yield seen
        # A moment for the last version, too.
        time.sleep(0.5)
        stop.touch()
        for process in started:
            assert process.pipe.poll(120), "a reader hangs"
            queries, errors, found = process.pipe.recv()
            seen.queries += queries
            seen.errors += errors
            for version, *sums in found:
                seen.versions.setdefault(version, set()).add(tuple(sums))
    finally:
        for process in started:
            process.end()


def careless(pipe: Connection, home: Home) -> None:
    """Open the people's file for writing, say how that went, and hold it."""
    try:
        connection = duckdb.connect(str(home.people_file))
    except duckdb.Error as error:
        pipe.send(str(error).splitlines()[0])
    else:
        pipe.send("open")
        pipe.poll(None)
        connection.close()


def _as(user: int | None, work: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    importlib.import_module("warehouse.publication")
    # What DuckDB imports when it is first asked.
    duckdb.connect().execute("SELECT 1::DECIMAL(38,12), now()").fetchall()
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    work(pipe, *arguments)


def _read(pipe: Connection, home: Home, stop: Path, as_people: bool) -> None:
    queries, errors, seen = 0, [], set()
    while not stop.exists():
        try:
            if as_people:
                with duckdb.connect(str(home.people_file), read_only=True) as connection:
                    seen.add(connection.execute(_ASKED).fetchall()[0])
            else:
                with database.published(home) as connection:
                    seen.add(connection.execute(_ASKED).fetchall()[0])
        except Exception as error:  # noqa: BLE001 (each is counted)
            errors.append(f"{type(error).__name__}: {error}")
        queries += 1
        # Twenty that never rest would only measure how two cores are shared.
        time.sleep(0.02)
    pipe.send((queries, errors[:5], seen))
