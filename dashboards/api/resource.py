"""What a program may ask for, as it is declared: its path, its parameters, its columns and who answers it.

Handlers read queries by it and the OpenAPI document is made of it, so that neither says what the other does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.api.parameter import Parameter
from dashboards.api.problem import Problem
from dashboards.api.representation import MEDIA_TYPES
from dashboards.figures.viewer import Viewer
from dashboards.figures.zone_figures import Zones
from warehouse.home import Home

Kind = Literal["day", "moment", "text", "money", "share", "count"]
DEFAULT_DAYS = 30
MOST_ROWS = 50_000
_USUAL_ROWS = 10_000
_SCHEMAS: dict[Kind, dict[str, str]] = {
    "day": {"type": "string", "format": "date"},
    "moment": {"type": "string", "format": "date-time"},
    "text": {"type": "string"},
    "money": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "share": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "count": {"type": "integer"},
}


@dataclass(frozen=True)
class Column:
    """A column of an answer: money is a decimal string of USD, a share one from 0 to 1, days and moments are UTC's.

    It may be null, and stands in each row unless `is_asked`: then only where the query asks for it.
    """

    name: str
    kind: Kind
    meaning: str
    is_asked: bool = False

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        told = _SCHEMAS[self.kind]
        return {**told, "type": [told["type"], "null"], "description": self.meaning}


@dataclass(frozen=True)
class Asking:
    """One question: the version that is open, who asks, what they said, and which day it is.

    `today` is that of the zones in which the caller reads days, `utc_today` that of UTC.
    """

    connection: DuckDBPyConnection
    viewer: Viewer
    home: Home
    utc_today: date
    today: date
    zones: Zones
    said: dict[str, Any]

    @property
    def limit(self) -> int:
        """How many rows at most."""
        return int(self.said["limit"])

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return int(self.said["offset"])

    def days(self, most: int | None = None) -> tuple[date, date]:
        """The days that are asked for, both included; a Problem where they run backwards or are too many."""
        start, end = self.said["from"], self.said["to"]
        end = self.today if end is None else end
        start = end - timedelta(days=min(DEFAULT_DAYS - 1, (end - date.min).days)) if start is None else start
        if start > end:
            raise Problem(422, f"from is {start}, after {end}", "turn from and to around", "from")
        end = min(end, self.today)
        if most is not None and (end - start).days >= most:
            raise Problem(422, f"that is more than {most} days", f"ask for at most {most} days at once", "from")
        return start, end


@dataclass(frozen=True)
class Resource:
    """A path, what it answers, what may be asked, and the function that answers with a table.

    Where it `cuts`, the function itself leaves out the rows before the offset and gives one more than the limit where
    there are more. `state` is what an answer depends on besides the version.
    """

    path: str
    meaning: str
    own: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    answer: Callable[[Asking], pa.Table]
    cuts: bool = False
    state: Callable[[Home, Viewer], str] | None = None

    @property
    def name(self) -> str:
        """Its name: that of a file, and of its schema."""
        return self.path.removeprefix("/api/").replace("/", "-")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its own parameters and those of every resource."""
        return (*self.own, *_OF_ALL)


_OF_ALL = (
    Parameter("format", "one_of", "The form of the answer; it wins over Accept.", tuple(MEDIA_TYPES)),
    Parameter("limit", "count", "How many rows at most; what follows is under `next`.", (), 1, MOST_ROWS, _USUAL_ROWS),
    Parameter("offset", "count", "How many rows to leave out first; `next` says it.", (), 0, 999_999_999, 0),
    Parameter(
        "version",
        "count",
        "Only of this published version: pages of one answer belong together. 409 where a newer one is out.",
        (),
        0,
        999_999_999,
    ),
)
FROM = Parameter("from", "day", f"The first day; without it {DEFAULT_DAYS} days up to `to`.")
TO = Parameter("to", "day", "The last day, included; without it, or past it, today.")
