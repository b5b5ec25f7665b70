"""Which raw rows wait because their account is restricted: asked by the build, the seal and the hunter.

They are stored, as the law lets them be, and no day is made of them; the seal does not take them, since nothing else
says what they say.
"""

import sqlite3
from datetime import date

import duckdb

from warehouse import tables
from warehouse.control import restriction
from warehouse.control.restriction import Waiting


def of_no_one(waiting: list[Waiting]) -> str:
    """SQL over raw_<gateway>.calls that is true of the rows that may be processed; our own integers alone."""
    return " AND ".join(f"NOT {_rows(each)}" for each in waiting) or "TRUE"


def may_be_read(control: sqlite3.Connection) -> str:
    """The same for the accounts that are restricted now."""
    return of_no_one(restriction.waiting(control))


def waiting_days(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, gateway: str) -> set[date]:
    """The days of a gateway with rows that wait: the seal leaves them, since nothing else says what they say."""
    only = may_be_read(control)
    if only == "TRUE":
        return set()
    query = f"SELECT DISTINCT requested_at::DATE FROM raw_{gateway}.calls WHERE NOT ({only})"
    return {day for (day,) in connection.execute(query).fetchall()}


def _rows(waiting: Waiting) -> str:
    return f"(account_no = {int(waiting.account_no)} AND load_no > {int(waiting.load_no)})"


def resume(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> int:
    """Make the days dirty whose calls have waited and wait no longer; how many loads of a day.

    The caller holds the build. A kill before the restriction is forgotten leaves it to be done again, which makes a day
    twice and none wrong.
    """
    if restriction.waiting(control):
        restriction.widen(control)
    lifted = restriction.lifted(control)
    if not lifted:
        return 0
    rows = " OR ".join(map(_rows, lifted))
    dirty = 0
    query = (
        "SELECT schema_name FROM duckdb_tables() WHERE schema_name LIKE 'raw\\_%' ESCAPE '\\' AND table_name = 'calls'"
    )
    for (schema,) in connection.execute(query).fetchall():
        found = connection.execute(
            f"SELECT DISTINCT requested_at::DATE, load_no FROM {schema}.calls WHERE {rows}"
        ).fetchall()
        gateway = schema.removeprefix("raw_")
        if found:
            connection.executemany(
                f"DELETE FROM {tables.BUILT_LOAD.full_name} WHERE day = ? AND load_no = ? AND gateway = ?",
                [(*each, gateway) for each in found],
            )
        dirty += len(found)
    restriction.forget(control, lifted)
    return dirty
