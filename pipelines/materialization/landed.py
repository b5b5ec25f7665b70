"""control.sqlite (receipts) -> raw_*: whether every row that was signed for is there, and the way back if not.

The receipts rest outside the build for this: a build file that was removed, truncated or put back from an old copy
would otherwise be modelled as it is, and less would be published without a word.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date

import duckdb

from pipelines.errors import PipelineError
from retention import erase
from warehouse import database, file_copy, sealing, tables
from warehouse.control import protection, receipt
from warehouse.home import Home


class RowsMissingError(PipelineError):
    """Raw rows that were signed for are gone: nothing is landed, modelled or published until they are back."""


@dataclass(frozen=True)
class Missing:
    """A landed load whose raw rows are not what its receipt says: how many were signed for and how many are there."""

    gateway: str
    load_no: int
    landed_at: str
    signed_rows: int
    stored_rows: int


def missing_loads(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> list[Missing]:
    """Hold the receipts against the raw tables of `connection`, the build; empty when every load is whole."""
    begun = dict(control.execute("SELECT gateway, sum(state = 'begun') FROM load GROUP BY gateway").fetchall())
    signed = """SELECT gateway, sum(load_day.rows) FROM load_day JOIN load USING (load_no)
                WHERE state = 'landed' AND (gateway, day) NOT IN (SELECT gateway, day FROM closed_day)
                GROUP BY gateway"""
    found = []
    for gateway, rows in control.execute(signed).fetchall():
        # How many rows there are is known without reading any; only where it differs are they counted load by load.
        sealed = sealing.sealed_rows(connection, gateway)
        if begun[gateway] or _count(connection, gateway) + sealed != rows:
            found += _differing(connection, control, gateway)
    return found


def _differing(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, gateway: str) -> list[Missing]:
    """The loads of a gateway that lack rows, apart from what a seal has taken of them."""
    stored = _stored(connection, gateway)
    sealed, closed = sealing.sealed_loads(connection), sealing.closed_days(connection)
    # A closed day is forgotten once even its days have expired; its receipt may be younger than that.
    since = sealing.whole_from(connection, tables.USAGE_DAILY)
    expected: dict[int, int] = {}
    for source, text, load_no, rows in receipt.load_days(control):
        day = date.fromisoformat(text)
        if source != gateway or day < since or (day, gateway) in closed:
            continue
        if (day, gateway, load_no) not in sealed:
            expected[load_no] = expected.get(load_no, 0) + rows
    landed_at = dict(
        control.execute("SELECT load_no, landed_at FROM load WHERE gateway = ? AND state = 'landed'", [gateway])
    )
    return [
        Missing(gateway, load_no, landed_at[load_no], expected.get(load_no, 0), stored.get(load_no, 0))
        for load_no in sorted(landed_at)
        if stored.get(load_no, 0) != expected.get(load_no, 0)
    ]


def hold(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    """Raise RowsMissingError where a load is not whole; says how many, since when, and the next step.

    PipelineError where an older build brought back somebody who was erased: they are being erased again first.
    """
    if erase.came_back(connection, control):
        raise PipelineError("the build has somebody again who was erased; run `apiledger erase resume`")
    missing = missing_loads(connection, control)
    if missing:
        rows = sum(load.signed_rows - load.stored_rows for load in missing)
        raise RowsMissingError(
            f"the build lacks {rows:,} rows of {len(missing):,} loads, the first landed at {missing[0].landed_at}; "
            "nothing is changed until they are back: run `apiledger restore`"
        )


def restore(home: Home) -> list[Missing]:
    """Put the newest version in the build's place and forget the receipts of what is not in it, which is returned.

    The build as it was is set aside beside it. Files of the loads that are returned can be put into the inbox again.
    PipelineError where nothing is published; BusyError where a pass is under way.
    """
    version = database.current_version(home)
    if version is None:
        raise PipelineError(f"nothing is published in {home.root}: there is no version to put in the build's place")
    if protection.is_on(home):
        raise PipelineError(
            f"what is published here is protected and lacks what the build has: put {home.build_file} back from a "
            "backup, or the logs into the inbox of a new home"
        )
    with database.held(home.inbox_lock), database.held(home.build_lock):
        # A write-ahead log that stayed would be replayed into the file that takes this one's name.
        for path in (home.build_file, home.build_file.with_name(f"{home.build_file.name}.wal")):
            if path.exists():
                path.replace(path.with_name(f"set-aside.{path.name}"))
        file_copy.copied(home.published / f"warehouse-{version}.duckdb", home.build_file, 0o600)
        with database.build(home) as connection, database.control(home) as control:
            missing = missing_loads(connection, control)
            for load in missing:
                if load.stored_rows:
                    connection.execute(f"DELETE FROM raw_{load.gateway}.calls WHERE load_no = ?", [load.load_no])
            with database.transaction(control):
                control.executemany("DELETE FROM load WHERE load_no = ?", [(load.load_no,) for load in missing])
    return missing


def _is_there(connection: duckdb.DuckDBPyConnection, gateway: str) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = 'calls'"
    return connection.execute(query, [f"raw_{gateway}"]).fetchone() is not None


def _count(connection: duckdb.DuckDBPyConnection, gateway: str) -> int:
    if not _is_there(connection, gateway):
        return 0
    ((rows,),) = connection.execute(f"SELECT count(*) FROM raw_{gateway}.calls").fetchall()
    return int(rows)


def _stored(connection: duckdb.DuckDBPyConnection, gateway: str) -> dict[int, int]:
    if not _is_there(connection, gateway):
        return {}
    return dict(connection.execute(f"SELECT load_no, count(*) FROM raw_{gateway}.calls GROUP BY load_no").fetchall())
