"""model.stale_allocation: which days' cost centres are to be made anew, from the change that the build counts.

Made before a version is published, after spend is added up, and only where there are rules.
"""

from collections.abc import Callable, Collection
from datetime import date, timedelta

import duckdb

from warehouse.allocation_tables import ALLOCATED_SUMMARY_DAILY, ALLOCATION_RULE, STALE_ALLOCATION
from warehouse.models import allocated_summary_daily
from warehouse.spend_tables import SPEND_DAILY, STALE_DAY

_HELD, _STALE = ALLOCATED_SUMMARY_DAILY.full_name, STALE_ALLOCATION.full_name
_ALL = " UNION ".join(f"SELECT day FROM {name}" for name in (SPEND_DAILY.full_name, STALE_DAY.full_name, _HELD))


def mark(connection: duckdb.DuckDBPyConnection, days: Collection[date] | None) -> None:
    """Say which days' cost centres are stale, None: all there are; in the transaction of what changed."""
    if not _has_rules(connection):
        return
    if days is None:
        connection.execute(f"INSERT INTO {_STALE} SELECT day FROM ({_ALL}) WHERE day NOT IN (FROM {_STALE})")
    elif days:
        connection.execute(
            f"INSERT INTO {_STALE} SELECT day FROM (SELECT unnest(?::DATE[]) AS day) WHERE day NOT IN (FROM {_STALE})",
            [sorted(set(days))],
        )


def mark_named(connection: duckdb.DuckDBPyConnection, kind: str, numbers: Collection[int]) -> None:
    """Mark the days on which accounts, projects, teams or keys that are called otherwise now had any spend."""
    if numbers and _has_rules(connection):
        query = f"SELECT DISTINCT day FROM {SPEND_DAILY.full_name} WHERE {kind}_no IN (SELECT unnest(?::BIGINT[]))"
        mark(connection, [day for (day,) in connection.execute(query, [sorted(numbers)]).fetchall()])


def place(connection: duckdb.DuckDBPyConnection, progress: Callable[[str, int, int], None] | None = None) -> int:
    """Make the cost centres of the days that are stale, a month in a transaction; how many days were made.

    Where a rule shares by the month's use, all of a month is made where one of its days changed.
    """
    if not _has_rules(connection):
        for table in (_HELD, _STALE):
            if connection.execute(f"FROM {table} LIMIT 1").fetchone():
                connection.execute(f"DELETE FROM {table}")
        return 0
    months = connection.execute(
        f"SELECT date_trunc('month', day)::DATE, list(day ORDER BY day) FROM {_STALE} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    by_month = f"SELECT 1 FROM {ALLOCATION_RULE.full_name} WHERE split = 'month'"
    whole = connection.execute(by_month).fetchone() is not None
    for done, (month, days) in enumerate(months):
        if progress is not None:
            progress("allocating months", done, len(months))
        following = (month + timedelta(days=31)).replace(day=1)
        connection.execute("BEGIN")
        try:
            for first, last in [(month, following - timedelta(days=1))] if whole else _stretches(days):
                allocated_summary_daily.write(connection, first, last)
            connection.execute(f"DELETE FROM {_STALE} WHERE day >= ? AND day < ?", [month, following])
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    if progress is not None and months:
        progress("allocating months", len(months), len(months))
    return sum(len(days) for _, days in months)


def _has_rules(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute(f"SELECT 1 FROM {ALLOCATION_RULE.full_name} LIMIT 1").fetchone() is not None


def _stretches(days: list[date]) -> list[tuple[date, date]]:
    """Neighbours together, the first and the last day of each stretch."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day == found[-1][1] + timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
