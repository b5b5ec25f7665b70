"""model.spend_summary_daily, model.spend_local_summary_daily, model.latency_daily -> what AI costs, at a glance.

Plain functions of (connection, viewer, what was asked); each adds up numbers in SQL, names the sums, and gives money as
Decimal.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures import local_spend, rhythm_figures
from dashboards.figures.rhythm_figures import Mover
from dashboards.figures.viewer import Viewer
from dashboards.theme import OTHER

DIMENSIONS = ("provider", "model", "project", "account")
LATENCY_DAYS = 30
_NUMBERED = frozenset({"account", "project"})
_SPEND = "model.spend_summary_daily"
_SERIES = 7
_SHARES = 6
_PERCENTILES = (50, 95, 99)


class Totals(NamedTuple):
    """Sums over a stretch of days; `cost_usd` leaves out the unpriced, `provisional_usd` may still be revised."""

    cost_usd: Decimal
    provisional_usd: Decimal
    requests: int
    error_requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    unpriced_requests: int


_COUNTS = Totals._fields[2:]


@dataclass(frozen=True)
class Month:
    """The month so far, the same days of the month before, and that whole month.

    `first_day` is the first day with a row, where the month before is not covered from its own first day; else None.
    """

    start: date
    today: date
    before_start: date
    before_today: date
    before_end: date
    so_far: Totals
    before: Totals
    before_whole_usd: Decimal
    first_day: date | None


@dataclass(frozen=True)
class DailySpend:
    """What the chart asks for: the last `days` days up to `today`, by one of DIMENSIONS; `local`: of each zone."""

    today: date
    days: int
    dimension: str
    local: bool = False

    @property
    def start(self) -> date:
        """The first day drawn."""
        return self.today - timedelta(days=self.days - 1)


class DayRow(NamedTuple):
    """What one series cost on one day."""

    day: date
    name: str | None
    cost_usd: Decimal


class ShareRow(NamedTuple):
    """What one provider, model or project cost over the month so far."""

    dimension: str
    name: str | None
    cost_usd: Decimal


class LatencyRow(NamedTuple):
    """Percentiles in milliseconds over a UTC day, or over the whole stretch where `day` is None."""

    day: date | None
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


class UnpricedRow(NamedTuple):
    """A model whose price is not known, and how many calls that leaves out."""

    provider: str
    model: str
    requests: int


class Glance(NamedTuple):
    """What the overview shows whatever is chosen on it; `latency` begins with the whole 30 days, then goes by day."""

    month: Month
    latency: list[LatencyRow]
    unpriced: list[UnpricedRow]
    shares: list[ShareRow]
    movers: list[Mover]


def at_a_glance(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> Glance:
    """The overview's figures together: opening a version takes as long as a question."""
    month = month_to(connection, viewer, today)
    return Glance(
        month,
        latency(connection, viewer, DailySpend(today, LATENCY_DAYS, "provider")),
        unpriced(connection, viewer, today) if month.so_far.unpriced_requests else [],
        shares(connection, viewer, today),
        rhythm_figures.movers(connection, viewer, today),
    )


