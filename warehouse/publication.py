"""build/warehouse.duckdb -> published/warehouse-<n>.duckdb and warehouse.duckdb: a version at a time, never half.

Two files a version: pages read `published/`, people open `warehouse.duckdb`, a file of their own, because one careless
read-write `duckdb.connect` takes the whole lock of the file it opens. `warehouse.duckdb` is a link to a name that is
never used twice: DuckDB follows it and puts what a careless writer commits beside that name, where no later version can
meet it. Beside a fixed name his write-ahead log was replayed into the next version without a word.
"""

import os
import re
import shutil
from collections.abc import Callable, Collection
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse import database, file_copy, protected_copy, stale_allocation, stale_spend, tables, withholding
from warehouse.audit_tables import AUDIT_ANCHOR
from warehouse.control import audit, protection
from warehouse.home import Home

KEPT_VERSIONS = 2
# The people's copies count up by themselves, too: a version is given to them again where somebody wrote into it.
_VERSION = re.compile(r"^warehouse-(\d+)(?:-(\d+))?\.duckdb$")


def publish(
    home: Home,
    connection: duckdb.DuckDBPyConnection,
    now: datetime,
    *,
    kept: int = KEPT_VERSIONS,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Publish what the build holds, its stale days added up and allocated; returns the new version's number.

    `connection` is the build, held under its lock; it is checkpointed, so that the copied file is whole by itself.
    Versions older than the newest `kept` are unlinked. WarehouseError where there is no room: the one before stands.
    """
    stale_spend.add_up(connection)
    stale_allocation.place(connection, progress)
    newest = max((version for version, _ in (*_versions(home.published), *_versions(_people(home)))), default=0)
    version = newest + 1
    connection.execute(f"DELETE FROM {tables.PUBLISHED.full_name}")
    connection.execute(
        f"INSERT INTO {tables.PUBLISHED.full_name} VALUES (?, ?, ?, ?)",
        [version, now.replace(tzinfo=None), "sandbox" if home.is_sandbox else "own", revision(connection)],
    )
    _anchor(home, connection)
    connection.execute("FORCE CHECKPOINT")
    target, given = home.published / f"warehouse-{version}.duckdb", _given(home, version)
    overs = {
        target: _retiring(home.published, kept, home.published / "current"),
        given: _retiring(given.parent, kept, home.people_file),
    }
    if protection.is_on(home):
        working = home.tmp / "protected.duckdb"
        try:
            protected_copy.written(connection, working)
            file_copy.copied_each(working, overs)
        finally:
            working.unlink(missing_ok=True)
    else:
        file_copy.copied_each(home.build_file, overs)
    _pointed(home.published / "current", target.name)
    _give(home, given, kept)
    return version


def _anchor(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Say in the version which act of the audit chain is the newest."""
    connection.execute(f"DELETE FROM {AUDIT_ANCHOR.full_name}")
    if home.control_file.exists():
        with database.control(home) as control:
            if newest := audit.tail(control):
                connection.execute(f"INSERT INTO {AUDIT_ANCHOR.full_name} VALUES (?, ?)", list(newest))


def is_version(name: str) -> bool:
    """Whether a file of `published/` is called as a version is."""
    match = _VERSION.match(name)
    return match is not None and match[2] is None


def adopt(home: Home, version: int) -> None:
    """Serve a version whose file was put back, the build's own bytes where it has none; the caller holds the build."""
    target = home.published / f"warehouse-{version}.duckdb"
    if not target.exists():
        file_copy.copied(home.build_file, target)
    target.chmod(0o400)
    _pointed(home.published / "current", target.name)
    mend(home)


def mend(home: Home, *, kept: int = KEPT_VERSIONS) -> bool:
    """Give people the newest version where what they have is older, gone or written into; whether that was so.

    Called by every pass under the build's lock: it finishes a publication that was broken off, and a file that somebody
    wrote into is replaced even where nothing new is published.
    """
    version = database.current_version(home)
    if version is None:
        return False
    whole = home.published / f"warehouse-{version}.duckdb"
    given = None if _is_given(home, version, whole) else _given(home, version)
    if given:
        file_copy.copied(whole, given, over=_retiring(given.parent, kept, home.people_file))
    _give(home, given, kept)
    return given is not None


def _given(home: Home, version: int) -> Path:
    """The name of the people's next copy of a version."""
    folder = _people(home)
    copy = 1 + max((copy for number, copy in _versions(folder) if number == version), default=0)
    return folder / f"warehouse-{version}-{copy}.duckdb"


def _give(home: Home, given: Path | None, kept: int) -> None:
    """Point people to their copy, where there is a new one, and sweep up behind them and what is older."""
    # While somebody is being erased, a pass that was under way may still publish; nobody opens it.
    if given and not withholding.is_withheld(home):
        _pointed(home.people_file, str(given.relative_to(home.root)))
    # Programs that do not follow links put it here.
    home.people_file.with_name(f"{home.people_file.name}.wal").unlink(missing_ok=True)
    for place in (home.published, _people(home)):
        _retired(place, kept)


def _people(home: Home) -> Path:
    folder = home.published / "people"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _is_given(home: Home, version: int, whole: Path) -> bool:
    """Whether the people's file is the version, with the size and time of change it was given with."""
    try:
        target = home.root / home.people_file.readlink()
        status = target.stat()
    except OSError:
        return False
    match = _VERSION.match(target.name)
    if not match or int(match[1]) != version or target.with_name(f"{target.name}.wal").exists():
        return False
    original = whole.stat()
    return (status.st_size, status.st_mtime_ns) == (original.st_size, original.st_mtime_ns)


def due(home: Home, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the build holds what the newest version does not, or nothing is published yet.

    The build says which version it was published as before that version is there, so the two are compared.
    """
    row = connection.execute(f"SELECT version, revision FROM {tables.PUBLISHED.full_name}").fetchone()
    return row != (database.current_version(home), revision(connection))


def is_build(home: Home) -> bool:
    """Whether the build is the newest version, byte for byte: nothing, not even a hand, wrote to it since.

    By size and time of change, which a version has from the build; asked before the build is opened.
    """
    version = database.current_version(home)
    if version is None or home.build_file.with_name(f"{home.build_file.name}.wal").exists():
        return False
    try:
        files = [home.build_file.stat(), (home.published / f"warehouse-{version}.duckdb").stat()]
    except FileNotFoundError:
        return False
    build, published = ((status.st_size, status.st_mtime_ns) for status in files)
    return build == published


def revision(connection: duckdb.DuckDBPyConnection) -> int:
    """The build's revision, 0 before the first change."""
    row = connection.execute(f"SELECT max(revision) FROM {tables.REVISION.full_name}").fetchone()
    return (row and row[0]) or 0


def changed(connection: duckdb.DuckDBPyConnection, days: Collection[date] | None = None) -> None:
    """Count the revision up; the caller holds the transaction of the change.

    `days` are those whose spend it may have changed, none for names and the like; None is every day there is.
    """
    stale_spend.mark(connection, days)
    stale_allocation.mark(connection, days)
    following = revision(connection) + 1
    connection.execute(f"DELETE FROM {tables.REVISION.full_name}")
    connection.execute(f"INSERT INTO {tables.REVISION.full_name} VALUES (?)", [following])


def _versions(folder: Path) -> list[tuple[int, int]]:
    """The versions in a folder, oldest first, each with the number of its copy."""
    found = (_VERSION.match(entry.name) for entry in folder.iterdir())
    return sorted((int(match[1]), int(match[2] or 0)) for match in found if match)


def _retiring(folder: Path, kept: int, link: Path) -> Path | None:
    """The newest of the files whose time is up when the next one comes; never the one that `link` points to."""
    time_up = _versions(folder)[: -max(kept - 1, 1)]
    if not time_up or not link.is_symlink():
        return None
    version, copy = time_up[-1]
    file = folder / (f"warehouse-{version}-{copy}.duckdb" if copy else f"warehouse-{version}.duckdb")
    # A publication that was broken off leaves a newer file than the one it should point to.
    return None if link.readlink().name == file.name else file


def _retired(folder: Path, kept: int) -> None:
    """Unlink all but the newest `kept` files with what programs left beside them, and copies that were broken off.

    One older is kept because a reader looks where a link points and opens that file a moment later.
    """
    newest = _versions(folder)[-kept:]
    for entry in list(folder.iterdir()):
        match = _VERSION.match(entry.name.partition(".duckdb")[0] + ".duckdb")
        if entry.name.endswith(".part") or (match and (int(match[1]), int(match[2] or 0)) not in newest):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def withdraw(home: Home) -> int:
    """Empty and unlink every version but the newest, at once, with all that lies beside them; how many there were.

    Emptied first: whoever holds an old file open reads nothing more of it, rather than rows that have expired.
    """
    withdrawn = 0
    for folder in (home.published, _people(home)):
        newest = _versions(folder)[-1:]
        for entry in folder.iterdir():
            match = _VERSION.match(entry.name)
            if match and (int(match[1]), int(match[2] or 0)) not in newest:
                entry.chmod(0o600)
                os.truncate(entry, 0)
                withdrawn += 1
        _retired(folder, 1)
        file_copy.synced(folder)
    return withdrawn


def _pointed(link: Path, name: str) -> None:
    working = link.with_name(f".{link.name}.part")
    working.unlink(missing_ok=True)
    working.symlink_to(name)
    working.replace(link)
    file_copy.synced(link.parent)
