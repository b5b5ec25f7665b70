"""A provider's report rows -> rows of numbers and checked labels, as Parquet parts for dlt.

The provider's ids of projects, workspaces and keys become our own random numbers; an id that looks like a label is the
name until somebody gives another. Words that are no labels are replaced. What dlt sees is what is written here.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from warehouse import labels
from warehouse.bill_tables import CLASSES
from warehouse.control.connection import Connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.tables import Column, Table

# A bill's line is a phrase of the provider's: "gpt-4o-2024-08-06, input", "Claude Opus 5 Usage - Input Tokens".
LINE = r"[\w ./:+,()&%-]{1,200}"
# A cloud's meters name prices, too: "$0.40 per million requests".
METER = r"[\w ./:+,()&%$#'|=-]{1,200}"
_PATTERNS = {
    "model": labels.MODEL,
    **dict.fromkeys(("line_item", "description", "context_window", "provider_name"), LINE),
    **dict.fromkeys(("line", "service", "sku", "invoice", "quantity_unit", "exported_at"), METER),
}
_FRAME: dict[str, Any] = {
    "BIGINT": pl.Int64,
    "VARCHAR": pl.String,
    "DATE": pl.Date,
    "TIMESTAMP": pl.Datetime("us"),
    "DECIMAL(38,12)": pl.Decimal(38, 12),
}
_Row = dict[str, Any]
Frame = pl.DataFrame


class BillBoundary:
    """Numbers and checks one connection's rows; the caller holds the transaction on the control store."""

    def __init__(self, ids: OutsideIds, vault: Vault, connection: Connection) -> None:
        self._ids = ids
        self._vault = vault
        self._connection = connection

    def admit(self, table: Table, day: date, rows: Iterable[_Row]) -> list[_Row]:
        """A day's rows in the raw table's columns, sorted; pull_no and observed_at are still empty."""
        return sorted((self._admitted(table, day, row) for row in rows), key=repr)

    def _admitted(self, table: Table, day: date, row: _Row) -> _Row:
        ready = {
            "connection_no": self._connection.connection_no,
            "day": day,
            "project_no": self._number("project", row.get("project"), row.get("project_name")),
            "key_no": self._number("key", row.get("key")),
        }
        return {column.name: ready.get(column.name, self._value(column, row)) for column in table.columns}

    def _value(self, column: Column, row: _Row) -> Any:
        value = row.get(column.name, 0 if column.name in CLASSES else None)
        if column.type != "VARCHAR" or value is None:
            return value
        return self._word(column.name, str(value))

    def _number(self, kind: str, text: Any, name: Any = None) -> int | None:
        if text is None or text == "":
            return None
        owner = self._connection.account_no
        # A key's id is no name: only its number is shown.
        shown = str(name or text) if kind == "project" else None
        return self._ids.numbers(kind, self._connection.provider, [(owner, str(text), shown)])[owner, str(text)]

    def _word(self, kind: str, text: str) -> str:
        if re.fullmatch(_PATTERNS.get(kind, labels.PROVIDER), text) and not labels.is_telling(text):
            return text
        return f"{kind} {int.from_bytes(self._vault.lookup(kind, text)[:6])}"


def sha256(rows: list[_Row]) -> bytes:
    """What a day says, hashed: two pulls that tell the same have the same."""
    return hashlib.sha256("\n".join(repr(sorted(row.items())) for row in rows).encode()).digest()


def frame(table: Table, rows: list[_Row], pull_no: int, observed_at: datetime) -> Frame:
    """Rows of `admit` as a pull's frame; ValueError where a value is none that the table can hold."""
    schema = {column.name: _FRAME[column.type] for column in table.columns}
    try:
        return pl.DataFrame([{**row, "pull_no": pull_no, "observed_at": observed_at} for row in rows], schema=schema)
    except (pl.exceptions.PolarsError, OverflowError, RuntimeError):
        raise ValueError(f"a value of {table.name} that is out of bounds") from None


def write(path: Path, frames: Sequence[Frame]) -> tuple[Path, int]:
    """Write frames of one table as one Parquet part, 0600; gives the path and how many rows."""
    whole = pl.concat(frames)
    whole.write_parquet(path, compression="lz4", statistics=False)
    path.chmod(0o600)
    return path, whole.height