def _month_before(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def month_to(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> Month:
    """The month up to `today` beside the same days of the month before, cut at that month's own end."""
    start = today.replace(day=1)
    before_end = start - timedelta(days=1)
    before_start = _month_before(today)
    before_today = before_start.replace(day=min(today.day, monthrange(before_start.year, before_start.month)[1]))
    allowed, values = viewer.numbers()
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _COUNTS)
    rows = connection.execute(
        f"""
        SELECT part, min(day), coalesce(sum(cost_usd), 0),
            coalesce(sum(cost_usd) FILTER (settlement = 'provisional'), 0), {sums}
        FROM (
            SELECT *, CASE WHEN day >= ? THEN 'so far' WHEN day <= ? THEN 'before' ELSE 'rest' END AS part
            FROM {_SPEND} WHERE day BETWEEN ? AND ? AND {allowed}
        ) GROUP BY part
        """,
        [start, before_today, before_start, today, *values],
    ).fetchall()
    parts = {part: Totals(*figures) for part, _, *figures in rows}
    first_day = min((day for _, day, *_ in rows), default=None)
    # The past is looked through only where the compared days begin with one without a row.
    covered = first_day is None or first_day == before_start or _began_before(connection, viewer, before_start)
    none = Totals(Decimal(0), Decimal(0), 0, 0, 0, 0, 0, 0)
    before, rest = parts.get("before", none), parts.get("rest", none)
    return Month(
        start=start,
        today=today,
        before_start=before_start,
        before_today=before_today,
        before_end=before_end,
        so_far=parts.get("so far", none),
        before=before,
        before_whole_usd=before.cost_usd + rest.cost_usd,
        first_day=None if covered else first_day,
    )


def _began_before(connection: DuckDBPyConnection, viewer: Viewer, day: date) -> bool:
    allowed, values = viewer.numbers()
    query = f"SELECT 1 FROM {_SPEND} WHERE day < ? AND {allowed} LIMIT 1"
    return connection.execute(query, [day, *values]).fetchone() is not None


def spend_by_day(connection: DuckDBPyConnection, viewer: Viewer, asked: DailySpend) -> list[DayRow]:
    """Spend per day and series, dearest series first; past the first seven they add up to "Other"."""
    cells, values = _cells(viewer, asked)
    return [
        DayRow(*row)
        for row in connection.execute(
            f"""
            WITH cell AS (
                {cells}
            ), ranked AS (
                SELECT name, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, name) AS place
                FROM cell GROUP BY name
            ), named AS (
                SELECT day, CASE WHEN place <= {_SERIES} THEN cell.name ELSE '{OTHER}' END AS name,
                    least(place, {_SERIES + 1}) AS place, cost_usd
                FROM cell JOIN ranked ON cell.name IS NOT DISTINCT FROM ranked.name
            )
            SELECT day, name, sum(cost_usd) FROM named GROUP BY day, name, place
            HAVING sum(cost_usd) IS NOT NULL ORDER BY place, day
            """,
            values,
        ).fetchall()
    ]


def _cells(viewer: Viewer, asked: DailySpend) -> tuple[str, list[object]]:
    """SQL of day, name and cost, with its bound values."""
    if asked.dimension not in DIMENSIONS:
        raise ValueError("spend is told apart by one of: " + ", ".join(DIMENSIONS))
    allowed, values = viewer.numbers()
    named = asked.dimension in _NUMBERED
    column = f"{asked.dimension}_no" if named else asked.dimension
    source = local_spend.SUMMARY if asked.local else _SPEND
    query = f"""SELECT day, {column} AS name, sum(cost_usd) AS cost_usd FROM {source}
                WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL"""
    if named:
        query = f"""SELECT day, label AS name, sum(cost_usd) AS cost_usd FROM ({query}) AS told
                LEFT JOIN model.{asked.dimension} AS named ON named.{column} = told.name AND named.valid_to IS NULL
                GROUP BY ALL"""
    return query, [asked.start, asked.today, *values]


def shares(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[ShareRow]:
    """Who took the month's spend so far: providers, models and projects, dearest first, the tail as "Other"."""
    allowed, values = viewer.numbers()
    return [
        ShareRow(*row)
        for row in connection.execute(
            f"""
            WITH combination AS (
                SELECT provider, model, label AS project, told.cost_usd
                FROM (
                    SELECT provider, model, project_no, sum(cost_usd) AS cost_usd
                    FROM {_SPEND} WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL
                ) AS told
                LEFT JOIN model.project AS project
                    ON project.project_no = told.project_no AND project.valid_to IS NULL
            ), cell AS (
                SELECT CASE WHEN grouping(provider) = 0 THEN 'provider' WHEN grouping(model) = 0 THEN 'model'
                    ELSE 'project' END AS dimension,
                    CASE WHEN grouping(provider) = 0 THEN provider WHEN grouping(model) = 0 THEN model
                    ELSE project END AS name,
                    sum(cost_usd) AS cost_usd
                FROM combination GROUP BY GROUPING SETS ((provider), (model), (project))
            ), placed AS (
                SELECT *, row_number() OVER (PARTITION BY dimension ORDER BY cost_usd DESC, name) AS place
                FROM cell WHERE cost_usd IS NOT NULL AND cost_usd <> 0
            )
            SELECT dimension, CASE WHEN place <= {_SHARES} THEN name ELSE '{OTHER}' END, sum(cost_usd)
            FROM placed GROUP BY dimension, 2, least(place, {_SHARES + 1})
            ORDER BY dimension, least(place, {_SHARES + 1})
            """,
            [today.replace(day=1), today, *values],
        ).fetchall()
    ]


def latency(connection: DuckDBPyConnection, viewer: Viewer, asked: DailySpend) -> list[LatencyRow]:
    """Percentiles per UTC day and over the stretch: the first bucket whose cumulative count reaches each."""
    allowed, values = viewer.numbers()
    picks = ", ".join(f"min(bucket_ms) FILTER (reached * 100 >= {p} * whole)" for p in _PERCENTILES)
    return [
        LatencyRow(*row)
        for row in connection.execute(
            f"""
            WITH by_day AS MATERIALIZED (
                SELECT day, bucket_ms, sum(requests) AS requests FROM model.latency_daily
                WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL
            ), bucket AS (
                FROM by_day
                UNION ALL SELECT NULL, bucket_ms, sum(requests) FROM by_day GROUP BY ALL
            ), running AS (
                SELECT day, bucket_ms, sum(requests) OVER (PARTITION BY day ORDER BY bucket_ms) AS reached,
                    sum(requests) OVER (PARTITION BY day) AS whole
                FROM bucket
            )
            SELECT day, {picks} FROM running GROUP BY day ORDER BY day NULLS FIRST
            """,
            [asked.start, asked.today, *values],
        ).fetchall()
    ]


def unpriced(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[UnpricedRow]:
    """The models this month's unpriced calls went to, most calls first."""
    allowed, values = viewer.numbers()
    return [
        UnpricedRow(*row)
        for row in connection.execute(
            f"""
            SELECT provider, model, sum(unpriced_requests) FROM {_SPEND}
            WHERE day BETWEEN ? AND ? AND unpriced_requests > 0 AND {allowed}
            GROUP BY ALL ORDER BY 3 DESC, 1, 2
            """,
            [today.replace(day=1), today, *values],
        ).fetchall()
    ]
