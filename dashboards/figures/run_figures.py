"""control.pass_run -> how the passes of the last days ended, and what landed in them; the operator's."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from dashboards.figures.viewer import Viewer
from warehouse import database
from warehouse.control import pass_run
from warehouse.control.pass_run import PassRun
from warehouse.home import Home

DAYS = 14


class RunDay(NamedTuple):
    """A UTC day's passes: how many ended, how many of them not well, the rows that landed and the lines held back."""

    day: date
    passes: int
    failed: int
    rows: int
    quarantined: int


def runs(home: Home, viewer: Viewer, now: datetime) -> list[PassRun]:
    """The passes of the last days up to `now` (UTC), the newest first; nothing for anyone but the operator."""
    if not viewer.is_operator or viewer.projects is not None:
        return []
    first = datetime.combine(now.date() - timedelta(days=DAYS - 1), datetime.min.time())
    with database.control(home) as control:
        return pass_run.listed(control, first)


def by_day(found: list[PassRun], today: date) -> list[RunDay]:
    """The same by the day on which they ended, the oldest first, days without a pass as well."""
    told = []
    for back in reversed(range(DAYS)):
        day = today - timedelta(days=back)
        there = [one for one in found if one.ended_at.date() == day]
        failed = sum(not one.is_good for one in there)
        rows, held = sum(one.rows for one in there), sum(one.quarantined for one in there)
        told.append(RunDay(day, len(there), failed, rows, held))
    return told
