"""raw_<gateway>.calls: a day's raw rows go once three days have passed and its hours are proved equal to its calls."""

from collections.abc import Callable
from datetime import date

import duckdb

from retention.policy import Clause
from warehouse import sealing
from warehouse.sealing_tables import SEALED_LOAD
from warehouse.tables import BUILT_LOAD

CLAUSE = "R-raw"
Days = set[tuple[date, str]]


def sources(connection: duckdb.DuckDBPyConnection, table: str = "calls") -> list[str]:
    """The sources whose raw schema has a table: with `calls`, the gateways."""
    query = "SELECT schema_name FROM duckdb_tables() WHERE schema_name LIKE 'raw\\_%' ESCAPE '\\' AND table_name = ?"
    return sorted(name.removeprefix("raw_") for (name,) in connection.execute(query, [table]).fetchall())


def ready(
    connection: duckdb.DuckDBPyConnection, clause: Clause, today: date, gateway: str, held: Callable[[], Days]
) -> list[date]:
    """The days of a gateway that can be sealed: ended long enough ago, modelled whole, hours equal to calls.

    `held` tells of which days the last is proved, each with its gateway. A day of nothing but rows that came after it
    was closed has no calls to be held against; it is sealed, too.
    """
    cutoff = clause.cutoff(today)
    waiting = connection.execute(
        f"""SELECT raw.day, bool_and(built.load_no IS NOT NULL) AS modelled
            FROM (SELECT DISTINCT requested_at::DATE AS day, load_no FROM raw_{gateway}.calls
                  WHERE requested_at < $cutoff) AS raw
            LEFT JOIN {BUILT_LOAD.full_name} AS built
              ON built.day = raw.day AND built.load_no = raw.load_no AND built.gateway = $gateway
            GROUP BY raw.day ORDER BY raw.day""",
        {"gateway": gateway, "cutoff": cutoff},
    ).fetchall()
    if not waiting:
        return []
    proved, closed = held(), sealing.closed_days(connection)
    return [
        day
        for day, modelled in waiting
        if (modelled and (day, gateway) in proved)
        or (day, gateway) in closed
        or (modelled and _is_empty(connection, day, gateway))
    ]


def _is_empty(connection: duckdb.DuckDBPyConnection, day: date, gateway: str) -> bool:
    """Whether all of a day's rows told of calls that began on another day, or were tries of calls served at last."""
    query = "SELECT 1 FROM {} WHERE {}::DATE = ? AND gateway = ? LIMIT 1"
    found = (
        connection.execute(query.format(table, when), [day, gateway]).fetchone()
        for table, when in (("model.requests", "requested_at"), ("model.usage_hourly", "hour"))
    )
    return not any(found)


def note(connection: duckdb.DuckDBPyConnection, gateway: str, days: list[date]) -> None:
    """Write down which loads' rows are about to go; the caller holds the transaction that removes them."""
    connection.execute(
        f"""INSERT INTO {SEALED_LOAD.full_name}
            SELECT requested_at::DATE AS day, ?, load_no, count(*) FROM raw_{gateway}.calls
            WHERE requested_at::DATE IN (SELECT unnest(?)) GROUP BY day, load_no""",
        [gateway, days],
    )
