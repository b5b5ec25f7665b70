"""Who a breach touches: of every class of data, how much of which account rested here at the time, and what was done.

A breach is told by its time, and where it is known by the file that got out: a version, the build, the control store,
or a gateway's log, known again by its hash. Numbers and counts alone: who an account is stands in the control store.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from retention.errors import RetentionError
from retention.policy import Policy
from warehouse import database
from warehouse.control import audit
from warehouse.control.audit import Act
from warehouse.home import Home

# By which column a row is dated, the first that its table has; what has none rested here all the time.
_DATES = ("requested_at", "hour", "utc_day", "day", "month", "observed_at", "valid_from", "changed_at", "period_start")
_CONTROL_DATES = (
    *("first_seen_at", "created_at", "day", "queued_at", "crossed_at", "set_at", "claimed_at", "opened_at", "made_at"),
    *("added_at", "begun_at", "completed_at", "noted_at", "happened_at"),
)
# Tables that say whose they are by another number.
_BY = {"member_no": "member", "connection_no": "connection"}


@dataclass(frozen=True)
class Touched:
    """How much of a class of an account rested here before the end, and how much of it is dated within the time."""

    account_no: int | None
    clause: str
    place: str
    rested: int
    within: int


@dataclass(frozen=True)
class Breach:
    """What a breach touches, the acts of that time, and whether it is more than what is certain."""

    touched: list[Touched]
    acts: list[Act]
    at_most: bool = False

    def accounts(self) -> list[int]:
        """The accounts that are touched, each once."""
        return sorted({one.account_no for one in self.touched if one.account_no is not None})

    def by_account(self) -> list[tuple[int, int, int]]:
        """Each account that is touched with its rows that rested and those within the time, of all classes."""
        sums: dict[int, tuple[int, int]] = {}
        for one in self.touched:
            if one.account_no is not None:
                rested, within = sums.get(one.account_no, (0, 0))
                sums[one.account_no] = rested + one.rested, within + one.within
        return [(number, *sums[number]) for number in sorted(sums)]

    def size(self) -> tuple[int, int]:
        """How many rows of how many tables there were to be touched."""
        return sum(one.rested for one in self.touched), len({one.place for one in self.touched})


def look_up(home: Home, policy: Policy, since: datetime, until: datetime, file: Path | None = None) -> Breach:
    """Whom it touches; `since` and `until` are naive UTC. RetentionError for a file that nothing is known of."""
    if since >= until:
        raise RetentionError("a breach begins before it ends: give --since before --until")
    with database.control(home) as control:
        acts = audit.acts(control, since, until)
        if file is None:
            with database.published(home) as connection:
                touched = _of_warehouse(connection, policy, since, until)
            return Breach(touched + _of_control(control, policy, since, until), acts)
        path = file.absolute()
        if not path.exists():
            raise RetentionError(f"{file} is not there: give the file, or a copy of it, that got out")
        with path.open("rb") as opened:
            begins = opened.read(16)
        if begins.startswith(b"SQLite format 3\0"):
            return Breach(_of_control(control, policy, since, until), acts)
        if begins[8:12] == b"DUCK":
            connection = database.read_only(path.resolve())
            try:
                return Breach(_of_warehouse(connection, policy, since, until), acts)
            finally:
                connection.close()
        return Breach(_of_log(home, control, path), acts, at_most=True)


def _of_warehouse(
    connection: duckdb.DuckDBPyConnection, policy: Policy, since: datetime, until: datetime
) -> list[Touched]:
    columns: dict[str, list[str]] = defaultdict(list)
    for table, column in connection.execute(
        """SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() JOIN duckdb_tables()
           USING (schema_name, table_name) ORDER BY ALL"""
    ).fetchall():
        columns[table].append(column)
    found = []
    for table, there in columns.items():
        if "account_no" not in there:
            continue
        when = next((name for name in _DATES if name in there), None)
        if when is None:
            query, bound = f"SELECT account_no, count(*), 0 FROM {table} GROUP BY ALL", []
        else:
            query = f"""SELECT account_no, count(*), count(*) FILTER ({when}::TIMESTAMP >= $1) FROM {table}
                        WHERE {when}::TIMESTAMP < $2 GROUP BY ALL"""
            bound = [_begins(when, since), until]
        found += _told(policy, "build", table, connection.execute(query, bound).fetchall())
    return found


def _begins(when: str, since: datetime) -> datetime:
    """What a row is dated at least that may be of the time or after it: an hour, day or month counts as a whole."""
    if when in {"month", "period_start"}:
        return since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if when in {"utc_day", "day"}:
        return since.replace(hour=0, minute=0, second=0, microsecond=0)
    return since.replace(minute=0, second=0, microsecond=0) if when == "hour" else since


def _of_control(control: sqlite3.Connection, policy: Policy, since: datetime, until: datetime) -> list[Touched]:
    found = []
    for (table,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        there = [row[1] for row in control.execute(f"PRAGMA table_info({table})")]
        owner = next((name for name in _BY if name in there), None)
        if "account_no" in there:
            source = table
        elif owner is not None:
            source = f"(SELECT t.*, account_no FROM {table} AS t JOIN {_BY[owner]} USING ({owner}))"
        else:
            continue
        when = next((name for name in _CONTROL_DATES if name in there), "")
        # A day is written without a time, and has to sort as its first moment.
        dated = {"": "''", "day": "day || 'T00:00:00.000000Z'"}.get(when, when)
        rows = control.execute(
            f"SELECT account_no, count(*), sum({dated} >= ?) FROM {source} AS found WHERE {dated} < ? GROUP BY 1",
            (database.stamp(_begins(when, since)), database.stamp(until)),
        ).fetchall()
        found += _told(policy, "control", table, rows)
    return found


def _of_log(home: Home, control: sqlite3.Connection, path: Path) -> list[Touched]:
    """Whose calls a log has: those of its load, and once the day is sealed, everybody who called on its days."""
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
    row = control.execute("SELECT load_no, gateway FROM load WHERE file_sha256 = ?", (digest,)).fetchone()
    if row is None:
        raise RetentionError(f"{path.name} is no database and no log that has landed here: its hash is not known")
    load_no, gateway = row
    days = [day for (day,) in control.execute("SELECT day FROM load_day WHERE load_no = ? ORDER BY day", (load_no,))]
    with database.published(home) as connection:
        raw = f"SELECT account_no, count(*), count(*) FROM raw_{gateway}.calls WHERE load_no = ? GROUP BY 1 ORDER BY 1"
        rows = connection.execute(raw, [load_no]).fetchall()
        if rows:
            return [Touched(number, "R-raw", f"raw_{gateway}.calls", count, within) for number, count, within in rows]
        sealed = """SELECT account_no, sum(requests)::BIGINT, sum(requests)::BIGINT FROM model.usage_daily
                    WHERE gateway = ? AND day IN (SELECT unnest(?::DATE[])) GROUP BY 1 ORDER BY 1"""
        rows = connection.execute(sealed, [gateway, days]).fetchall()
    return [Touched(number, "R-daily", "model.usage_daily", count, within) for number, count, within in rows]


def _told(policy: Policy, store: str, place: str, rows: Iterable[tuple[int | None, int, int | None]]) -> list[Touched]:
    held = policy.of("build" if store == "build" else "control", place)
    clause = held[0].id if held else "none"
    counted = sorted(rows, key=lambda row: (row[0] is None, row[0] or 0))
    return [Touched(number, clause, place, rested, within or 0) for number, rested, within in counted]
