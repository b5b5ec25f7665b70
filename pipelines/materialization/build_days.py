"""raw_*.calls -> model.requests, request_tag, usage_hourly, usage_daily, latency_hourly, latency_daily: some days anew.

They are made in one transaction. A day of many rows is read in parts, each with all that tells of its calls, so that
only one of them is in memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from pipelines.gateways.provider import gateways
from retention import seal
from warehouse import allocator, frame, publication, sealing, tables
from warehouse.models import (
    change,
    failure_daily,
    latency_daily,
    latency_hourly,
    request_tag,
    requests,
    usage_daily,
    usage_hourly,
    usage_tag_daily,
)
from warehouse.prices import PriceBook

# Some fifty megabytes of a frame; each part looks through the whole day.
PART_ROWS = 184_320


@dataclass(frozen=True)
class Load:
    """What one load of a gateway holds of a day."""

    day: date
    gateway: str
    load_no: int
    rows: int


@dataclass
class Made:
    """How many rows each model got, and the days that must be made again, since a call of theirs began in these."""

    again: set[date]
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, table: tables.Table, rows: int) -> None:
        """Count rows written to a model."""
        self.rows[table.full_name] = self.rows.get(table.full_name, 0) + rows


class Reading:
    """The raw rows of some days, in as many parts as they are many, and what other days tell of the same calls."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, days: Sequence[date], loads: Sequence[Load], may_be_read: str
    ) -> None:
        # What was taken in from a bundle has no raw table, only calls that are known.
        there = seal.sources(connection)
        self._gateways = [name for name in gateways() if name in there and any(load.gateway == name for load in loads)]
        self._sealed = {(day, gateway) for day, gateway, _ in sealing.sealed_loads(connection) if day in set(days)}
        self._days, self._may_be_read = days, may_be_read
        self.parts = 1 if self._sealed else max(-(-sum(load.rows for load in loads) // PART_ROWS), 1)
        self._earlier, self.again = requests.told_elsewhere(connection, self._gateways, days, self._sealed, may_be_read)

    def part(self, connection: duckdb.DuckDBPyConnection, book: PriceBook, part: int) -> pl.DataFrame:
        """The calls of a part, each once and priced, but for those that other days tell of earlier."""
        calls = requests.one_row_a_call(
            requests.read_calls(
                connection, self._gateways, self._days, self._sealed, self._may_be_read, (part, self.parts)
            )
        )
        if self._earlier.height:
            calls = calls.join(self._earlier, on="request_no", how="anti")
        return requests.priced(calls, book)


def make(
    connection: duckdb.DuckDBPyConnection,
    book: PriceBook,
    days: Sequence[date],
    loads: Sequence[Load],
    landed_at: datetime | None,
    may_be_read: str,
) -> Made:
    """Make days anew of their `loads`; `landed_at` is when the newest of all files was, whatever moves moves by it.

    `may_be_read` is SQL: of a restricted account no new row is processed.
    """
    closed = {(day, gateway) for day, gateway in sealing.closed_days(connection) if day in set(days)}
    read = Reading(connection, days, loads, may_be_read)
    before = change.logged(connection, days)
    made, hours, latencies = Made(again=set(read.again)), [], []
    connection.execute("BEGIN")
    try:
        for part in range(read.parts):
            calls = read.part(connection, book, part)
            if part == 0:
                # What is known of sealed days has been read by now.
                requests.delete(connection, days)
                request_tag.delete(connection, days)
            requests.insert(connection, calls)
            request_tag.insert(connection, calls)
            made.add(tables.REQUESTS, calls.height)
            hours.append(usage_hourly.roll_up(calls))
            latencies.append(latency_hourly.roll_up(calls))
            # Not held while the next part is read, nor by whoever allocates.
            del calls
            allocator.give_back()
        usage_tag_daily.write(connection, days, closed)
        failure_daily.write(connection, days, closed)
        hourly, latency = usage_hourly.together(hours), latency_hourly.together(latencies)
        for table, rows in (
            (tables.USAGE_HOURLY, hourly),
            (tables.USAGE_DAILY, usage_daily.roll_up(hourly)),
            (tables.LATENCY_HOURLY, latency),
            (tables.LATENCY_DAILY, latency_daily.roll_up(latency)),
        ):
            _replace(connection, table, rows, days, closed)
            made.add(table, rows.height)
        _note(connection, days, loads, made.again)
        if landed_at is not None:
            change.write(connection, before, change.logged(connection, days), landed_at)
        publication.changed(connection, days)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return made


def _note(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], loads: Sequence[Load], again: Iterable[date]
) -> None:
    """Say which loads the days are made of, and that their months are stale."""
    built, stale = tables.BUILT_LOAD.full_name, tables.STALE_MONTH.full_name
    connection.execute(f"DELETE FROM {built} WHERE day IN (SELECT unnest(?))", [[*days, *again]])
    connection.executemany(
        f"INSERT INTO {built} VALUES (?, ?, ?)", [(load.day, load.gateway, load.load_no) for load in loads]
    )
    connection.execute(
        f"""INSERT INTO {stale} SELECT DISTINCT date_trunc('month', day) AS month
            FROM (SELECT unnest(?) AS day) WHERE month NOT IN (FROM {stale})""",
        [list(days)],
    )


def _replace(
    connection: duckdb.DuckDBPyConnection,
    table: tables.Table,
    rows: pl.DataFrame,
    days: Sequence[date],
    closed: set[tuple[date, str]],
) -> None:
    when = table.columns[0].name
    query = f"DELETE FROM {table.full_name} WHERE {when} >= ? AND {when} < ? AND {when}::DATE IN (SELECT unnest(?))"
    bound: list[object] = [min(days), max(days) + timedelta(days=1), list(days)]
    if closed:
        # Nothing could make these anew.
        query += f" AND ({when}::DATE)::VARCHAR || '/' || gateway NOT IN (SELECT unnest(?))"
        bound.append([f"{day}/{gateway}" for day, gateway in closed])
    connection.execute(query, bound)
    money = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
    frame.insert(connection, rows, table.full_name, table.column_names, money)
