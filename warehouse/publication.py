"""build/warehouse.duckdb -> published/warehouse-<n>.duckdb and warehouse.duckdb: a version at a time, never half.

Two files a version: pages read `published/`, people open `warehouse.duckdb`, a file of their own, because one careless
read-write `duckdb.connect` takes the whole lock of the file it opens. Both are plain copies (0.3 s a GB), renamed into
place, so a reader sees the old version or the new one.
"""

import os
import re
import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse import database, tables
from warehouse.home import Home

KEPT_VERSIONS = 2
_VERSION = re.compile(r"^warehouse-(\d+)\.duckdb$")


def publish(home: Home, connection: duckdb.DuckDBPyConnection, now: datetime, *, kept: int = KEPT_VERSIONS) -> int:
    """Publish what the build holds; returns the new version's number.

    `connection` is the build, held under its lock; it is checkpointed, so that the copied file is whole by itself.
    Versions older than the newest `kept` are emptied and unlinked.
    """
    newest = max(_versions(home), default=0)
    version = newest + 1
    connection.execute(f"DELETE FROM {tables.PUBLISHED.full_name}")
    connection.execute(
        f"INSERT INTO {tables.PUBLISHED.full_name} VALUES (?, ?, ?)",
        [version, now.replace(tzinfo=None), "sandbox" if home.is_sandbox else "own"],
    )
    connection.execute("FORCE CHECKPOINT")
    target = home.published / f"warehouse-{version}.duckdb"
    _copied(home.build_file, target)
    _pointed(home.published / "current", target.name)
    _given_to_people(home, target)
    for old in sorted(_versions(home))[:-kept]:
        (home.published / f"warehouse-{old}.duckdb").unlink(missing_ok=True)
    return version


def _versions(home: Home) -> list[int]:
    return [int(match[1]) for entry in home.published.iterdir() if (match := _VERSION.match(entry.name))]


def _copied(source: Path, target: Path) -> None:
    """Copy under a working name, make it durable and read-only, then rename: nobody ever sees a part of it."""
    working = target.with_name(f".{target.name}.part")
    working.unlink(missing_ok=True)
    shutil.copyfile(source, working)
    working.chmod(0o400)
    with working.open("rb") as handle:
        os.fsync(handle.fileno())
    working.replace(target)
    _synced(target.parent)


def _pointed(link: Path, name: str) -> None:
    working = link.with_name(".current.part")
    working.unlink(missing_ok=True)
    working.symlink_to(name)
    working.replace(link)
    _synced(link.parent)


def _given_to_people(home: Home, version: Path) -> None:
    """Replace the people's file, and what a careless writer may have left beside it.

    A write-ahead log of the old file would be replayed into the new one by the next reader, so it goes before and,
    for one written in between, after the rename.
    """
    wal = home.people_file.with_name(home.people_file.name + ".wal")
    wal.unlink(missing_ok=True)
    _copied(version, home.people_file)
    wal.unlink(missing_ok=True)


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
