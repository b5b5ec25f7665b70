"""mart.changes, mart.settlement_window -> which past days moved, by how much and why, for one viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer

DEFAULT_DAYS = 7
_EARLIEST = date(2015, 1, 1)
# What a person may look at: figures of one kind, since they tell of the same money and are never added.
BASES = ("bill", "usage", "log")
FIRST = "first"


@dataclass(frozen=True)
class Asked:
    """Since which UTC date, which figure (None: the first that moved), and whether days told first count as well."""

    since: date
    basis: str | None = None
    with_first: bool = False

    @staticmethod
    def from_query(query: Mapping[str, Sequence[str]], today: date) -> "Asked":
        """What a URL asks; what is unknown or makes no sense falls back to the last week."""
        usual = today - timedelta(days=DEFAULT_DAYS)
        basis = next(iter(query.get("figure", ())), None)
        since = min(_day(query.get("since", ()), usual), today)
        return Asked(since, basis if basis in BASES else None, "first" in query.get("with", ()))

    def to_query(self, today: date) -> dict[str, list[str]]:
        """The URL's words for what differs from the default."""
        words = {"since": [self.since.isoformat()]} if self.since != today - timedelta(days=DEFAULT_DAYS) else {}
        words |= {"figure": [self.basis]} if self.basis else {}
        return words | ({"with": ["first"]} if self.with_first else {})


@dataclass(frozen=True)
class Moved:
    """How far figures of one kind moved: on how many past days, up, down, and by how much on the whole."""

    basis: str
    days: int
    up_usd: Decimal
    down_usd: Decimal
    moved_usd: Decimal


def moved(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> list[Moved]:
    """Each kind of figure that moved, bills first; days that were not over yet are not past."""
    told, bound = _told(viewer, asked)
    rows = connection.execute(
        f"""WITH {told}
            SELECT basis, count(DISTINCT day), coalesce(sum(moved_usd) FILTER (moved_usd > 0), 0),
                coalesce(sum(moved_usd) FILTER (moved_usd < 0), 0), sum(moved_usd)
            FROM told GROUP BY basis""",
        bound,
    ).fetchall()
    return sorted((Moved(*row) for row in rows), key=lambda row: BASES.index(row.basis))


def by_day(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> list[tuple[date, str, Decimal]]:
    """Day, reason, by how much: of the kind of figure that is asked for."""
    told, bound = _told(viewer, asked)
    return connection.execute(
        f"""WITH {told} SELECT day, reason, sum(moved_usd) AS moved_usd FROM told
            GROUP BY day, reason HAVING sum(moved_usd) <> 0 ORDER BY day, reason""",
        bound,
    ).fetchall()


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """Every move: day, source, reason, before and after, how old the day was then; the largest first."""
    told, bound = _told(viewer, asked)
    return connection.execute(
        f"""WITH {told} SELECT day, provider, source, reason, before_usd, after_usd, moved_usd, moved_requests,
                moved_tokens, changed_at, age_days, settlement
            FROM told ORDER BY abs(moved_usd) DESC, day DESC, provider, source, reason, changed_at""",
        bound,
    ).to_arrow_table()


def windows(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[tuple[Any, ...]]:
    """How old days were when a source moved them last, a row a basis, source and provider.

    Days seen, p50, p95, longest, since when they are watched, how long a day is waited for and by what.
    """
    condition, bound = viewer.condition_without_project()
    return connection.execute(
        f"""SELECT basis, source, provider, days, p50_days, p95_days, longest_days, watched_from,
                settles_after_days || ' days, ' || told_by
            FROM mart.settlement_window
            WHERE (basis, source, provider) IN (SELECT (basis, source, provider) FROM mart.changes WHERE {condition})
            ORDER BY ALL""",
        bound,
    ).fetchall()


def _told(viewer: Viewer, asked: Asked) -> tuple[str, list[Any]]:
    """A subquery `told`: the moves of days that were over, since the date asked for, as this viewer may see them."""
    condition, bound = viewer.condition_without_project()
    first = "" if asked.with_first else f"AND reason <> '{FIRST}'"
    basis = "AND basis = ?" if asked.basis else ""
    sql = f"""told AS (
        SELECT * FROM mart.changes
        WHERE {condition} AND changed_at >= ? AND day < changed_at::DATE {first} {basis})"""
    return sql, [*bound, asked.since, *([asked.basis] if asked.basis else [])]


def _day(values: Sequence[str], usual: date) -> date:
    try:
        day = date.fromisoformat(values[0]) if values else usual
    except ValueError:
        return usual
    return day if day >= _EARLIEST else usual
