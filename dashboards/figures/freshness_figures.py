"""model.spend_summary_daily, mart.coverage, control.quarantine -> how far figures go, what was held back or untold."""

from datetime import date, timedelta
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import database
from warehouse.home import Home

_LATELY = timedelta(days=90)


class Reach(NamedTuple):
    """How far the figures of a provider go by one basis: log, usage, bill, estimate or plan; days are UTC's."""

    provider: str | None
    basis: str
    last_day: date
    provisional_days: int
    unpriced_requests: int


class HeldBack(NamedTuple):
    """Lines of a gateway that were not taken, by reason; none of their text is kept."""

    gateway: str
    reason: str
    lines: int
    last_seen: str


def reach(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[Reach]:
    """Each provider and basis of the last 90 days, the newest first."""
    allowed, values = viewer.numbers()
    query = f"""
        SELECT provider, basis, max(day), count(DISTINCT day) FILTER (settlement = 'provisional'),
            coalesce(sum(unpriced_requests), 0)::BIGINT
        FROM model.spend_summary_daily WHERE day BETWEEN ? AND ? AND {allowed}
        GROUP BY provider, basis ORDER BY provider, basis"""
    return [Reach(*row) for row in connection.execute(query, [today - _LATELY, today, *values]).fetchall()]


def untold(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[tuple[str, str]]:
    """Source and sentence: what a connected bill does not tell."""
    allowed, values = viewer.condition_without_project()
    query = f"SELECT DISTINCT source, note FROM mart.coverage WHERE {allowed} ORDER BY ALL"
    return connection.execute(query, values).fetchall()


def held_back(home: Home, viewer: Viewer) -> list[HeldBack]:
    """Lines in quarantine by gateway and reason, most first; a log is of all accounts, so the operator's alone."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    with database.control(home) as control:
        rows = control.execute(
            """SELECT gateway, reason, count(*), substr(max(seen_at), 1, 10) FROM quarantine
               GROUP BY gateway, reason ORDER BY 3 DESC, 1, 2 LIMIT 100"""
        ).fetchall()
    return [HeldBack(*row) for row in rows]
