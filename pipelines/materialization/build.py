"""raw_* -> model.* -> mart.*: the days whose raw rows changed, made anew, and nothing else.

A day is dirty while a landed load of it is not in model.built_load. Days are taken in runs of neighbours of about
RUN_ROWS rows, each written in one transaction with its roll-ups, so memory stays flat and a kill loses one run at most.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import duckdb

from pipelines.materialization import build_allocation, build_bills, build_days, build_naming, call_reader
from pipelines.materialization.call_reader import CallReader, Load, Run
from warehouse import (
    bill_tables,
    build_memory,
    database,
    frame,
    mart,
    publication,
    restricting,
    sealing,
    stale_allocation,
    tables,
    zone_days,
)
from warehouse.control import outside_id, receipt
from warehouse.fx import FxRates
from warehouse.home import Home
from warehouse.models import (
    reconciliation,
    repriced_daily,
    requests,
    usage_monthly,
)
from warehouse.prices import PriceBook

# Two of DuckDB's row groups: whole groups are written once, past the write-ahead log.
RUN_ROWS = 245_760


@dataclass
class Built:
    """What was made: the days, and how many rows each model got; `gave_way`: how often days waited for an erasure."""

    days: list[date] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    gave_way: int = 0

    def add(self, table: tables.Table, rows: int) -> None:
        """Count rows written to a model."""
        self.rows[table.full_name] = self.rows.get(table.full_name, 0) + rows

    def take_in(self, more: "Built") -> None:
        """Count what was made afterwards, too."""
        self.days += more.days
        self.rows = {name: self.rows.get(name, 0) + more.rows.get(name, 0) for name in {**self.rows, **more.rows}}
        self.gave_way += more.gave_way


def build(
    home: Home,
    connection: duckdb.DuckDBPyConnection,
    progress: Callable[[str, int, int], None],
    covered: Collection[date] = (),
    gives_way: Callable[[], bool] = lambda: False,
) -> Built:
    """Make every dirty day and stale month, the names and the source states; `connection` is the build, held.

    Where `gives_way` says so, the days that are left stay dirty, and all that hangs on those that were made is made.
    `covered` are days of which a plan pays for other calls than before: why log and bill differ is said of them anew.
    """
    built = Built()
    listed_now = PriceBook.of_home(home.root)
    with database.control(home) as control:
        restricting.resume(connection, control)
        book, may_be_read = listed_now.as_known(connection, control), restricting.may_be_read(control)
        landed = [Load(date.fromisoformat(d), g, no, rows) for g, d, no, rows in receipt.load_days(control)]
        names = outside_id.named(control)
        states = receipt.states(control)
    closed, since = sealing.closed_days(connection), sealing.whole_from(connection, tables.USAGE_DAILY)
    landed = [load for load in landed if (load.day, load.gateway) not in closed and load.day >= since]
    build_allocation.build(connection, home.root)
    # When the newest file was landed: a figure that moves now moves because of it.
    landed_at = max((state[2] for state in states if isinstance(state[2], datetime)), default=None)
    dirty = _dirty(connection, landed)
    with build_memory.carrying(connection, deleted_rows=requests.count(connection, dirty), one_thread=True):
        with call_reader.opened(connection, book, may_be_read) as reader:
            _days(connection, reader, dirty, landed, landed_at, progress, gives_way, built)
        if sum(load.rows for load in landed if load.day in dirty) > RUN_ROWS:
            # Where it is to rest before others need the memory.
            connection.execute("CHECKPOINT")
    _months(connection, built)
    repriced_daily.refresh(connection, listed_now, built.days)
    _names(connection, names)
    if not built.gave_way:
        # What has landed and is not made yet is not said to have come.
        _states(connection, states)
    pulls = _pulls(connection)
    with database.control(home) as control:
        made_of_bills, moved = build_bills.build(connection, control, book, FxRates.load(home))
        zone_days.build(connection, control)
        build_naming.build(connection, control)
    built.rows |= made_of_bills
    pulled = {row[2] for row in pulls ^ _pulls(connection)}
    _reconcile(connection, book, {*built.days, *covered, *moved, *pulled}, built)
    mart.create(connection)
    return built


def _dirty(connection: duckdb.DuckDBPyConnection, landed: list[Load]) -> set[date]:
    made = {tuple(row) for row in connection.execute(f"FROM {tables.BUILT_LOAD.full_name}").fetchall()}
    return {load.day for load in landed if (load.day, load.gateway, load.load_no) not in made}


def _days(
    connection: duckdb.DuckDBPyConnection,
    reader: CallReader,
    dirty: set[date],
    landed: list[Load],
    landed_at: datetime | None,
    progress: Callable[[str, int, int], None],
    gives_way: Callable[[], bool],
    built: Built,
) -> None:
    """Make the dirty days, and those that must be made again for them, until somebody is to go first."""
    done, waiting = 0, [reader.reading(run) for run in runs(dirty, landed)]
    while waiting:
        if gives_way():
            built.gave_way = 1
            return
        reading = waiting.pop(0)
        progress("modelling days", done, done + sum(len(each.run.days) for each in (reading, *waiting)))
        rows, again = build_days.make(connection, reading, waiting[0] if waiting else None, landed_at)
        built.take_in(Built([*reading.run.days], rows))
        waiting.extend(reader.reading(_run([day], landed)) for day in again)
        done += len(reading.run.days)
    progress("modelling days", done, done)


def runs(dirty: set[date], landed: list[Load]) -> Iterator[Run]:
    """The days in the order they are made, as many at once as have RUN_ROWS rows or, of more, one."""
    rows: dict[date, int] = {}
    for load in landed:
        rows[load.day] = rows.get(load.day, 0) + load.rows
    days: list[date] = []
    for day in sorted(dirty):
        if days and sum(rows[each] for each in days) + rows[day] > RUN_ROWS:
            yield _run(days, landed)
            days = []
        days.append(day)
    if days:
        yield _run(days, landed)


def _run(days: list[date], landed: list[Load]) -> Run:
    return Run(days, [load for load in landed if load.day in set(days)])


def _months(connection: duckdb.DuckDBPyConnection, built: Built) -> None:
    table = tables.USAGE_MONTHLY
    for (month,) in connection.execute(f"FROM {tables.STALE_MONTH.full_name} ORDER BY 1").fetchall():
        rows = usage_monthly.roll_up(usage_monthly.read_days(connection, month))
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM {table.full_name} WHERE month = ?", [month])
        frame.insert(connection, rows, table.full_name, table.column_names)
        connection.execute(f"DELETE FROM {tables.STALE_MONTH.full_name} WHERE month = ?", [month])
        connection.execute("COMMIT")
        built.add(table, rows.height)


def _pulls(connection: duckdb.DuckDBPyConnection) -> set[tuple[Any, ...]]:
    return set(connection.execute(f"FROM {bill_tables.BUILT_PULL.full_name}").fetchall())


def _reconcile(connection: duckdb.DuckDBPyConnection, book: PriceBook, changed: set[date], built: Built) -> None:
    """Say anew why log and bill differ, of the months in which anything changed; nothing where no bill is read."""
    ((pulled,),) = connection.execute(f"SELECT count(*) FROM {bill_tables.BUILT_PULL.full_name}").fetchall()
    for month in reconciliation.months(connection, changed) if pulled else ():
        connection.execute("BEGIN")
        made = reconciliation.write(connection, month, book)
        connection.execute("COMMIT")
        for name, rows in made.items():
            built.rows[name] = built.rows.get(name, 0) + rows


def _names(connection: duckdb.DuckDBPyConnection, names: list[outside_id.Name]) -> None:
    """Bring the name tables to what the control store says; untouched where nothing changed."""
    for kind, table in tables.NAMES.items():
        rows = [name.row() for name in names if name.kind == kind]
        held = connection.execute(f"FROM {table.full_name} ORDER BY 1, valid_from").fetchall()
        if rows == held:
            continue
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM {table.full_name}")
        frame.insert_rows(connection, table, rows)
        publication.changed(connection, days=())
        # Rules go by names.
        stale_allocation.mark_named(connection, kind, {number for number, _ in _called(rows) ^ _called(held)})
        connection.execute("COMMIT")


def _called(rows: list[tuple[Any, ...]]) -> set[tuple[int, str]]:
    return {(number, label) for number, label, *_, valid_to in rows if valid_to is None}


def _states(connection: duckdb.DuckDBPyConnection, states: list[tuple[object, ...]]) -> None:
    table = tables.SOURCE_STATE
    if states == connection.execute(f"FROM {table.full_name} ORDER BY source").fetchall():
        return
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {table.full_name}")
    if states:
        connection.executemany(f"INSERT INTO {table.full_name} VALUES (?, ?, ?, ?, ?, ?)", states)
    publication.changed(connection, days=())
    connection.execute("COMMIT")
