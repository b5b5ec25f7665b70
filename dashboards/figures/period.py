"""Which days a page is asked for, and the days before them to compare with; it lives in the URL.

A URL comes from anyone: what is unknown or makes no sense falls back to the default, without an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DEFAULT_DAYS = 30
# So many days, and as many before: more would be more than a page waits for.
MOST_DAYS = 400
_EARLIEST = date(2015, 1, 1)
_LONGEST_SEARCH = 80


@dataclass(frozen=True)
class Period:
    """UTC days, both included, the words that a name must hold, and what one thing is looked at (none: all)."""

    start: date
    end: date
    search: str = ""
    picked: str = ""

    @staticmethod
    def from_query(query: Mapping[str, Sequence[str]], today: date) -> "Period":
        """The period a URL describes; the last thirty days where it does not say."""
        end = min(_day(query.get("to", ()), today), today)
        start = min(_day(query.get("from", ()), end - timedelta(days=DEFAULT_DAYS - 1)), end)
        start = max(start, end - timedelta(days=MOST_DAYS - 1))
        return Period(start, end, _text(query.get("q", ())), _text(query.get("one", ())))

    def to_query(self, today: date) -> dict[str, list[str]]:
        """The URL's words for what differs from the default."""
        usual = Period.from_query({}, today)
        words: dict[str, list[str]] = {}
        if (self.start, self.end) != (usual.start, usual.end):
            words = {"from": [self.start.isoformat()], "to": [self.end.isoformat()]}
        if self.search:
            words["q"] = [self.search]
        if self.picked:
            words["one"] = [self.picked]
        return words

    @property
    def days(self) -> int:
        """How many days there are."""
        return (self.end - self.start).days + 1

    @property
    def before_start(self) -> date:
        """The first of as many days before, the last of which is the day before `start`."""
        return self.start - timedelta(days=self.days)

    @property
    def before_end(self) -> date:
        """The day before `start`."""
        return self.start - timedelta(days=1)

    def matching(self, *columns: str) -> tuple[str, list[object]]:
        """SQL for WHERE: one of the columns holds the search; the columns' names are our own."""
        if not self.search:
            return "true", []
        return f"contains(lower(concat_ws(chr(10), {', '.join(columns)})), lower(?))", [self.search]


def _text(values: Sequence[str]) -> str:
    return "".join(values[:1])[:_LONGEST_SEARCH].strip()


def _day(values: Sequence[str], usual: date) -> date:
    for text in values[:1]:
        try:
            return max(date.fromisoformat(text), _EARLIEST)
        except ValueError:
            return usual
    return usual
