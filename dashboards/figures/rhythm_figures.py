"""model.spend_summary_hourly, model.spend_summary_daily -> when a week costs most, and what takes more than before.

Plain functions of (connection, viewer, today); hours are UTC's.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import money

WEEKS = 4
_SPEND = "model.spend_summary_daily"
_MOVED_DAYS = 30
_DIMENSIONS = ("provider", "model", "project")


class Hour(NamedTuple):
    """An hour of the week, Monday's first is (1, 0): what it cost and its calls, in an average of the four weeks."""

    weekday: int
    hour: int
    cost_usd: Decimal
    requests: Decimal


class Mover(NamedTuple):
    """A name that took more or less in the last 30 days than in the 30 before them."""

    dimension: str
    name: str | None
    cost_usd: Decimal
    before_usd: Decimal

    @property
    def change_usd(self) -> Decimal:
        """By how much."""
        return self.cost_usd - self.before_usd


def week(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[Hour]:
    """Every hour of the week with a call in the four whole weeks up to yesterday."""
    allowed, values = viewer.numbers()
    rows = connection.execute(
        f"""SELECT isodow(hour), hour(hour), coalesce(sum(cost_usd), 0), sum(requests)::BIGINT
            FROM model.spend_summary_hourly WHERE hour >= ? AND hour < ? AND {allowed} GROUP BY 1, 2 ORDER BY 1, 2""",
        [today - timedelta(weeks=WEEKS), today, *values],
    ).fetchall()
    return [
        Hour(weekday, hour, money.CONTEXT.divide(cost, Decimal(WEEKS)), Decimal(requests) / WEEKS)
        for weekday, hour, cost, requests in rows
    ]


def reach(today: date) -> date:
    """The first day that `movers` compares."""
    return today - timedelta(days=2 * _MOVED_DAYS)


def movers(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[Mover]:
    """The three of each dimension that moved most, whole days alone: up to yesterday, against the 30 days before."""
    allowed, values = viewer.numbers()
    end = today - timedelta(days=1)
    start = today - timedelta(days=_MOVED_DAYS)
    named = " ".join(f"WHEN grouping({name}) = 0 THEN {name}" for name in _DIMENSIONS)
    kinds = " ".join(f"WHEN grouping({name}) = 0 THEN '{name}'" for name in _DIMENSIONS)
    sets = ", ".join(f"({name})" for name in _DIMENSIONS)
    return [
        Mover(*row)
        for row in connection.execute(
            f"""
            WITH cell AS (
                SELECT provider, model, label AS project, now_usd, before_usd
                FROM (
                    SELECT provider, model, project_no, sum(cost_usd) FILTER (day >= ?) AS now_usd,
                        sum(cost_usd) FILTER (day < ?) AS before_usd
                    FROM {_SPEND} WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL
                ) AS told
                LEFT JOIN model.project AS project
                    ON project.project_no = told.project_no AND project.valid_to IS NULL
            ), summed AS (
                SELECT CASE {kinds} END AS dimension, CASE {named} END AS name,
                    coalesce(sum(now_usd), 0) AS now_usd, coalesce(sum(before_usd), 0) AS before_usd
                FROM cell GROUP BY GROUPING SETS ({sets})
            )
            SELECT dimension, name, now_usd, before_usd FROM summed WHERE now_usd <> before_usd
            QUALIFY row_number() OVER (PARTITION BY dimension ORDER BY abs(now_usd - before_usd) DESC, name) <= 3
            ORDER BY dimension, abs(now_usd - before_usd) DESC, name
            """,
            [start, start, reach(today), end, *values],
        ).fetchall()
    ]
