"""Whether the clock may be believed: a clock that jumps forward must not make anything expire before its time.

Three witnesses, the strongest first: the machine's uptime, which runs on whatever the clock is set to; the calls that
gateways told of in the last two hours, by their own clocks; and, after a reboot, that less than 36 hours have passed.
A clock that jumped back needs none: by it everything is younger, so nothing goes early.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from retention.errors import ClockError
from warehouse import database

_DRIFT = timedelta(hours=1)
_WITNESS = timedelta(hours=2)
_NIGHT = timedelta(hours=36)


@dataclass(frozen=True)
class Reading:
    """What the machine says: the time (UTC, naive), which boot it is in, and for how many seconds it has been up."""

    now: datetime
    boot: str
    uptime_s: float


def believe(control: sqlite3.Connection, reading: Reading) -> None:
    """Return where nothing speaks against the clock; ClockError says by how much it is ahead, and what to do."""
    last = _last(control)
    ahead = timedelta(0) if last is None else reading.now - last.now
    if last is None or ahead <= timedelta(0):
        return
    if last.boot == reading.boot:
        if ahead - timedelta(seconds=reading.uptime_s - last.uptime_s) <= _DRIFT:
            return
    elif ahead <= _NIGHT:
        return
    since, until = (database.stamp(moment) for moment in (reading.now - _WITNESS, reading.now))
    if control.execute("SELECT 1 FROM load WHERE last_at BETWEEN ? AND ? LIMIT 1", (since, until)).fetchone():
        return
    raise ClockError(
        f"the clock is {ahead.total_seconds() / 3600:,.0f} hours ahead of the last run and no call of the last two "
        "hours bears it out: nothing was deleted; set the clock, or run `apiledger policy expire --clock-is-right`"
    )


def remember(control: sqlite3.Connection, reading: Reading) -> None:
    """Keep the highest moment that was believed, with the uptime it was read at."""
    last = _last(control)
    if last is None or reading.now >= last.now:
        text = f"{database.stamp(reading.now)} {reading.boot} {reading.uptime_s}"
        control.execute("INSERT OR REPLACE INTO setting VALUES ('retention_clock', ?)", (text.encode(),))


def _last(control: sqlite3.Connection) -> Reading | None:
    row = control.execute("SELECT value FROM setting WHERE name = 'retention_clock'").fetchone()
    if row is not None:
        stamp, boot, uptime_s = row[0].decode().split(" ")
        return Reading(database.moment(stamp), boot, float(uptime_s))
    # Before the first run, the first landing is what is known of the time.
    (first,) = control.execute("SELECT min(landed_at) FROM load").fetchone()
    return None if first is None else Reading(database.moment(first), "", 0)
