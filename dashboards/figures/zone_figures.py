"""model.account_zone, model.account -> in which zones' days one viewer reads spend."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer
from warehouse import zone


@dataclass(frozen=True)
class Zones:
    """The zones in use, none where all days are UTC days."""

    names: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How a day is called on a page."""
        return "UTC" if not self.names else self.names[0] if len(self.names) == 1 else "each account's zone"

    def today(self, now: datetime) -> date:
        """The day that is on at a UTC moment, the furthest where there are several."""
        aware = now.replace(tzinfo=UTC)
        return max((aware.astimezone(ZoneInfo(name)).date() for name in self.names), default=aware.date())

    def note(self, today: date) -> str | None:
        """What is to be known of days that are not UTC's; None where they are."""
        if not self.names:
            return None
        off = [name for name in self.names if zone.is_off_the_hour(name, today)]
        said = f"Days are those of {self.label}, made of UTC hours"
        if off:
            said += f"; in {', '.join(off)} a day begins within a UTC hour, and that whole hour is counted to it"
        return f"{said}. Bills, providers' counts and days older than the hours that are kept are UTC days."


def in_use(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> Zones:
    """The zones of the accounts that a viewer sees; the usual one counts for whoever has none."""
    allowed, values = viewer.account_condition()
    rows = connection.execute(
        f"""SELECT DISTINCT coalesce(own.zone, usual.zone, '{zone.UTC_NAME}') AS zone
            FROM (SELECT account_no, label AS account FROM model.account WHERE valid_to IS NULL) AS seen
            LEFT JOIN model.account_zone AS own ON own.account_no = seen.account_no
            LEFT JOIN (SELECT zone FROM model.account_zone WHERE account_no IS NULL) AS usual ON true
            WHERE {allowed} ORDER BY zone""",
        values,
    ).fetchall()
    names = tuple(name for (name,) in rows)
    return Zones() if set(names) <= {zone.UTC_NAME} else Zones(names)
