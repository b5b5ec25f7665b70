"""What a person asked of spend: days, grain, groups, chosen names, words, order; it lives in the URL.

A URL comes from anyone. Column names come only from the tables below; whatever else a URL says is a bound value or is
ignored.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

from dashboards.figures.viewer import Viewer
from warehouse import zone

# Months are asked for by programs; on a page they would be a handful of points.
Grain = Literal["day", "hour", "month", "total"]
GRAINS: tuple[Grain, ...] = ("day", "hour", "total")
# The word in the URL and on the page, and the column of mart.spend_daily and mart.spend_hourly.
DIMENSIONS = {
    "account": "account",
    "project": "project",
    "team": "team",
    "key": "key_label",
    "provider": "provider",
    "model": "model",
    # Whether it is a call's price or what the bill is more or less than the calls: those rows have no names.
    "basis": "basis",
}
_SEARCHED = ", ".join(column for name, column in DIMENSIONS.items() if name != "basis")
DEFAULT_DAYS = 30
# Hours past a month would be more points than a chart has pixels.
HOURLY_DAYS = 31
EARLIEST = date(2015, 1, 1)
LONGEST_SEARCH = 80
MOST_CHOSEN = 200
NOT_NAMED = ""


@dataclass(frozen=True)
class SpendFilter:
    """A question about spend. `start` and `end` are days, both included; `chosen` maps a dimension to its names."""

    start: date
    end: date
    grain: Grain = "day"
    group_by: tuple[str, ...] = ("provider",)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    search: str = ""
    # The zones whose days are meant, none for UTC: no part of the URL, since who looks has them.
    zones: tuple[str, ...] = ()

    @staticmethod
    def default(today: date) -> "SpendFilter":
        """The last thirty days by day and provider."""
        return SpendFilter(today - timedelta(days=DEFAULT_DAYS - 1), today)

    @staticmethod
    def from_query(query: Mapping[str, Sequence[str]], today: date) -> "SpendFilter":
        """The filter a URL describes; what is unknown or makes no sense falls back to the default, without an error."""
        usual = SpendFilter.default(today)
        end = min(_day(query.get("to", ()), usual.end), today)
        start = min(_day(query.get("from", ()), min(usual.start, end)), end)
        grain = next((g for g in GRAINS if g in query.get("grain", ())), usual.grain)
        asked = query.get("by", ())
        groups = tuple(dict.fromkeys(name for name in asked if name in DIMENSIONS))
        return SpendFilter(
            start=start,
            end=end,
            grain=grain,
            group_by=groups if groups or "none" in asked else usual.group_by,
            chosen={name: tuple(dict.fromkeys(query[name]))[:MOST_CHOSEN] for name in DIMENSIONS if query.get(name)},
            search="".join(query.get("q", ())[:1])[:LONGEST_SEARCH].strip(),
        ).within_reach()

    def to_query(self, today: date) -> dict[str, list[str]]:
        """The URL's parameters for this filter, without what is the default anyway."""
        usual = SpendFilter.default(today)
        query: dict[str, list[str]] = {}
        if self.start != usual.start:
            query["from"] = [self.start.isoformat()]
        if self.end != usual.end:
            query["to"] = [self.end.isoformat()]
        if self.grain != usual.grain:
            query["grain"] = [self.grain]
        if self.group_by != usual.group_by:
            query["by"] = list(self.group_by) or ["none"]
        query |= {name: list(names) for name, names in self.chosen.items() if names}
        if self.search:
            query["q"] = [self.search]
        return query

    def within_reach(self) -> "SpendFilter":
        """The same, hours kept to the last month of the range."""
        if self.grain == "hour" and (self.end - self.start).days >= HOURLY_DAYS:
            return replace(self, start=self.end - timedelta(days=HOURLY_DAYS - 1))
        return self

    def choosing_among(self, names: Mapping[str, Collection[str]]) -> "SpendFilter":
        """The same with only those chosen names that `names` has of their dimension."""
        kept = {
            dimension: tuple(name for name in chosen if name in names.get(dimension, ()))
            for dimension, chosen in self.chosen.items()
        }
        return replace(self, chosen={dimension: chosen for dimension, chosen in kept.items() if chosen})

    def hours_of(self, day: date) -> "SpendFilter":
        """The hours of one day, all else as it is."""
        return replace(self, start=day, end=day, grain="hour")

    @property
    def mart(self) -> str:
        """The smallest mart that answers at this grain."""
        if self.grain == "hour":
            return "mart.spend_hourly" if self._told & {"key", "provider", "model"} else "mart.spend_summary_hourly"
        if self.zones:
            return "mart.spend_local_daily"
        return "mart.spend_daily" if self.tells_keys else "mart.spend_summary_daily"

    @property
    def tells_keys(self) -> bool:
        """Whether keys are told apart, chosen or searched."""
        return "key" in self._told

    @property
    def _told(self) -> set[str]:
        return {*self.group_by, *(DIMENSIONS if self.search else ()), *self.chosen}

    @property
    def when(self) -> str | None:
        """The column of time at this grain; None where the whole range is one row."""
        return None if self.grain == "total" else self.grain

    def columns(self) -> list[str]:
        """The mart's columns to group by: time first, then the groups in the order chosen."""
        return [*([self.when] if self.when else []), *(DIMENSIONS[name] for name in self.group_by)]

    def condition(self, viewer: Viewer) -> tuple[str, list[object]]:
        """SQL for WHERE over `mart` and its bound values; the viewer's own condition is always part of it."""
        parts, bound = self.of_time(*viewer.condition())
        for dimension, names in self.chosen.items():
            parts.append(f"list_contains(?::VARCHAR[], coalesce({DIMENSIONS[dimension]}, '{NOT_NAMED}'))")
            bound.append(list(names))
        if self.search:
            parts.append(f"contains(lower(concat_ws(chr(10), {_SEARCHED})), lower(?))")
            bound.append(self.search)
        return " AND ".join(parts), bound

    def of_time(self, allowed: str, values: list[object]) -> tuple[list[str], list[object]]:
        """A viewer's condition and that of the days or hours, as parts of WHERE, with their bound values."""
        time = "hour >= ? AND hour < ?" if self.grain == "hour" else "day >= ? AND day < ?"
        return [allowed, time], [*values, *self._bounds()]

    @property
    def drawn_days(self) -> tuple[date, date]:
        """The first and the last day of the chart: of its UTC hours where it shows hours."""
        if self.grain != "hour":
            return self.start, self.end
        first, after = self._hours()
        return first.date(), (after - timedelta(hours=1)).date()

    def _bounds(self) -> tuple[object, object]:
        return self._hours() if self.grain == "hour" else (self.start, self.end + timedelta(days=1))

    def _hours(self) -> tuple[datetime, datetime]:
        """The first UTC hour, and the first that is past the range; the widest where there are several zones."""
        zones, following = self.zones or (zone.UTC_NAME,), self.end + timedelta(days=1)
        starts = min(zone.day_start(name, self.start) for name in zones)
        return starts, max(zone.day_start(name, following) for name in zones)


def _day(values: Sequence[str], usual: date) -> date:
    for text in values[:1]:
        try:
            return max(date.fromisoformat(text), EARLIEST)
        except ValueError:
            return usual
    return usual
