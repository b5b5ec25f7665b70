"""The build written anew without what was deleted, published alone, and every older version emptied and unlinked.

DuckDB's DELETE leaves every byte in the file; only a new file has none of them. The work is marked in the control store
before the first deletion and unmarked after the last unlink, so that a run killed anywhere in between is taken up.
"""

import shutil
import sqlite3
from datetime import datetime

import duckdb

from retention.errors import RetentionError
from warehouse import database, file_copy, publication, stale_allocation, stale_spend
from warehouse.home import Home

_MARK = "rewrite_due"


def mark(control: sqlite3.Connection) -> None:
    """Say that rows are about to be deleted whose bytes must go, too."""
    control.execute("INSERT OR IGNORE INTO setting VALUES (?, x'01')", (_MARK,))


def is_due(control: sqlite3.Connection) -> bool:
    """Whether rows were deleted whose bytes may still be there."""
    return control.execute("SELECT 1 FROM setting WHERE name = ?", (_MARK,)).fetchone() is not None


def rewrite(home: Home) -> int:
    """Put a copy of the build's live rows in its place; returns the bytes saved. The caller holds the build's lock.

    RetentionError where there is no room: the build is then what it was.
    """
    new = home.build_file.with_name("rewritten.duckdb")
    before = home.build_file.stat().st_size
    _swept(home)
    with database.build(home, deletes=True) as connection:
        stale_spend.add_up(connection)
        stale_allocation.place(connection)
    try:
        database.copied_build(home, new)
    except (duckdb.Error, OSError) as error:
        _swept(home)
        raise RetentionError(
            f"{home.build_file} cannot be written anew ({type(error).__name__}): what expired is deleted and its bytes "
            f"are still there; make room for {before // 10**6 + 1:,} MB and run `apiledger policy expire`"
        ) from None
    # Closed and checkpointed, so there is none; one that stayed would be replayed into the file that takes the name.
    home.build_file.with_name(f"{home.build_file.name}.wal").unlink(missing_ok=True)
    new.replace(home.build_file)
    file_copy.synced(home.build_file.parent)
    return before - home.build_file.stat().st_size


def _swept(home: Home) -> None:
    for entry in home.build_file.parent.glob("rewritten.duckdb*"):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def publish(home: Home, control: sqlite3.Connection, now: datetime) -> int:
    """Publish the new build, withdraw every version before it, and unmark; returns the version's number."""
    with database.build(home) as connection:
        if publication.due(home, connection):
            version = publication.publish(home, connection, now)
        else:
            publication.mend(home)
            version = database.current_version(home) or 0
    publication.withdraw(home)
    control.execute("DELETE FROM setting WHERE name = ?", (_MARK,))
    return version
