"""mart.freshness, mart.published, model.spend_summary_daily -> what every page's frame tells: how new, how much."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer

_LATELY = timedelta(days=31)


class SourceRow(NamedTuple):
    """How fresh a source is: a log by its calls and files, a bill by its days; moments and days are UTC."""

    source: str
    last_request_at: datetime | None
    last_landed_at: datetime | None
    files: int
    rows: int
    quarantined_rows: int
    kind: str
    last_day: date | None
    last_read_on: date | None
    skipped: str | None


class Published(NamedTuple):
    """The version that is read."""

    version: int
    as_of: datetime
    home: str


class Frame(NamedTuple):
    """Whether there is any spend to show, the sources by name, and the version, None where it does not say."""

    has_spend: bool
    sources: list[SourceRow]
    version: Published | None


def frame(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> Frame:
    """All that the frame tells, in one question: opening a version takes as long as asking it."""
    columns = ", ".join(SourceRow._fields)
    # Files and rows of a source are those of every account in it.
    shown = "true" if viewer.is_operator else "false"
    query = f"SELECT {columns} FROM mart.freshness WHERE {shown} ORDER BY kind DESC, source"
    sources = connection.execute(query).fetchall()
    return Frame(
        has_spend=_has_spend(connection, viewer, today),
        sources=[SourceRow(*row) for row in sources],
        version=published(connection),
    )


def published(connection: DuckDBPyConnection) -> Published | None:
    """The version that is open; None where it does not say."""
    row = connection.execute("SELECT version, as_of, home FROM mart.published").fetchone()
    return None if row is None else Published(*row)


def _has_spend(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> bool:
    allowed, values = viewer.numbers()
    # The mart adds up every day it is asked for, so the last month is looked at before all that was.
    return any(
        connection.execute(
            f"SELECT 1 FROM model.spend_summary_daily WHERE day >= ? AND {allowed} LIMIT 1", [since, *values]
        ).fetchone()
        for since in (today - _LATELY, date.min)
    )
