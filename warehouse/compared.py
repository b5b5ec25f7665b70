"""Which published revision conservation was held for: of a build that nobody wrote to since, only what moved is read.

Else each tick would read all of history, which no tick can have changed. Whatever publishes without comparing (an
erasure goes on where a sum is wrong) counts the revision up, and then everything is read.
"""

import sqlite3
from datetime import date

import duckdb

from warehouse import publication
from warehouse.spend_tables import STALE_DAY
from warehouse.tables import PUBLISHED

_NAME = "conserved_revision"


def note(control: sqlite3.Connection, connection: duckdb.DuckDBPyConnection) -> None:
    """Say that the build as it is now was compared and is published."""
    told = str(publication.revision(connection)).encode()
    control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_NAME, told))


def months_since(control: sqlite3.Connection, connection: duckdb.DuckDBPyConnection) -> set[date] | None:
    """The first days of the months that moved since; None where the build is not what was compared and published.

    The caller knows that the file was the newest version, to the byte, before what moved: `publication.is_build`.
    """
    told = control.execute("SELECT value FROM setting WHERE name = ?", (_NAME,)).fetchone()
    published = connection.execute(f"SELECT revision FROM {PUBLISHED.full_name}").fetchone()
    if told is None or published is None or int(told[0]) != published[0]:
        return None
    stale = f"SELECT DISTINCT date_trunc('month', day)::DATE FROM {STALE_DAY.full_name}"
    return {month for (month,) in connection.execute(stale).fetchall()}
