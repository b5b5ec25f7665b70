"""The record as a row: for sources whose `decode` gives the record's own columns, so that they need no SQL of theirs.

The one difference is the moment of the call, which is told in whole microseconds since 1970 (`requested_us`).
"""

from typing import Any

import pyarrow as pa

from pipelines.gateways.record import COLUMNS

_KINDS = {"SMALLINT": pa.int16(), "DOUBLE": pa.float64(), "VARCHAR[]": pa.list_(pa.string()), "VARCHAR": pa.string()}
SCHEMA = pa.schema(
    [("requested_us", pa.int64()) if name == "requested_at" else (name, _KINDS[kind]) for name, kind in COLUMNS]
)
_NAMES = frozenset(SCHEMA.names)
# The year 2100 and a little; DuckDB raises at a moment that no calendar has, and one line would stop a whole file.
_LAST_US = 4_200_000_000_000_000


def row(**fields: Any) -> tuple[Any, ...]:
    """Give a row of SCHEMA: the named columns, the others NULL; `form` is 0 where it is not named."""
    if unknown := fields.keys() - _NAMES:
        raise TypeError(f"no column of the record: {', '.join(sorted(unknown))}")
    return tuple(fields.get(name, 0 if name == "form" else None) for name in SCHEMA.names)


def micros(moment_us: int | None) -> int | None:
    """Microseconds since 1970 where they are a moment that a calendar has; else None, which a rule refuses."""
    return moment_us if moment_us is not None and 0 <= moment_us <= _LAST_US else None


def meaning_sql(source: str) -> str:
    """A SELECT of the record's columns over a relation of SCHEMA."""
    special = {"requested_at": "make_timestamp(requested_us)"}
    selected = ", ".join(f"""{special.get(name, f'"{name}"')}::{kind} AS "{name}\"""" for name, kind in COLUMNS)
    return f"SELECT {selected} FROM {source}"
