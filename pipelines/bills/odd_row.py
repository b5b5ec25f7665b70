"""A row of a provider's answer that is none: held back, counted and told, while the other rows of its day land.

A reason is one of a few sentences of ours: nothing of the row is kept, said or logged. What a row may hold is bounded,
so that no sum of many rows leaves the column it is stored in.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from warehouse import money
from warehouse.tables import Column, Table

Row = dict[str, Any]
_DECIMAL = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,3})?")
# Of a day and a line: a quadrillion tokens, as many dollars. A quantity may be of bytes.
MOST_COUNT = 10**15
MOST_AMOUNT, MOST_QUANTITY = Decimal(10**15), Decimal(10**18)


class OddRowError(ValueError):
    """A row that cannot be read; the message is the reason that is kept, and repeats no value."""


@dataclass(frozen=True)
class OddRow:
    """What stands for a row that is held back.

    One that may be of several days counts on the first of them; on the others it says that they may lack it.
    """

    reason: str
    counts: bool = True


Told = Row | OddRow


# What reading an item may raise; one that is no object has no field at all.
NO_ROW = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError)


def each(items: Iterable[Any], made: Callable[[Any], Row | Iterable[Row]]) -> list[Told]:
    """The rows that each item of an answer makes; an item that makes none is an odd row, as one is already."""
    told: list[Told] = []
    for item in items:
        if isinstance(item, OddRow):
            told.append(item)
            continue
        try:
            rows = made(item)
            told += [rows] if isinstance(rows, dict) else list(rows)
        except NO_ROW as error:
            told.append(OddRow(why(error)))
    return told


def why(error: Exception) -> str:
    """The reason that is kept of an item that was none."""
    if isinstance(error, OddRowError):
        return str(error)
    if isinstance(error, KeyError):
        return "a field that has to be there is missing"
    return "a field of another kind than documented"


def parted(table: Table, told: Iterable[Told]) -> tuple[list[Row], list[OddRow]]:
    """The rows that `table` can hold, and what stands for each of the others."""
    rows: list[Row] = []
    odd: list[OddRow] = []
    for one in told:
        if isinstance(one, OddRow):
            odd.append(one)
        elif (reason := _fault(table, one)) is not None:
            odd.append(OddRow(reason))
        else:
            rows.append(one)
    return rows, odd


def amount(value: object) -> Decimal:
    """A JSON number as an exact amount; OddRowError where it is none. Below 0 something was given back."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise OddRowError("an amount that is no number")
    return _bounded(value)


def literal(value: object) -> Decimal:
    """An amount that is written as a decimal string, exactly; OddRowError where it is none."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise OddRowError("an amount that is no decimal string")
    return _bounded(value)


def count(of: Mapping[str, Any], name: str) -> int:
    """A count of an item, from 0 up; it may be written 1.0, never a half. OddRowError where it is none, or missing."""
    value = of[name]
    # The bound first: the whole number that 1e999999999 is has a gigabyte.
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= _sized(value) <= MOST_COUNT:
        raise OddRowError("a count that is none")
    if value != int(value):
        raise OddRowError("a count that is none")
    return int(value)


def count_if_told(of: Mapping[str, Any], name: str) -> int:
    """A count that an item may leave out: none of it then."""
    return count(of, name) if name in of else 0


def word(value: object) -> str | None:
    """A text of an item, None where there is none; OddRowError where it is something else."""
    if value is not None and not (isinstance(value, str) and _is_text(value)):
        raise OddRowError("a word that is no text")
    return value


def part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an item, empty where it is null or left out; OddRowError where it is something else."""
    value = of.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise OddRowError("a field of another kind than documented")
    return value


def _sized(value: int | Decimal) -> int | Decimal:
    return -1 if isinstance(value, Decimal) and not value.is_finite() else value


def _bounded(value: str | int | Decimal) -> Decimal:
    try:
        exact = money.usd(value)
    except ValueError:
        raise OddRowError("an amount out of bounds") from None
    if exact.copy_abs() >= MOST_AMOUNT:
        raise OddRowError("an amount out of bounds")
    return exact


@cache
def _bounds(table: Table) -> tuple[tuple[Column, Decimal], ...]:
    return tuple(
        (column, MOST_QUANTITY if column.name == "quantity" else MOST_AMOUNT)
        for column in table.columns
        if column.type in {"VARCHAR", "BIGINT"} or column.type.startswith("DECIMAL")
    )


def _fault(table: Table, row: Row) -> str | None:
    """Why a row is none of its table; None where it is one."""
    for name in ("project", "project_name", "key"):
        value = row.get(name)
        if value is not None and not (isinstance(value, str) and _is_text(value)):
            return "an id that is no text"
    for column, most in _bounds(table):
        value = row.get(column.name)
        if value is None:
            continue
        if column.type == "VARCHAR":
            if not isinstance(value, str) or not _is_text(value):
                return "a word that is no text"
        elif column.type == "BIGINT":
            if type(value) is not int or not 0 <= value <= MOST_COUNT:
                return "a count out of bounds"
        elif not isinstance(value, Decimal) or not value.copy_abs() < most:
            return "an amount out of bounds"
    return None


def _is_text(value: str) -> bool:
    try:
        # Half of a surrogate pair is no text that can be stored or hashed.
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
