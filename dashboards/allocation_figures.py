"""mart.allocated_daily -> what each cost centre took, by day and by rule, for one viewer; unallocated stands first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.theme import OTHER
from dashboards.viewer import Viewer
from warehouse.allocation_tables import UNALLOCATED

DEFAULT_DAYS = 30
SHOWN_ROWS = 1000
_EARLIEST = date(2015, 1, 1)
_SERIES = 7
_MOST_CHOSEN = 200
_FIRST = f"cost_centre = '{UNALLOCATED}' DESC"


@dataclass(frozen=True)
class Asked:
    """The UTC days, both included, and the cost centres (none: all); it lives in the URL."""

    start: date
    end: date
    cost_centres: tuple[str, ...] = ()

    @staticmethod
    def from_query(query: Mapping[str, Sequence[str]], today: date) -> "Asked":
        """What a URL asks; what makes no sense falls back to the last thirty days of every cost centre."""
        end = min(_day(query.get("to", ()), today), today)
        start = min(_day(query.get("from", ()), end - timedelta(days=DEFAULT_DAYS - 1)), end)
        return Asked(start, end, tuple(dict.fromkeys(query.get("centre", ())))[:_MOST_CHOSEN])

    def to_query(self, today: date) -> dict[str, list[str]]:
        """The URL's words for what differs from the default."""
        usual = Asked.from_query({}, today)
        words = {"from": [self.start.isoformat()], "to": [self.end.isoformat()]}
        words = words if (self.start, self.end) != (usual.start, usual.end) else {}
        return words | ({"centre": list(self.cost_centres)} if self.cost_centres else {})

    def condition(self, viewer: Viewer) -> tuple[str, list[object]]:
        """SQL for WHERE and its bound values; the viewer's own condition is always part of it."""
        allowed, values = viewer.condition()
        values = [*values, self.start, self.end]
        if not self.cost_centres:
            return f"{allowed} AND day BETWEEN ? AND ?", values
        return f"{allowed} AND day BETWEEN ? AND ? AND list_contains(?::VARCHAR[], cost_centre)", [
            *values,
            list(self.cost_centres),
        ]


class CentreRow(NamedTuple):
    """What a cost centre took: directly, and as its share of what is split; None where no price is known."""

    cost_centre: str
    cost_usd: Decimal | None
    shared_usd: Decimal
    unpriced_requests: int


class View(NamedTuple):
    """All that the page draws: cost centres, their days (the dearest seven, the rest together), what rules took."""

    centres: list[CentreRow]
    series: list[tuple[date, str, Decimal]]
    table: pa.Table
    has_rules: bool


def view(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> View:
    """The mart places every row of all days whenever it is asked, so it is asked once."""
    condition, values = asked.condition(viewer)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE placed AS SELECT * FROM mart.allocated_daily WHERE {condition}", values
    )
    return View(
        [CentreRow(*row) for row in connection.execute(_centres()).fetchall()],
        connection.execute(_series()).fetchall(),
        connection.execute(_parts("", f"LIMIT {SHOWN_ROWS}")).to_arrow_table(),
        has_rules=_count(connection, "SELECT count(*) FROM model.allocation_rule") > 0,
    )


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """Every row of the range by day, for a file: money DECIMAL(38,12)."""
    condition, values = asked.condition(viewer)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE placed AS SELECT * FROM mart.allocated_daily WHERE {condition}", values
    )
    return connection.execute(_parts("day, ", "")).to_arrow_table()


def names(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[str]:
    """The cost centres there are, unallocated first."""
    allowed, values = viewer.condition()
    query = f"SELECT cost_centre FROM mart.allocated_daily WHERE {allowed} GROUP BY cost_centre ORDER BY {_FIRST}, 1"
    return [name for (name,) in connection.execute(query, values).fetchall()]


def _centres() -> str:
    return f"""
        SELECT cost_centre, sum(cost_usd), coalesce(sum(cost_usd) FILTER (split IS NOT NULL AND split <> 'direct'), 0),
            coalesce(sum(unpriced_requests), 0)::BIGINT
        FROM placed GROUP BY cost_centre ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, cost_centre"""


def _series() -> str:
    return f"""
        WITH ranked AS (
            SELECT cost_centre,
                row_number() OVER (ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, cost_centre) AS place
            FROM placed GROUP BY cost_centre
        )
        SELECT day, CASE WHEN place <= {_SERIES} THEN cost_centre ELSE '{OTHER}' END AS name, sum(cost_usd)
        FROM placed JOIN ranked USING (cost_centre)
        GROUP BY day, name, least(place, {_SERIES + 1})
        HAVING sum(cost_usd) IS NOT NULL ORDER BY least(place, {_SERIES + 1}), day"""


def _parts(when: str, limit: str) -> str:
    grain = "cost_centre, rule, split, basis, account, project, team, key_label, provider, model"
    return f"""
        SELECT {when}{grain}, sum(cost_usd) AS cost_usd, sum(requests)::BIGINT AS requests,
            sum(unpriced_requests)::BIGINT AS unpriced_requests
        FROM placed GROUP BY {when}{grain}
        ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, {when}{grain} {limit}"""


def _count(connection: DuckDBPyConnection, query: str) -> int:
    ((found,),) = connection.execute(query).fetchall()
    return int(found)


def _day(values: Sequence[str], usual: date) -> date:
    for text in values[:1]:
        try:
            return max(date.fromisoformat(text), _EARLIEST)
        except ValueError:
            return usual
    return usual
