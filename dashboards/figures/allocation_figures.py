"""model.allocated_summary_daily, mart.allocated_daily -> what each cost centre took, unallocated first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from dashboards.theme import OTHER
from warehouse.allocation_tables import UNALLOCATED

DEFAULT_DAYS = 30
SHOWN_ROWS = 1000
_EARLIEST = date(2015, 1, 1)
_SERIES = 7
_MOST_CHOSEN = 200
_FIRST = f"cost_centre = '{UNALLOCATED}' DESC"
_UNRULED = f"""(
    SELECT day, account_no, project_no, team_no, '{UNALLOCATED}' AS cost_centre, NULL::VARCHAR AS rule,
        NULL::VARCHAR AS split, cost_usd, requests, unpriced_requests
    FROM model.spend_summary_daily
)"""
_CELLS = """
    SELECT day, cost_centre, sum(cost_usd) AS cost_usd, sum(cost_usd) FILTER (split <> 'direct') AS shared_usd,
        sum(unpriced_requests) AS unpriced_requests"""
_CENTRES = f"""
    SELECT cost_centre, sum(cost_usd), coalesce(sum(shared_usd), 0), coalesce(sum(unpriced_requests), 0)::BIGINT
    FROM cell GROUP BY cost_centre ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, cost_centre"""
_SERIES_OF_DAYS = f"""
    WITH ranked AS (
        SELECT cost_centre,
            row_number() OVER (ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, cost_centre) AS place
        FROM cell GROUP BY cost_centre
    )
    SELECT day, CASE WHEN place <= {_SERIES} THEN cost_centre ELSE '{OTHER}' END AS name, sum(cost_usd)
    FROM cell JOIN ranked USING (cost_centre)
    GROUP BY day, name, least(place, {_SERIES + 1})
    HAVING sum(cost_usd) IS NOT NULL ORDER BY least(place, {_SERIES + 1}), day"""
_SUMS = """sum(cost_usd) AS cost_usd, sum(requests)::BIGINT AS requests,
        sum(unpriced_requests)::BIGINT AS unpriced_requests"""
# Rows are added up by number, and only the sums are given names.
_PARTS = f"""
    SELECT cost_centre, rule, split, account.label AS account, project.label AS project, team.label AS team, {_SUMS}
    FROM (
        SELECT cost_centre, rule, split, account_no, project_no, team_no, {_SUMS} FROM {{found}} GROUP BY ALL
    ) AS told
    LEFT JOIN model.account AS account ON account.account_no = told.account_no AND account.valid_to IS NULL
    LEFT JOIN model.project AS project ON project.project_no = told.project_no AND project.valid_to IS NULL
    LEFT JOIN model.team AS team ON team.team_no = told.team_no AND team.valid_to IS NULL
    GROUP BY cost_centre, rule, split, account.label, project.label, team.label
    ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, cost_centre, rule, split, account.label, project.label, team.label
    LIMIT {SHOWN_ROWS}"""
_GRAIN = "day, cost_centre, rule, split, basis, account, project, team, key_label, provider, model"
_ROWS = f"""
    SELECT {_GRAIN}, {_SUMS} FROM mart.allocated_daily WHERE {{condition}} GROUP BY {_GRAIN}
    ORDER BY {_FIRST}, sum(cost_usd) DESC NULLS LAST, {_GRAIN}"""


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
    """What the page shows; its table has the dearest SHOWN_ROWS of all days together, without keys and models."""
    has_rules = connection.execute("SELECT 1 FROM model.allocation_rule LIMIT 1").fetchone() is not None
    found, values = _found(viewer, asked, has_rules=has_rules)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cell AS {_CELLS} FROM {found} GROUP BY ALL", values)
    return View(
        [CentreRow(*row) for row in connection.execute(_CENTRES).fetchall()],
        connection.execute(_SERIES_OF_DAYS).fetchall(),
        connection.execute(_PARTS.format(found=found), values).to_arrow_table(),
        has_rules,
    )


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """Every row of the range by day, key, provider and model, for a file: money DECIMAL(38,12)."""
    condition, values = asked.condition(viewer)
    return connection.execute(_ROWS.format(condition=condition), values).to_arrow_table()


def names(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[str]:
    """The cost centres there are, unallocated first; none where no rule is set."""
    allowed, values = viewer.numbers()
    query = f"""SELECT cost_centre FROM model.allocated_summary_daily WHERE {allowed}
        GROUP BY cost_centre ORDER BY {_FIRST}, 1"""
    return [name for (name,) in connection.execute(query, values).fetchall()]


def _found(viewer: Viewer, asked: Asked, *, has_rules: bool) -> tuple[str, list[object]]:
    """SQL after FROM with its bound values; without rules all spend is unallocated, and nothing is made of it."""
    allowed, values = viewer.numbers()
    chosen = " AND list_contains(?::VARCHAR[], cost_centre)" if asked.cost_centres else ""
    bound = [*values, asked.start, asked.end, *([list(asked.cost_centres)] if asked.cost_centres else [])]
    source = "model.allocated_summary_daily" if has_rules else _UNRULED
    return f"{source} WHERE {allowed} AND day BETWEEN ? AND ?{chosen}", bound


def _day(values: Sequence[str], usual: date) -> date:
    for text in values[:1]:
        try:
            return max(date.fromisoformat(text), _EARLIEST)
        except ValueError:
            return usual
    return usual
