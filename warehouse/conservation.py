"""Conservation: every roll-up holds what its rows hold, to the token and the pico-dollar, or nothing is published."""

from dataclasses import dataclass

import duckdb

from warehouse import tables
from warehouse.errors import WarehouseError

_TOKENS = ("input_tokens", "output_tokens", *(c.name for c in tables.TOKEN_CLASSES))
_SUMS = (*_TOKENS, "list_cost_usd", "logged_cost_usd")


class ConservationError(WarehouseError):
    """A roll-up does not hold what its rows hold: nothing is published, and the build stands to be looked at."""


@dataclass(frozen=True)
class Difference:
    """A month of a roll-up that differs from what it was made of; `columns` names what differs."""

    table: str
    month: str
    columns: tuple[str, ...]


def differences(connection: duckdb.DuckDBPyConnection) -> list[Difference]:
    """Compare rows, hours, days and months with each other, month by month; empty when all hold the same."""
    chain = (
        (tables.REQUESTS, "requested_at", "count(*)"),
        (tables.USAGE_HOURLY, "hour", "sum(requests)"),
        (tables.USAGE_DAILY, "day", "sum(requests)"),
        (tables.USAGE_MONTHLY, "month", "sum(requests)"),
    )
    sums = [_by_month(connection, table, when, requests) for table, when, requests in chain]
    found = []
    for (table, _, _), above, below in zip(chain[1:], sums[1:], sums, strict=False):
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


def _by_month(
    connection: duckdb.DuckDBPyConnection, table: tables.Table, when: str, requests: str
) -> dict[str, tuple[object, ...]]:
    # An hour of only unpriced calls sums to 0 in Polars and to NULL in SQL; both say "nothing known".
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _SUMS)
    # Numbers and not texts for the months: strftime takes as long as all the sums.
    rows = connection.execute(
        f"""SELECT year({when}) * 100 + month({when}) AS month, {requests}::HUGEINT, {sums}
            FROM {table.full_name} GROUP BY month"""
    ).fetchall()
    return {f"{month // 100}-{month % 100:02}": tuple(values) for month, *values in rows}
