"""model.stale_day: whose days' spend is to be added up anew, from the change that the build counts until it is done.

Done before a version is published, and before the build is written anew: no byte of what went may stay in a sum.
"""

from collections.abc import Collection, Iterator
from datetime import date, timedelta

import duckdb

from warehouse.models import (
    spend_daily,
    spend_local_daily,
    spend_local_summary_daily,
    spend_summary_daily,
    spend_summary_hourly,
    unclaimed_daily,
    use_monthly,
)
from warehouse.spend_tables import SPEND_DAILY, STALE_DAY
from warehouse.stretch import between
from warehouse.tables import USAGE_DAILY

# Two of DuckDB's row groups, as the days are modelled.
_RUN_ROWS = 245_760
_DATED = ("usage_daily", "usage_reported", "bill_day", "estimated_spend", "plan_day", SPEND_DAILY.name)
_MADE = (
    spend_daily,
    spend_summary_daily,
    spend_summary_hourly,
    spend_local_daily,
    spend_local_summary_daily,
    use_monthly,
    unclaimed_daily,
)


def mark(connection: duckdb.DuckDBPyConnection, days: Collection[date] | None) -> None:
    """Say which days' spend is stale, None: all there are; in the transaction of what changed."""
    stale = STALE_DAY.full_name
    if days is None:
        told = " UNION ".join(f"SELECT day FROM model.{name}" for name in _DATED)
        connection.execute(f"INSERT INTO {stale} SELECT day FROM ({told}) WHERE day NOT IN (FROM {stale})")
    elif days:
        connection.execute(
            f"INSERT INTO {stale} SELECT day FROM (SELECT unnest(?::DATE[]) AS day) WHERE day NOT IN (FROM {stale})",
            [sorted(set(days))],
        )


def add_up(connection: duckdb.DuckDBPyConnection) -> int:
    """Add up the days that are stale, a run of neighbours in a transaction; how many there were."""
    stale = [day for (day,) in connection.execute(f"FROM {STALE_DAY.full_name} ORDER BY 1").fetchall()]
    for first, last in _runs(connection, stale):
        connection.execute("BEGIN")
        try:
            for model in _MADE:
                model.write(connection, first, last)
            connection.execute(f"DELETE FROM {STALE_DAY.full_name} WHERE {between(first, last)}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return len(stale)


def _runs(connection: duckdb.DuckDBPyConnection, days: list[date]) -> Iterator[tuple[date, date]]:
    """The first and the last day of each run."""
    if not days:
        return
    query = f"SELECT day, count(*) FROM {USAGE_DAILY.full_name} WHERE {between(days[0], days[-1])} GROUP BY day"
    rows = dict(connection.execute(query).fetchall())
    first = last = days[0]
    held = rows.get(first, 0)
    for day in days[1:]:
        held += rows.get(day, 0)
        if day != last + timedelta(days=1) or held > _RUN_ROWS:
            yield first, last
            first, held = day, rows.get(day, 0)
        last = day
    yield first, last
