"""Every table, column, file and folder at rest in a home, and the clause that holds it; what none holds is an offence.

Modelled on mozilla's shredder: a list of what is governed is worth what the search for what it forgot is worth.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from retention import expire_control, seal, superseded
from retention.policy import Policy, Store
from retention.superseded import ReportTable
from warehouse import database, restricting
from warehouse.home import Home


@dataclass(frozen=True)
class Found:
    """A table, column, file or folder, and the clauses that hold it; none is an offence."""

    store: Store
    place: str
    column: str | None
    clauses: tuple[str, ...]

    @property
    def name(self) -> str:
        """`schema.table.column`, `table.column` or a path."""
        return self.place if self.column is None else f"{self.place}.{self.column}"


def inventory(home: Home, policy: Policy) -> Iterator[Found]:
    """Everything at rest in a home. The build must be held by nobody else."""
    with database.read_only(home.build_file) as build:
        columns = build.execute(
            """SELECT schema_name || '.' || table_name, column_name
               FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name) ORDER BY ALL"""
        ).fetchall()
    yield from (_found(policy, "build", table, column) for table, column in columns)
    with database.control(home) as control:
        yield from (_found(policy, "control", table, column) for table, column in _control_columns(control))
    for path in sorted(home.root.rglob("*")):
        yield _found(policy, "files", str(path.relative_to(home.root)), None)


def _found(policy: Policy, store: Store, place: str, column: str | None) -> Found:
    clauses = policy.of(store, place)
    return Found(store, place, column, tuple(c.id for c in clauses if column is None or column in c.columns))


def _control_columns(control: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = [name for (name,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [(table, row[1]) for table in tables for row in control.execute(f"PRAGMA table_info({table})")]


def offences(home: Home, policy: Policy) -> list[str]:
    """What no clause holds, by name."""
    return [found.name for found in inventory(home, policy) if not found.clauses]


def overdue(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    policy: Policy,
    now: datetime,
    reports: Sequence[ReportTable] = (),
) -> list[str]:
    """What is older than its clause lets it be by more than one night: the clause, the place and its oldest day.

    `reports` are the raw tables of the providers that send bills. Hours whose days do not hold the same, and raw rows
    of days that are not equal to their hours, stay and are said.
    """
    said = []
    for clause_id, place, when in _dated(connection, restricting.may_be_read(control)):
        oldest = _oldest(connection, place, when)
        # The night after the last day that may be kept has its run; a day later it has been missed.
        if oldest is not None and oldest < policy.clause(clause_id).cutoff((now - timedelta(days=1)).date()):
            said.append(f"{clause_id}: {place} holds rows of {oldest}")
    late = now - timedelta(days=1)
    # Days go by whole months.
    oldest = _oldest(connection, "model.usage_daily", "day")
    if oldest is not None and oldest < policy.clause("R-daily").cutoff(late.date()).replace(day=1):
        said.append(f"R-daily: model.usage_daily holds rows of {oldest}")
    pulls = policy.clause(superseded.CLAUSE)
    said += [
        f"{pulls.id}: {table} holds what {len(old)} pulls of a day said before a newer one"
        for table, old in superseded.ready(connection, control, pulls, late.date(), reports)
    ]
    said += [
        f"{gone.clause}: {gone.place} holds {gone.things} rows, the oldest of {gone.first_day}"
        for gone in expire_control.from_control(control, policy, late, only_plan=True)
    ]
    return said


def _dated(connection: duckdb.DuckDBPyConnection, may_be_read: str) -> Iterator[tuple[str, str, str]]:
    for source in seal.sources(connection):
        # A day with rows of a restricted account waits until it is lifted.
        calls, waits = f"raw_{source}.calls", f"NOT ({may_be_read})"
        days = f"SELECT requested_at::DATE FROM {calls} WHERE {waits}"
        place = calls if may_be_read == "TRUE" else f"(FROM {calls} WHERE requested_at::DATE NOT IN ({days}))"
        yield "R-raw", place, "requested_at"
    for source in seal.sources(connection, "_dlt_loads"):
        yield "R-loads", f"raw_{source}._dlt_loads", "inserted_at"
    yield "R-requests", "model.requests", "requested_at"
    yield "R-requests", "model.request_tag", "day"
    yield "R-hourly", "model.usage_hourly", "hour"
    yield "R-hourly", "model.latency_hourly", "hour"
    yield "R-people", "(SELECT day FROM model.usage_daily WHERE key_no IS NOT NULL OR user_no IS NOT NULL)", "day"
    yield "R-people", "(SELECT day FROM model.usage_tag_daily WHERE key_no IS NOT NULL)", "day"


def _oldest(connection: duckdb.DuckDBPyConnection, place: str, when: str) -> date | None:
    ((oldest,),) = connection.execute(f"SELECT min({when})::DATE FROM {place}").fetchall()
    return oldest if isinstance(oldest, date) else None
