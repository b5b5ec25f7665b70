"""The registry of sources: what a source's file says about itself, and how the files are found.

Dropping a file that names a `GATEWAY` into `providers/` gives it an inbox, a raw schema, an asset, checks and the tests
that run over every source.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines import providers

if TYPE_CHECKING:
    from pipelines.gateways.visit import Visit


class LineError(ValueError):
    """A line that a source cannot take; the message is the reason kept in quarantine and repeats no value."""


@dataclass(frozen=True)
class Place:
    """Where a source's log lies when nobody brings it: read there, never moved or changed, once the owner says so.

    `setting` is the environment variable that switches it on and says where. `collect` hands over what is new;
    PlaceError where it cannot be read. `has_news` is a cheap look for the sensor; without it every visit is one.
    """

    name: str
    title: str
    setting: str
    collect: Callable[["Visit"], None]
    has_news: Callable[["Visit"], bool] | None = None


@dataclass(frozen=True)
class Gateway:
    """A gateway whose logs arrive as files in `inbox/<name>/`, one JSON object a line.

    `columns` are the source's own columns: what `decode` makes of one line, and what each of `file_sql`, one a form of
    the log, reads of a whole file in DuckDB (none where only `decode` can). `meaning_sql` maps a relation of them to
    `record.COLUMNS`.
    `keys` are the top-level names that are read; other names are counted from a sample. Where one line holds any number
    of records, `spread` makes them of it in `decode`'s place: a row each, or the LineError of one that cannot be taken.
    """

    name: str
    title: str
    columns: pa.Schema
    decode: Callable[[bytes], tuple[Any, ...]]
    meaning_sql: Callable[[str], str]
    keys: frozenset[str]
    file_sql: tuple[Callable[[str], str], ...] = ()
    spread: Callable[[bytes], Sequence[tuple[Any, ...] | LineError]] | None = None
    places: tuple[Place, ...] = ()

    @property
    def schema(self) -> str:
        """The raw schema its rows land in."""
        return f"raw_{self.name}"


@cache
def gateways() -> dict[str, Gateway]:
    """Every gateway source, by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(providers.__path__), key=lambda entry: entry.name):
        if module.name.startswith("apiledger_"):
            # These run inside somebody else's process and are no source of ours.
            continue
        gateway = getattr(importlib.import_module(f"{providers.__name__}.{module.name}"), "GATEWAY", None)
        if isinstance(gateway, Gateway):
            found[gateway.name] = gateway
    return found
