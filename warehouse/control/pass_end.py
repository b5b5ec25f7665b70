"""How the last pass ended, and when one last ended well: written by whoever runs passes, read by who watches them."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import pass_run

# A pass an hour is due, whatever happens; one that is missed once may be a machine that was being started.
LATE_AFTER = timedelta(hours=2, minutes=30)


@dataclass(frozen=True)
class PassEnd:
    """When the last pass ended (UTC), whether well, and when one last did; None where none did yet."""

    ended_at: datetime
    is_good: bool
    good_at: datetime | None


def note(control: sqlite3.Connection, now: datetime, *, is_good: bool, took: timedelta | None = None) -> None:
    """A pass has ended; one that says how long it `took` began `now`."""
    moment = database.stamp(now)
    pass_run.note(control, now + (took or timedelta()), is_good=is_good, begun_at=None if took is None else now)
    control.execute(
        """INSERT INTO pass_end VALUES (1, ?, ?, ?) ON CONFLICT (place) DO UPDATE SET ended_at = excluded.ended_at,
           is_good = excluded.is_good, good_at = coalesce(excluded.good_at, good_at)""",
        (moment, is_good, moment if is_good else None),
    )


def last(control: sqlite3.Connection) -> PassEnd | None:
    """How the last pass ended; None before the first."""
    row = control.execute("SELECT ended_at, is_good, good_at FROM pass_end").fetchone()
    if row is None:
        return None
    return PassEnd(database.moment(row[0]), bool(row[1]), database.moment(row[2]) if row[2] else None)
