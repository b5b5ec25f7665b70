"""One SQL question to the newest published version, within a time limit, and its answer as a table, CSV or JSON."""

import csv
import io
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb

from pipelines.errors import QueryError

LIMIT_S = 30.0
FORMATS = ("table", "csv", "json")
# What a spreadsheet takes for a formula when a cell of text begins with it (OWASP ASVS 1.2.10).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Answer:
    """The columns and rows of an answer, as Python values: money is Decimal, moments are UTC."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(connection: duckdb.DuckDBPyConnection, sql: str, limit_s: float = LIMIT_S) -> Answer:
    """Ask one question of a published version.

    QueryError, in DuckDB's own words, where it cannot be answered, and where it takes longer than `limit_s`.
    """
    timer = threading.Timer(limit_s, connection.interrupt)
    timer.start()
    try:
        cursor = connection.execute(sql)
        columns = tuple(str(column[0]) for column in cursor.description or ())
        return Answer(columns, cursor.fetchall())
    except duckdb.InterruptException:
        raise QueryError(f"the query took longer than {limit_s:g} s and was ended; ask for fewer days") from None
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    finally:
        timer.cancel()
        timer.join()


def told(answer: Answer, form: str) -> Iterator[str]:
    """Tell an answer line by line in one of FORMATS; money stays exact, as a string of plain digits."""
    if form == "csv":
        yield from _csv([answer.columns, *answer.rows])
    elif form == "json":
        rows = (json.dumps(dict(zip(answer.columns, map(_json, row), strict=True))) for row in answer.rows)
        yield from _bracketed(rows)
    else:
        yield from _table(answer)


def _csv(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow([_cell(value) for value in row])
        yield line.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else _text(value)


def _bracketed(rows: Iterable[str]) -> Iterator[str]:
    """Write a JSON array with an element a line, so that a large answer is never held as one text."""
    before = "["
    for row in rows:
        yield before + row
        before = ","
    yield "]" if before == "," else "[]"


def _json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        # Never 1E-12: what reads it need not know exponents.
        return format(value, "f")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return str(value)


def _table(answer: Answer) -> Iterator[str]:
    """Columns under their names, numbers to the right; what could steer a terminal is shown as a question mark."""
    cells = [["" if value is None else _printable(_text(value)) for value in row] for row in answer.rows]
    names = [_printable(name) for name in answer.columns]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [
        all(isinstance(row[at], (int, Decimal, float, type(None))) for row in answer.rows) for at in range(len(names))
    ]
    for row in (names, ["-" * width for width in widths], *cells):
        fields = zip(row, widths, right, strict=True)
        yield "  ".join(
            text.rjust(width) if to_right else text.ljust(width) for text, width, to_right in fields
        ).rstrip()
    yield f"({len(cells)} row{'' if len(cells) == 1 else 's'})"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
