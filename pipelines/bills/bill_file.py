"""A bill's file -> its rows, one at a time: CSV, JSON lines or Parquet; plain, gzip or zstd; on disk or in a bucket.

Nothing here trusts a file: memory stays at one row, a line or a swollen archive beyond measure refuses the file as a
whole. A double of Parquet is read as its shortest decimal, which is what its writer printed.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.bills.json_number import exact, whole
from pipelines.gateways.logfile import LONGEST_LINE, RefusedFileError

FORMS = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz", ".ndjson")
_FREE_BYTES, _MOST_RATIO = 64 * 1024 * 1024, 500
_BATCH_ROWS = 5_000
# Which keys lines of JSON have, remembered.
_MOST_SHAPES = 1_000
_BUFFER = 1024 * 1024
_NOTHING = frozenset(("", "NULL", "null"))

# A column is found under the first of its names that the file has; a dot leads into a nested column.
Columns = Sequence[tuple[str, ...]]
HoldBack = Callable[[int, int, str], None]


@dataclass(frozen=True)
class BillFile:
    """A file by its name, its size, what tells one state of it from another, and how it is opened (seekable)."""

    name: str
    size: int
    state: str
    open: Callable[[], Any]

    @property
    def is_readable(self) -> bool:
        """Whether its name ends like a form that is read here."""
        return self.name.lower().endswith(FORMS)


def rows(file: BillFile, columns: Columns, needed: int, hold_back: HoldBack) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give line number and the values of `columns`; None where a row or the file has none.

    The first `needed` columns have to be there. A row that is none is told to `hold_back` (line, bytes, reason).
    RefusedFileError where the file is no bill as a whole; what it gave before is void then.
    """
    name = file.name.lower()
    try:
        if name.endswith(".parquet"):
            yield from _parquet(file, columns, needed)
        elif ".csv" in name:
            yield from _csv(file, columns, needed, hold_back)
        else:
            yield from _json(file, columns, needed, hold_back)
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, OSError):
        raise RefusedFileError(f"{file.name} is no whole file of its form") from None


def _lines(file: BillFile) -> Iterator[str]:
    """The file's lines as text; the byte-order mark of a spreadsheet is no text."""
    with file.open() as packed, closing(_unpacked(file, packed)) as handle:
        total, first = 0, True
        while line := handle.readline(LONGEST_LINE + 1):
            total += len(line)
            if len(line) > LONGEST_LINE or total > max(_FREE_BYTES, file.size * _MOST_RATIO):
                raise RefusedFileError(f"{file.name} has a line, or swells to a size, beyond measure")
            try:
                yield bytes(line).decode("utf-8-sig" if first else "utf-8")
            except UnicodeDecodeError:
                raise RefusedFileError(f"{file.name} is no UTF-8 text") from None
            first = False


def _unpacked(file: BillFile, packed: Any) -> Any:
    name = file.name.lower()
    if name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=packed), _BUFFER)
    if name.endswith(".zst"):
        return io.BufferedReader(pa.CompressedInputStream(packed, "zstd"), _BUFFER)
    # A file of a bucket reads no lines by itself.
    return packed if isinstance(packed, io.BufferedReader) else io.BufferedReader(packed, _BUFFER)


def _csv(file: BillFile, columns: Columns, needed: int, hold_back: HoldBack) -> Iterator[tuple[int, tuple[Any, ...]]]:
    reader = csv.reader(_lines(file), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise RefusedFileError(f"{file.name} has no header") from None
    # One value more than the file has: what a missing column gives.
    places = [header.index(name) if name else len(header) for name in _found(file, columns, needed, header)]
    pick = itemgetter(*places)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            hold_back(reader.line_num, 0, "no row of CSV")
            continue
        if len(row) == len(header):
            row.append("")
            yield reader.line_num, tuple(None if value in _NOTHING else value for value in pick(row))
        elif row:
            hold_back(reader.line_num, sum(map(len, row)), "another number of columns than the header")


def _json(file: BillFile, columns: Columns, needed: int, hold_back: HoldBack) -> Iterator[tuple[int, tuple[Any, ...]]]:
    # A key that is null may be left out: any line may have any of them.
    found: dict[tuple[str, ...], list[list[str]]] = {}
    for number, line in enumerate(_lines(file), 1):
        try:
            row = json.loads(line, parse_float=exact, parse_int=whole, parse_constant=exact) if line.strip() else {}
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            hold_back(number, len(line), "no JSON object")
        elif row:
            keys = tuple(row)
            if keys not in found:
                if len(found) > _MOST_SHAPES:
                    found.clear()
                found[keys] = _paths(columns, row)
            yield number, tuple(walked(row, path) for path in found[keys])
    if not found and needed:
        raise RefusedFileError(f"{file.name} has no row")


def _paths(columns: Columns, row: dict[str, Any]) -> list[list[str]]:
    found = [next((name for name in names if name.split(".")[0] in row), names[0]) for names in columns]
    return [name.split(".") for name in found]


def _parquet(file: BillFile, columns: Columns, needed: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    number = 0
    with file.open() as handle, pq.ParquetFile(handle) as opened:
        schema = opened.schema_arrow
        top = schema.names
        found = _found(file, columns, needed, [*top, *_nested(schema)])
        wanted = list(dict.fromkeys(name.split(".")[0] for name in found if name))
        for batch in opened.iter_batches(_BATCH_ROWS, columns=wanted):
            held = {name: [_exact(value) for value in batch.column(name).to_pylist()] for name in wanted}
            values = [
                [walked({path[0]: value}, path) for value in held[path[0]]] if name else [None] * batch.num_rows
                for name, path in ((name, name.split(".")) for name in found)
            ]
            for row in zip(*values, strict=True):
                number += 1
                yield number, row


def _nested(schema: Any) -> Iterator[str]:
    for column in schema:
        if pa.types.is_struct(column.type):
            yield from (f"{column.name}.{column.type.field(i).name}" for i in range(column.type.num_fields))


def _found(file: BillFile, columns: Columns, needed: int, there: Sequence[str]) -> list[str]:
    """The name under which each column is there, or nothing."""
    if len(set(there)) != len(there):
        raise RefusedFileError(f"{file.name} has a column twice")
    found = [next((name for name in names if name in there), "") for names in columns]
    missing = [columns[place][0] for place in range(needed) if not found[place]]
    if missing:
        raise RefusedFileError(f"{file.name} has no column {', '.join(missing)}")
    return found


def walked(row: dict[str, Any], path: Sequence[str]) -> Any:
    """The value at the end of a path of names; a column may be nested, or be called as its path is."""
    value: Any = row.get(".".join(path)) if len(path) > 1 else None
    if value is None:
        value = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
    return None if isinstance(value, str) and value in _NOTHING else value


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: _exact(one) for name, one in value.items()}
    return [_exact(one) for one in value] if isinstance(value, list) else value
