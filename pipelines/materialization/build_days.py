"""raw_*.calls -> model.requests, request_tag, usage_hourly, usage_daily, latency_hourly, latency_daily: some days anew.

They are made in one transaction.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from pipelines.materialization.call_reader import Reading, Run
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


def make(
    connection: duckdb.DuckDBPyConnection, reading: Reading, then: Reading | None, landed_at: datetime | None
) -> tuple[Counter[str], list[date]]:
    """Make a run of days anew: how many rows each model got, and the days that must be made again for it.

    `then` is the run after it, which is read while this one is written. `landed_at` is when the newest of all files
    was: whatever moves moves by it.
    """
    days = reading.run.days
    closed = {(day, gateway) for day, gateway in sealing.closed_days(connection) if day in set(days)}
    again = reading.told_elsewhere(connection)
    before = change.logged(connection, days)
    made: Counter[str] = Counter()
    hours, latencies = [], []
    connection.execute("BEGIN")
    try:
        requests.delete(connection, days)
        request_tag.delete(connection, days)
        for calls in reading.calls(then):
            requests.insert(connection, calls)
            request_tag.insert(connection, calls)
            made[tables.REQUESTS.full_name] += calls.height
            hours.append(usage_hourly.roll_up(calls))
            latencies.append(latency_hourly.roll_up(calls))
            # Not held while the next are awaited, nor by whoever allocates.
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
            made[table.full_name] += rows.height
        _note(connection, reading.run, again)
        if landed_at is not None:
            change.write(connection, before, change.logged(connection, days), landed_at)
        publication.changed(connection, days)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return made, again


def _note(connection: duckdb.DuckDBPyConnection, run: Run, again: Iterable[date]) -> None:
    """Say which loads the days are made of, and that their months are stale."""
    built, stale = tables.BUILT_LOAD.full_name, tables.STALE_MONTH.full_name
    connection.execute(f"DELETE FROM {built} WHERE day IN (SELECT unnest(?))", [[*run.days, *again]])
    connection.executemany(
        f"INSERT INTO {built} VALUES (?, ?, ?)", [(load.day, load.gateway, load.load_no) for load in run.loads]
    )
    connection.execute(
        f"""INSERT INTO {stale} SELECT DISTINCT date_trunc('month', day) AS month
            FROM (SELECT unnest(?) AS day) WHERE month NOT IN (FROM {stale})""",
        [list(run.days)],
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
