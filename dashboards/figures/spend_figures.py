"""mart.spend_daily, mart.spend_local_daily, mart.spend_hourly -> spend as asked: table, series, names to choose from.

Plain functions of (connection, viewer, filter); each adds up in SQL and gives money as Decimal.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures import spend_source
from dashboards.figures.spend_filter import DIMENSIONS, NOT_NAMED, SpendFilter
from dashboards.figures.spend_source import SpendSource
from dashboards.figures.viewer import Viewer
from dashboards.theme import OTHER

SHOWN_ROWS = 1000
_NAMES_OFFERED = 1000
_SERIES = 7
# Stored rows to a row that is shown: those that differ in what is not asked for are one.
_STORED_A_ROW = 3
_GATHERED_ROWS = 200_000
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
    """Sums over all that was asked."""

    cost_usd: Decimal | None
    requests: int
    error_requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    unpriced_requests: int


class SeriesRow(NamedTuple):
    """What one series cost in one hour or day; `at` is None where the whole range is one bar."""

    at: datetime | date | None
    name: str | None
    cost_usd: Decimal


class View(NamedTuple):
    """All that the page draws of one filter; `table` has the first SHOWN_ROWS, `has_more` says there are others."""

    totals: SpendTotals
    series: list[SeriesRow]
    table: pa.Table
    has_more: bool


def view(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> View:
    """Totals, chart and table of one filter. How many rows there are is not counted: a download tells it."""
    source, since = spend_source.of(viewer, asked), None
    counted = source.counted(connection, asked.when) if "key" in asked.group_by and source.is_numbered else []
    # Every key of many accounts on many days is more than is worth gathering: three looks at it are less.
    if sum(count for _, count in counted) > _GATHERED_ROWS:
        since = _since(counted)
    else:
        source = source.gathered(connection, asked.columns(), _MEASURES)
    found = _rows(connection, source, asked, since, SHOWN_ROWS + 1)
    return View(
        _totals(connection, source),
        _series(connection, source, asked),
        found.slice(0, SHOWN_ROWS),
        found.num_rows > SHOWN_ROWS,
    )


def rows(
    connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter, limit: int | None = None, offset: int = 0
) -> pa.Table:
    """Every row of the table: time and groups, then cost_usd DECIMAL(38,12) and counts; newest and dearest first.

    Or so many of them, past the first few.
    """
    return _rows(connection, spend_source.of(viewer, asked), asked, None, limit, offset)


def totals(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> SpendTotals:
    """Sums over all that was asked; cost_usd is None where nothing has a price."""
    return _totals(connection, spend_source.of(viewer, asked))


def series(connection: DuckDBPyConnection, viewer: Viewer, asked: SpendFilter) -> list[SeriesRow]:
    """The chart: spend per time and first group, dearest series first; past the first seven they are "Other"."""
    return _series(connection, spend_source.of(viewer, asked), asked)


def _since(counted: list[tuple[date | datetime | None, int]]) -> date | datetime | None:
    """A time from which on there should be more rows than are shown; None where all of them have to be looked at."""
    held = 0
    for moment, count in counted:
        held += count
        if held > _STORED_A_ROW * SHOWN_ROWS:
            return moment
    return None


def _rows(
    connection: DuckDBPyConnection,
    source: SpendSource,
    asked: SpendFilter,
    since: datetime | date | None,
    limit: int | None,
    offset: int = 0,
) -> pa.Table:
    columns = asked.columns()
    only, values = ("true", []) if since is None else (f"{asked.when} >= ?", [since])
    order = [f"{asked.when} DESC"] if asked.when else []
    order += ["cost_usd DESC NULLS LAST", *(column for column in columns if column != asked.when)]
    found = connection.execute(
        f"""
        FROM ({source.summed(columns, _MEASURES, only)})
        ORDER BY {", ".join(order)} {f"LIMIT {limit} OFFSET {offset}" if limit else ""}
        """,
        [*source.values, *values],
    ).to_arrow_table()
    if since is not None and limit is not None and found.num_rows < limit:
        return _rows(connection, source, asked, None, limit, offset)
    return found


def _totals(connection: DuckDBPyConnection, source: SpendSource) -> SpendTotals:
    row = connection.execute(
        f"SELECT {_MEASURES} FROM {source.table} WHERE {source.condition}", source.values
    ).fetchone()
    return SpendTotals(*row) if row else SpendTotals(None, 0, 0, 0, 0, 0, 0)


def _series(connection: DuckDBPyConnection, source: SpendSource, asked: SpendFilter) -> list[SeriesRow]:
    at, values = asked.when or "NULL::DATE", source.values
    # The dearest are found among the sums; only then every row is looked at again, for its time.
    ranked, same = "SELECT 'All spend' AS name, 1 AS place", "true"
    if asked.group_by:
        name, values = DIMENSIONS[asked.group_by[0]], [*values, *values]
        ranked = f"""
            SELECT name, stored, dense_rank() OVER (ORDER BY cost_usd DESC NULLS LAST, name) AS place FROM (
                SELECT name, stored, sum(cost_usd) OVER (PARTITION BY name) AS cost_usd FROM {source.named(name)}
            ) QUALIFY place <= {_SERIES}
        """
        same = f"ranked.stored IS NOT DISTINCT FROM told.{source.stored(name)}"
    found = connection.execute(
        f"""
        WITH ranked AS MATERIALIZED ({ranked})
        SELECT {at} AS moment, CASE WHEN place IS NULL THEN '{OTHER}' ELSE any_value(ranked.name) END, sum(cost_usd)
        FROM {source.table} AS told LEFT JOIN ranked ON {same}
        WHERE {source.condition} GROUP BY moment, place
        HAVING sum(cost_usd) IS NOT NULL ORDER BY place NULLS LAST, moment
        """,
        values,
    ).fetchall()
    return [SeriesRow(*row) for row in found]


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
