"""model.* -> model.reconciliation: what log, provider's count and bill say of a day, side by side.

Its companion model.difference says why they differ, a UTC month at a time, so that the order in which things arrived
tells nothing. What each side tells is read in `warehouse/cells.py`; why they differ is found in `token_causes.py` and
`bill_causes.py` beside it. The parts of a connection's day add up to its bill less its log exactly.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from warehouse import bill_causes, causes, frame, money, price_tool, tables, token_causes
from warehouse import cells as cells_of
from warehouse import payers as payers_of
from warehouse.bill_causes import BillLine
from warehouse.causes import Cell, Difference
from warehouse.cells import SNAPSHOT, Sides
from warehouse.payers import Payer
from warehouse.prices import PriceBook
from warehouse.reconciliation_tables import DIFFERENCE, RECONCILIATION
from warehouse.side_rows import SideRows
from warehouse.token_causes import Unclaimed

# After so many days without a newer row a log is taken for whole: a gateway may have had nothing to do.
LOG_PATIENCE_DAYS = 3
_OF_TOKENS = re.compile(r"\b(tokens?|input|output|cached?)\b", re.IGNORECASE)
# What was booked and taken back again on the same line is one line: a correction is no credit.
_BILLED = """
    SELECT charge.day, charge.connection_no, coalesce(charge.charge_category, 'Usage') AS category, charge.service,
        charge.line, charge.token_type, charge.quantity_unit, charge.model, charge.service_tier,
        CASE WHEN regexp_matches(concat_ws(' ', charge.service, charge.line), $tool, 'i')
            THEN charge.project_no END AS project_no,
        sum(charge.amount_usd) AS amount_usd, count(*) AS lines,
        CASE WHEN count(*) = count(charge.list_amount_usd) THEN sum(charge.list_amount_usd) END AS list_amount_usd
    FROM model.charges AS charge
    -- A day with an amount that no known rate converts has no bill.
    SEMI JOIN model.bill_day AS bill_day
        ON bill_day.day = charge.day AND bill_day.connection_no = charge.connection_no
    WHERE charge.day BETWEEN $first AND $last AND charge.connection_no IN (SELECT unnest($numbers))
    GROUP BY ALL"""
# What tools were used for at list price, where the provider counts it.
_TOOLS = """
    SELECT day, connection_no, operation, project_no, sum(list_cost_usd) AS counted_usd FROM model.usage_reported
    WHERE day BETWEEN $first AND $last AND connection_no IN (SELECT unnest($numbers))
        AND quantity IS NOT NULL AND list_cost_usd IS NOT NULL
    GROUP BY ALL"""
_BILL_DAYS = """
    SELECT connection_no, day FROM model.bill_day
    WHERE day BETWEEN $first AND $last AND connection_no IN (SELECT unnest($numbers))"""
_COMPLETE_UNTIL = """
    SELECT greatest(
        (SELECT max(day) FROM model.usage_daily),
        (SELECT max(last_read_on) FROM model.bill_state) - $patience)"""
_TYPES: dict[str, Any] = {
    "DATE": pl.Date,
    "BIGINT": pl.Int64,
    "VARCHAR": pl.String,
    tables.MONEY: pl.Decimal(38, 12),
}


@dataclass(frozen=True)
class _Line:
    line: BillLine
    model: str | None
    token_class: str | None
    service_tier: str | None


def months(connection: duckdb.DuckDBPyConnection, days: Iterable[date]) -> list[date]:
    """The months that have to be made again where these days changed: a call over midnight touches two days.

    So does a day that waited for its log, once that is whole.
    """
    near = {day + timedelta(days=n) for day in days for n in (-1, 0, 1)}
    waiting = connection.execute(
        f"SELECT DISTINCT day FROM {DIFFERENCE.full_name} WHERE cause = ? AND day < ?",
        [causes.LATE, _complete_until(connection) or date.min],
    ).fetchall()
    return sorted({day.replace(day=1) for day in (*near, *(day for (day,) in waiting))})


def write(connection: duckdb.DuckDBPyConnection, month: date, book: PriceBook) -> dict[str, int]:
    """Make a month's rows of every connection anew; gives the rows of each table. The caller holds the transaction."""
    after = (month + timedelta(days=31)).replace(day=1)
    rows = SideRows(connection)
    different = 0
    for table in (RECONCILIATION, DIFFERENCE):
        connection.execute(f"DELETE FROM {table.full_name} WHERE day >= ? AND day < ?", [month, after])
    complete_until = _complete_until(connection) or month
    schema = {c.name: _TYPES[c.type] for c in DIFFERENCE.columns}
    for payers in payers_of.turns(connection, month - timedelta(days=1), after):
        differences = _of_payers(connection, month, after, book, payers, rows, complete_until)
        made = pl.DataFrame(differences, schema=schema, orient="row")
        frame.insert(connection, made, DIFFERENCE.full_name, DIFFERENCE.column_names)
        different += made.height
    rows.write()
    return {RECONCILIATION.full_name: rows.written, DIFFERENCE.full_name: different}


