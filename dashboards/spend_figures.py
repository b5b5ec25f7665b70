"""mart.spend_daily, mart.spend_local_daily, mart.spend_hourly -> spend as asked: table, series, names to choose from.

Plain functions of (connection, viewer, filter); each adds up in SQL and gives money as Decimal.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.spend_filter import DIMENSIONS, NOT_NAMED, SpendFilter
from dashboards.theme import OTHER
from dashboards.viewer import Viewer

SHOWN_ROWS = 1000
_NAMES_OFFERED = 1000
_SERIES = 7
_SUMS = (
    "requests",
    "error_requests",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "unpriced_requests",
)
_MEASURES = ", ".join(["sum(cost_usd) AS cost_usd", *(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in _SUMS)])


class SpendTotals(NamedTuple):
    """Sums over all that was asked, and how many rows the table would have."""

    cost_usd: Decimal | None
    requests: int
    error_requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    unpriced_requests: int
    rows: int


class SeriesRow(NamedTuple):
    """What one series cost in one hour or day; `at` is None where the whole range is one bar."""

    at: datetime | date | None
    name: str | None
    cost_usd: Decimal


class View(NamedTuple):
    """All that the page draws of one filter; `table` has the first SHOWN_ROWS of `rows`."""

    totals: SpendTotals
    series: list[SeriesRow]
    table: pa.Table


class _Found(NamedTuple):
    """What a filter finds, as SQL after FROM with its bound values; `is_summed` where a row is a row of the table."""

    sql: str
    values: list[object]
    is_summed: bool


def view(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> View:
    """Totals, chart and table of one filter: the rows of the table are added up once, and the rest is made of them."""
    read, values, _ = _found(viewer, asked)
    columns = ", ".join([*asked.columns(), _MEASURES])
    grouped = "GROUP BY ALL" if asked.columns() else "HAVING count(*) > 0"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT {columns} FROM {read} {grouped}", values)
    found = _Found("temp.found", [], is_summed=True)
    return View(
        _totals(connection, found, asked),
        _series(connection, found, asked),
        _rows(connection, found, asked, SHOWN_ROWS),
    )


def rows(
    connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter, limit: int | None = None, offset: int = 0
) -> pa.Table:
    """Every row of the table: time and groups, then cost_usd DECIMAL(38,12) and counts; newest and dearest first.

    Or so many of them, past the first few.
    """
    return _rows(connection, _found(viewer, asked), asked, limit, offset)


def totals(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> SpendTotals:
    """Sums over all that was asked, in one pass with the number of rows the table has."""
    return _totals(connection, _found(viewer, asked), asked)


def series(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> list[SeriesRow]:
    """The chart: spend per time and first group, dearest series first; past the first seven they are "Other"."""
    return _series(connection, _found(viewer, asked), asked)


def _found(viewer: Viewer, asked: SpendFilter) -> _Found:
    source, (condition, values) = asked.mart, asked.condition(viewer)
    if asked.is_nameless and source == "mart.spend_summary_daily":
        source, (condition, values) = "model.spend_summary_daily", asked.numbers(viewer)
    if asked.grain == "month":
        source = f"(SELECT *, date_trunc('month', day)::DATE AS month FROM {source})"
    return _Found(f"{source} WHERE {condition}", values, is_summed=False)


def _rows(
    connection: DuckDBPyConnection, found: _Found, asked: SpendFilter, limit: int | None, offset: int = 0
) -> pa.Table:
    columns = asked.columns()
    measures, grouped = ", ".join(("cost_usd", *_SUMS)), ""
    if not found.is_summed:
        measures, grouped = _MEASURES, f"GROUP BY {', '.join(columns)}" if columns else "HAVING count(*) > 0"
    order = [f"{asked.when} DESC"] if asked.when else []
    order += ["cost_usd DESC NULLS LAST", *(column for column in columns if column != asked.when)]
    return connection.execute(
        f"""
        SELECT {", ".join([*columns, measures])} FROM {found.sql} {grouped}
        ORDER BY {", ".join(order)} {f"LIMIT {limit} OFFSET {offset}" if limit else ""}
        """,
        found.values,
    ).to_arrow_table()


def _totals(connection: DuckDBPyConnection, found: _Found, asked: SpendFilter) -> SpendTotals:
    columns = asked.columns()
    cells = f"count(DISTINCT row({', '.join(columns)}))" if columns else "least(count(*), 1)"
    if found.is_summed:
        cells = "count(*)"
    row = connection.execute(f"SELECT {_MEASURES}, {cells} FROM {found.sql}", found.values).fetchone()
    return SpendTotals(*row) if row else SpendTotals(None, 0, 0, 0, 0, 0, 0, 0)


def _series(connection: DuckDBPyConnection, found: _Found, asked: SpendFilter) -> list[SeriesRow]:
    name = DIMENSIONS[asked.group_by[0]] if asked.group_by else "'All spend'"
    at = asked.when or "NULL::DATE"
    return [
        SeriesRow(*row)
        for row in connection.execute(
            f"""
            WITH cell AS (
                SELECT {at} AS moment, {name} AS name, sum(cost_usd) AS cost_usd
                FROM {found.sql} GROUP BY 1, 2
            ), ranked AS (
                SELECT name, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, name) AS place
                FROM cell GROUP BY name
            ), named AS (
                SELECT moment, CASE WHEN place <= {_SERIES} THEN cell.name ELSE '{OTHER}' END AS name,
                    least(place, {_SERIES + 1}) AS place, cost_usd
                FROM cell JOIN ranked ON cell.name IS NOT DISTINCT FROM ranked.name
            )
            SELECT moment, name, sum(cost_usd) FROM named GROUP BY moment, name, place
            HAVING sum(cost_usd) IS NOT NULL ORDER BY place, moment
            """,
            found.values,
        ).fetchall()
    ]


def names(connection: DuckDBPyConnection, viewer: Viewer, asked: tuple[date, date]) -> dict[str, list[str]]:
    """Per dimension the names seen from one UTC day to another, dearest first, at most a thousand; "" is no name."""
    allowed, values = viewer.numbers()
    # Keys are many and are added up by themselves; the rest is told by what has no keys.
    columns = {name: column for name, column in DIMENSIONS.items() if name != "key"}
    pick = " ".join(f"WHEN grouping({column}) = 0 THEN '{name}'" for name, column in columns.items())
    text = " ".join(f"WHEN grouping({column}) = 0 THEN coalesce({column}, '')" for column in columns.values())
    sets = ", ".join(f"({column})" for column in columns.values())
    found: dict[str, list[str]] = {name: [] for name in DIMENSIONS}
    # Rows are brought down to their combinations once; passes over those cost next to nothing.
    for dimension, name in connection.execute(
        f"""
        WITH combination AS (
            SELECT account.label AS account, project.label AS project, team.label AS team, provider, model, basis,
                cost_usd
            FROM (
                SELECT account_no, project_no, team_no, provider, model, basis, sum(cost_usd) AS cost_usd
                FROM model.spend_summary_daily WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL
            ) AS told {_named("account")} {_named("project")} {_named("team")}
        ), cell AS (
            SELECT CASE {pick} END AS dimension, CASE {text} END AS name, sum(cost_usd) AS cost_usd
            FROM combination GROUP BY GROUPING SETS ({sets})
            UNION ALL
            SELECT 'key', coalesce(key.label, ''), sum(cost_usd)
            FROM (
                SELECT key_no, sum(cost_usd) AS cost_usd
                FROM model.spend_daily WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL
            ) AS told {_named("key")}
            GROUP BY ALL
        )
        SELECT dimension, name FROM cell
        QUALIFY row_number() OVER (PARTITION BY dimension ORDER BY cost_usd DESC NULLS LAST, name) <= {_NAMES_OFFERED}
        ORDER BY cost_usd DESC NULLS LAST, name
        """,
        [*asked, *values, *asked, *values],
    ).fetchall():
        found[dimension].append(name)
    return found


def known(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> SpendFilter:
    """The filter without chosen names that no row of any day has: a stale or made-up URL shows rows, not nothing."""
    allowed, values = viewer.condition()
    seen = {}
    for dimension, chosen in asked.chosen.items():
        name = f"coalesce({DIMENSIONS[dimension]}, '{NOT_NAMED}')"
        mart = "mart.spend_daily" if dimension == "key" else "mart.spend_summary_daily"
        seen[dimension] = {
            found
            for (found,) in connection.execute(
                f"SELECT DISTINCT {name} FROM {mart} WHERE list_contains(?::VARCHAR[], {name}) AND {allowed}",
                [list(chosen), *values],
            ).fetchall()
        }
    return asked.choosing_among(seen)


def _named(kind: str) -> str:
    return f"LEFT JOIN model.{kind} AS {kind} ON {kind}.{kind}_no = told.{kind}_no AND {kind}.valid_to IS NULL"
