"""Conservation: every roll-up holds what its rows hold, to the token and the pico-dollar, or nothing is published."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

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
    before: date = date.max
    only: str = "TRUE"

    def by_month(self, connection: duckdb.DuckDBPyConnection) -> _Sums:
        # Numbers and not texts for the months: strftime takes as long as all the sums.
        rows = self._by(connection, f"year({self.when}) * 100 + month({self.when})")
        return {f"{month // 100}-{month % 100:02}": tuple(values) for month, *values in rows}

    def by_day(self, connection: duckdb.DuckDBPyConnection) -> dict[tuple[date, str], tuple[object, ...]]:
        rows = self._by(connection, f"{self.when}::DATE, gateway")
        return {(day, gateway): tuple(values) for day, gateway, *values in rows}

    def _by(self, connection: duckdb.DuckDBPyConnection, grain: str) -> list[tuple[Any, ...]]:
        # An hour of only unpriced calls sums to 0 in Polars and to NULL in SQL; both say "nothing known".
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _SUMS)
        return connection.execute(
            f"""SELECT {grain}, {self.requests}::HUGEINT, {sums} FROM {self.table.full_name}
                WHERE {self.when} >= ? AND {self.when} < ? AND {self.only} GROUP BY {grain}""",
            [self.since, self.before],
        ).fetchall()


@dataclass(frozen=True)
class Difference:
    """A month of a roll-up that differs from what it was made of; `columns` names what differs."""

    table: str
    month: str
    columns: tuple[str, ...]


_REQUESTS = _Side(tables.REQUESTS, "requested_at", "count(*)")
_HOURLY = _Side(tables.USAGE_HOURLY, "hour", "sum(requests)")
_DAILY = _Side(tables.USAGE_DAILY, "day", "sum(requests)")
_MONTHLY = _Side(tables.USAGE_MONTHLY, "month", "sum(requests)")


def hours_hold_calls(connection: duckdb.DuckDBPyConnection, before: date) -> set[tuple[date, str]]:
    """The days before `before`, each with its source, whose hours hold exactly what their calls hold."""
    return _held(connection, replace(_REQUESTS, before=before), replace(_HOURLY, before=before))


def days_hold_hours(connection: duckdb.DuckDBPyConnection, before: date) -> set[tuple[date, str]]:
    """The days before `before`, each with its source, that hold exactly what their hours hold."""
    return _held(connection, replace(_HOURLY, before=before), replace(_DAILY, before=before))


def _held(connection: duckdb.DuckDBPyConnection, below: _Side, above: _Side) -> set[tuple[date, str]]:
    wanted = below.by_day(connection)
    if not wanted:
        return set()
    # Only the days there are: the coarser side has all of history.
    sums = replace(above, since=min(day for day, _ in wanted)).by_day(connection)
    return {key for key, held in wanted.items() if sums.get(key) == held}


def differences(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[Difference]:
    """Compare rows, hours, days and months with each other, month by month; empty when all hold the same.

    What has expired is compared no more: hours of closed days have no rows, days before the first whole hour no hours.
    `months` (the first day of each) bounds what is read, for a caller that knows what changed since all was compared.
    """
    spans = [(date.min, date.max)] if months is None else _spans(months)
    return [found for since, before in spans for found in _differing(connection, since, before)]


def _spans(months: Collection[date]) -> list[tuple[date, date]]:
    """Neighbouring months as one span each, so that a table is read once for them."""
    spans: list[tuple[date, date]] = []
    for month in sorted(months):
        following = (month.replace(day=1) + timedelta(days=31)).replace(day=1)
        if spans and spans[-1][1] == month:
            spans[-1] = (spans[-1][0], following)
        else:
            spans.append((month, following))
    return spans


def _differing(connection: duckdb.DuckDBPyConnection, since: date, before: date) -> list[Difference]:
    hours, days = (sealing.whole_from(connection, table) for table in (tables.USAGE_HOURLY, tables.USAGE_DAILY))
    (closed,) = connection.execute(f"SELECT count(*) FROM {CLOSED_DAY.full_name}").fetchall()[0]
    open_days = f"(hour::DATE, gateway) NOT IN (SELECT (day, gateway) FROM {CLOSED_DAY.full_name})"
    found: list[Difference] = []
    # Hours are looked at from both sides, which is one look where nothing is closed; a look reads all of a span.
    looked: dict[_Side, _Sums] = {}
    for below, above, whole in (
        (_REQUESTS, replace(_HOURLY, only=open_days if closed else _HOURLY.only), date.min),
        (_HOURLY, _DAILY, hours),
        (_DAILY, _MONTHLY, days.replace(day=1)),
    ):
        sides = [replace(side, since=max(since, whole), before=before) for side in (below, above)]
        for side in sides:
            if side not in looked:
                looked[side] = side.by_month(connection)
        found += _compared(above.table, *(looked[side] for side in sides))
    return found


def _compared(table: tables.Table, below: _Sums, above: _Sums) -> list[Difference]:
    found = []
    for month in sorted(above.keys() | below.keys()):
        pairs = zip(("requests", *_SUMS), above.get(month, ()), below.get(month, ()), strict=False)
        wrong = tuple(name for name, one, other in pairs if one != other)
        if wrong or (month in above) != (month in below):
            found.append(Difference(table.full_name, month, wrong or ("requests",)))
    return found


def hold(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> None:
    """Raise ConservationError naming the tables, months and columns that differ; `months` as in `differences`."""
    found = differences(connection, months)
    if found:
        said = "; ".join(f"{each.table} {each.month}: {', '.join(each.columns)}" for each in found[:5])
        raise ConservationError(
            f"roll-ups differ from their rows ({said}): nothing was published; run `apiledger doctor`"
        )