def _of_payers(
    connection: duckdb.DuckDBPyConnection,
    month: date,
    after: date,
    book: PriceBook,
    payers: dict[Payer, list[int]],
    rows: SideRows,
    complete_until: date,
) -> list[tuple[Any, ...]]:
    """Add the month's rows of some payers, and give why their sides differ."""
    # A day more on each side, for calls over midnight.
    first, last = month - timedelta(days=1), after
    sides = cells_of.read(connection, first, last, book, payers)
    lines = _bill_lines(connection, first, last, [number for numbers in payers.values() for number in numbers])
    differences: list[tuple[Any, ...]] = []
    for payer, numbers in payers.items():
        shared = _shared(sides, payer, numbers)
        for number in numbers:
            cells, billed = sides.cells.get(number, {}), lines.get(number, {})
            told = {
                day: [(each.model, each.token_class, each.line.amount_usd, each.line.counted_usd) for each in its]
                for day, its in billed.items()
                if month <= day < after
            }
            rows.add(number, (cell for cell in cells.values() if month <= cell.day < after), told)
            found = _differences(
                list(cells.values()), billed, sides.unpriced.get(number, set()), complete_until, shared
            )
            differences += (row for row in _exactly(number, found) if month <= row[0] < after)
    return differences


def _complete_until(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The first day whose log may still get rows: the newest logged, or some days before bills were read last."""
    ((until,),) = connection.execute(_COMPLETE_UNTIL, {"patience": LOG_PATIENCE_DAYS - 1}).fetchall()
    return date(until.year, until.month, until.day) if until else None


def _shared(sides: Sides, payer: Payer, numbers: list[int]) -> Unclaimed:
    """A payer's calls that name none of its connections, and what all of these counted beyond their own logs."""
    pools = sides.unclaimed.get(payer, {})
    lacking = {}
    for (day, model), pool in pools.items():
        lacking[day, model] = -sum(n for bucket, n in pool.items() if token_causes.kind(bucket) == token_causes.INPUT)
        for number in numbers:
            cell = sides.cells.get(number, {}).get((number, day, model))
            if cell is not None:
                lacking[day, model] += token_causes.lacking_input(cell)
    return Unclaimed({at: dict(pool) for at, pool in pools.items()}, lacking)


def _bill_lines(
    connection: duckdb.DuckDBPyConnection, first: date, last: date, numbers: list[int]
) -> dict[int, dict[date, list[_Line]]]:
    lines: dict[int, dict[date, list[_Line]]] = defaultdict(lambda: defaultdict(list))
    bound = {"first": first, "last": last, "numbers": numbers}
    # A day may have been billed nothing.
    for number, day in connection.execute(_BILL_DAYS, bound).fetchall():
        lines[number][day] = []
    counted = _tools_counted(connection, bound)
    for row in connection.execute(_BILLED, {**bound, "tool": price_tool.ANY_TOOL}).pl().iter_rows(named=True):
        # What a line counts: by its class, its unit, else by the provider's word for its kind, else by its own words.
        unit, service = row["quantity_unit"], row["service"]
        words = unit if unit and unit != "count" else f"{service or ''} {row['line'] or ''}"
        # A line that names a model and says nothing else is of that model's tokens, as routers bill them.
        is_model = row["model"] is not None and row["line"] is None and unit is None
        is_tokens = row["token_type"] is not None or is_model or bool(_OF_TOKENS.search(words))
        tool = None if is_tokens or row["amount_usd"] < 0 else price_tool.named(f"{service or ''} {row['line'] or ''}")
        uses = _uses(counted.get((row["connection_no"], row["day"], tool)), row["project_no"]) if tool else None
        line = BillLine(row["amount_usd"], row["list_amount_usd"], row["category"], is_tokens, row["lines"], uses)
        name = SNAPSHOT.sub("", row["model"]) if row["model"] else None
        lines[row["connection_no"]][row["day"]].append(_Line(line, name, row["token_type"], row["service_tier"]))
    return lines


def _tools_counted(
    connection: duckdb.DuckDBPyConnection, bound: dict[str, Any]
) -> dict[tuple[int, date, str], dict[int | None, Decimal]]:
    """What each tool's uses of a connection's day cost at list price, by project."""
    found: dict[tuple[int, date, str], dict[int | None, Decimal]] = defaultdict(dict)
    for day, number, tool, project_no, usd in connection.execute(_TOOLS, bound).fetchall():
        found[number, day, tool][project_no] = usd
    return found


def _uses(counted: dict[int | None, Decimal] | None, project_no: int | None) -> Decimal | None:
    """The counted uses that a line of a project bills, taken once; None where nobody counted any.

    Where only one side names projects, the line is for all of them.
    """
    if not counted:
        return None
    if project_no is not None and counted.keys() != {None}:
        told = counted.get(project_no)
        counted.update({project_no: Decimal(0)} if told is not None else {})
        return told
    total = sum(counted.values(), Decimal(0))
    counted.update(dict.fromkeys(counted, Decimal(0)))
    return total


def _differences(
    cells: list[Cell],
    billed: dict[date, list[_Line]],
    unpriced: set[date],
    complete_until: date,
    shared: Unclaimed,
) -> Iterator[Difference]:
    counted_days = {cell.day for cell in cells if cell.counted}
    expected: dict[date, Decimal] = defaultdict(Decimal)
    for cell in cells:
        expected[cell.day] += cell.expected_usd if cell.day in counted_days else cell.logged_usd
    # Where the provider counted nothing on a day, there is only the bill to hold the log against.
    yield from token_causes.of_tokens([cell for cell in cells if cell.day in counted_days], complete_until, shared)
    apart = {day: _billed_apart(day, cells, told) for day, told in billed.items()}
    lines = {day: [each.line for each in told] for day, told in billed.items()}
    yield from bill_causes.of_bill(expected, lines, unpriced, apart)


def _billed_apart(day: date, cells: list[Cell], told: list[_Line]) -> Decimal:
    """What the tokens of tiers cost that a day's bill leaves out, though each line of it says its tier."""
    tiers = {each.service_tier for each in told if each.line.is_tokens}
    if not tiers or None in tiers:
        return Decimal(0)
    named = {cells_of.tier(each) for each in tiers}
    return sum(
        (
            n * cell.price(bucket)
            for cell in cells
            if cell.day == day
            for bucket, n in cell.counted_in_all.items()
            # What is batch here may be another word there; a tier by contract is called the same by all.
            if bucket[0] == "priority" and bucket[0] not in named
        ),
        Decimal(0),
    )


def _exactly(number: int, found: Iterable[Difference]) -> Iterator[tuple[Any, ...]]:
    """Rows of DIFFERENCE, one a day, cause, model, key and class, that add up to what the parts add up to."""
    sums: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for part in found:
        sums[part.day, part.model, part.key_no, part.token_class, part.cause] += part.amount_usd
    left: dict[date, Decimal] = defaultdict(Decimal)
    rows: dict[tuple[Any, ...], Decimal] = {}
    for at, amount in sums.items():
        rows[at] = money.usd(amount)
        left[at[0]] += amount - rows[at]
    for day, amount in left.items():
        # Prices of more than twelve places.
        if rest := money.usd(amount):
            at = (day, None, None, None, causes.ROUNDING)
            rows[at] = rows.get(at, Decimal(0)) + rest
    for (day, model, key_no, token_class, cause), amount in rows.items():
        if amount:
            yield day, number, model, key_no, token_class, cause, amount
