"""Conservation: every roll-up holds what its rows hold, to the token and the pico-dollar, or nothing is published."""

from dataclasses import dataclass, replace
from datetime import date

import duckdb

from warehouse import sealing, tables
from warehouse.errors import WarehouseError
from warehouse.sealing_tables import CLOSED_DAY

_TOKENS = ("input_tokens", "output_tokens", *(c.name for c in tables.TOKEN_CLASSES))
_SUMS = (*_TOKENS, "list_cost_usd", "logged_cost_usd")
_Sums = dict[str, tuple[object, ...]]


class ConservationError(WarehouseError):
    """A roll-up does not hold what its rows hold: nothing is published, and the build stands to be looked at."""


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: which rows of a table, by when, and how its calls are counted."""

    table: tables.Table
    when: str
    requests: str
    since: date = date.min
    only: str = "TRUE"

    def by_month(self, connection: duckdb.DuckDBPyConnection) -> _Sums:
        # An hour of only unpriced calls sums to 0 in Polars and to NULL in SQL; both say "nothing known".
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _SUMS)
        rows = connection.execute(
            f"""SELECT strftime({self.when}, '%Y-%m') AS month, {self.requests}::HUGEINT, {sums}
                FROM {self.table.full_name} WHERE {self.when} >= ? AND {self.only} GROUP BY month""",
            [self.since],
        ).fetchall()
        return {month: tuple(values) for month, *values in rows}


@dataclass(frozen=True)
class Difference:
    """A month of a roll-up that differs from what it was made of; `columns` names what differs."""

    table: str
    month: str
    columns: tuple[str, ...]


def differences(connection: duckdb.DuckDBPyConnection) -> list[Difference]:
    """Compare rows, hours, days and months with each other, month by month; empty when all hold the same.

    What has expired is compared no more: hours of closed days have no rows, days before the first whole hour no hours.
    """
    hours, days = (sealing.whole_from(connection, table) for table in (tables.USAGE_HOURLY, tables.USAGE_DAILY))
    open_days = f"(hour::DATE, gateway) NOT IN (SELECT (day, gateway) FROM {CLOSED_DAY.full_name})"
    rows = _Side(tables.REQUESTS, "requested_at", "count(*)")
    hourly = _Side(tables.USAGE_HOURLY, "hour", "sum(requests)")
    daily = _Side(tables.USAGE_DAILY, "day", "sum(requests)")
    monthly = _Side(tables.USAGE_MONTHLY, "month", "sum(requests)")
    found: list[Difference] = []
    for below, above in (
        (rows, replace(hourly, only=open_days)),
        (replace(hourly, since=hours), replace(daily, since=hours)),
        (replace(daily, since=days), replace(monthly, since=days.replace(day=1))),
    ):
        found += _compared(above.table, below.by_month(connection), above.by_month(connection))
    return found


def _compared(table: tables.Table, below: _Sums, above: _Sums) -> list[Difference]:
    found = []
    for month in sorted(above.keys() | below.keys()):
        pairs = zip(("requests", *_SUMS), above.get(month, ()), below.get(month, ()), strict=False)
        wrong = tuple(name for name, one, other in pairs if one != other)
        if wrong or (month in above) != (month in below):
            found.append(Difference(table.full_name, month, wrong or ("requests",)))
    return found


def hold(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise ConservationError naming the tables, months and columns that differ."""
    found = differences(connection)
    if found:
        said = "; ".join(f"{each.table} {each.month}: {', '.join(each.columns)}" for each in found[:5])
        raise ConservationError(
            f"roll-ups differ from their rows ({said}): nothing was published; run `apiledger doctor`"
        )
