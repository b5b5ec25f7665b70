"""model.* -> model.reconciliation: what log, provider's count and bill say of a day, side by side.

Its companion model.difference says why they differ, as `warehouse/causes.py` finds it, a UTC month at a time, so that
the order in which things arrived tells nothing. Calls are given to connections as mart.spend_daily does. The two sides
meet on day, connection, model, tier and class of tokens; of keys only the provider tells, since a gateway has its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from warehouse import causes, frame, money, tables
from warehouse.bill_tables import CLASSES
from warehouse.causes import BillLine, Bucket, Cell, Difference
from warehouse.prices import PriceBook
from warehouse.reconciliation_tables import DIFFERENCE, RECONCILIATION

_STANDARD = {None, "", "standard", "default", "auto", "on_demand"}
_SNAPSHOT = re.compile(r"([-@](\d{4}-\d{2}-\d{2}|\d{8})|-latest)$")
_OF_TOKENS = re.compile(r"\b(tokens?|input|output|cached?)\b", re.IGNORECASE)
_MILLION = 1_000_000
_SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in CLASSES)
_HOLDERS = """
    WITH holder AS (
        SELECT provider, account_no, bool_or(is_operator) AS is_operator,
            CASE WHEN count(*) = 1 THEN max(connection_no) END AS connection_no
        FROM model.connection GROUP BY provider, account_no
    )"""
_PAYER = "coalesce(call.connection_no, own.connection_no, house.connection_no)"
_JOINED = """
    LEFT JOIN holder AS own ON own.provider = call.provider AND own.account_no = call.account_no
    LEFT JOIN holder AS house ON house.provider = call.provider AND house.is_operator AND own.account_no IS NULL"""
_LOGGED = f"""{_HOLDERS}
    SELECT call.day, {_PAYER} AS connection_no, call.provider, call.model, call.service_tier, NULL::BIGINT AS key_no,
        sum(call.cancelled_requests)::BIGINT AS cancelled, sum(call.unpriced_requests)::BIGINT AS unpriced,
        sum(call.list_cost_usd) AS cost, {_SUMS}
    FROM model.usage_daily AS call {_JOINED}
    WHERE call.day BETWEEN $first AND $last AND {_PAYER} IN (SELECT unnest($connections))
    GROUP BY ALL"""
_CROSSING = f"""{_HOLDERS}
    SELECT call.requested_at::DATE AS day, {_PAYER} AS connection_no, call.provider, call.model, call.service_tier,
        NULL::BIGINT AS key_no, {_SUMS}
    FROM model.requests AS call {_JOINED}
    WHERE call.requested_at >= $first AND call.requested_at < $last + 1
        AND call.requested_at::DATE <> (call.requested_at + to_milliseconds(call.latency_ms))::DATE
        AND {_PAYER} IN (SELECT unnest($connections))
    GROUP BY ALL"""
_COUNTED = f"""
    SELECT counted.day, counted.connection_no, connection.provider, counted.model, counted.service_tier, counted.key_no,
        count(counted.context_band) AS banded, sum(counted.list_cost_usd) AS cost,
        count(*) FILTER (counted.list_cost_usd IS NULL) AS unpriced, {_SUMS}
    FROM model.usage_reported AS counted
    JOIN model.connection AS connection ON connection.connection_no = counted.connection_no
    WHERE counted.day BETWEEN $first AND $last AND counted.connection_no IN (SELECT unnest($connections))
        -- What is counted in searches, images or seconds has no tokens to compare.
        AND counted.quantity IS NULL
    GROUP BY ALL"""
_BILLED = """
    SELECT day, connection_no, amount_usd, list_amount_usd, coalesce(charge_category, 'Usage') AS category, service,
        line, token_type, quantity_unit, model
    FROM model.charges
    WHERE amount_usd IS NOT NULL AND day BETWEEN $first AND $last AND connection_no IN (SELECT unnest($connections))"""
_BILL_DAYS = """
    SELECT connection_no, day FROM model.bill_day
    WHERE day BETWEEN $first AND $last AND connection_no IN (SELECT unnest($connections))"""


@dataclass(frozen=True)
class _Line:
    line: BillLine
    model: str | None
    token_class: str | None


@dataclass
class _Half:
    """A cell while it is being filled."""

    provider: str = ""
    names: set[str] = field(default_factory=set)
    logged: dict[Bucket, int] = field(default_factory=lambda: defaultdict(int))
    crossing: dict[Bucket, int] = field(default_factory=lambda: defaultdict(int))
    counted: dict[int | None, dict[Bucket, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    cancelled: int = 0
    logged_usd: Decimal = Decimal(0)
    counted_usd: Decimal = Decimal(0)
    is_banded: bool = False
    is_unpriced: bool = False


def months(days: Iterable[date]) -> list[date]:
    """The months that have to be made again where these days changed: a call over midnight touches two days."""
    near = {day + timedelta(days=n) for day in days for n in (-1, 0, 1)}
    return sorted({day.replace(day=1) for day in near})


def write(connection: duckdb.DuckDBPyConnection, month: date, book: PriceBook) -> dict[str, int]:
    """Make a month's rows of every connection anew; gives the rows of each table. The caller holds the transaction."""
    after = (month + timedelta(days=31)).replace(day=1)
    paying = [number for (number,) in connection.execute("SELECT connection_no FROM model.connection").fetchall()]
    rows: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    if paying:
        # A day more on each side, for calls over midnight.
        bound = {"first": month - timedelta(days=1), "last": after, "connections": paying}
        halves = _read(connection, bound)
        lines = _bill_lines(connection, bound)
        prices = _unit_prices(book, halves)
        ((newest,),) = connection.execute("SELECT max(day) FROM model.usage_daily").fetchall()
        for number in paying:
            cells = {at: _cell(at, half, prices) for at, half in halves.items() if at[0] == number}
            billed = lines.get(number, {})
            rows += (row for row in _sides(number, cells, billed) if month <= row["day"] < after)
            unpriced = {at[1] for at, half in halves.items() if at[0] == number and half.is_unpriced}
            # The newest day of the log may still get rows.
            found = _differences(list(cells.values()), billed, unpriced, newest or month)
            differences += (_row(number, part) for part in found if month <= part.day < after)
    for table, made in ((RECONCILIATION, rows), (DIFFERENCE, differences)):
        connection.execute(f"DELETE FROM {table.full_name} WHERE day >= ? AND day < ?", [month, after])
        schema = {c.name: _TYPES[c.type] for c in table.columns}
        frame.insert(connection, pl.DataFrame(made, schema=schema), table.full_name, table.column_names)
    return {RECONCILIATION.full_name: len(rows), DIFFERENCE.full_name: len(differences)}


_TYPES: dict[str, Any] = {
    "DATE": pl.Date,
    "BIGINT": pl.Int64,
    "VARCHAR": pl.String,
    tables.MONEY: pl.Decimal(38, 12),
}
# connection_no, day, model
_At = tuple[int, date, str]


def _read(connection: duckdb.DuckDBPyConnection, bound: dict[str, Any]) -> dict[_At, _Half]:
    halves: dict[_At, _Half] = defaultdict(_Half)
    for sql, side in ((_LOGGED, "logged"), (_CROSSING, "crossing"), (_COUNTED, "counted")):
        for row in connection.execute(sql, bound).pl().iter_rows(named=True):
            name = row["model"] or ""
            half = halves[row["connection_no"], row["day"], _SNAPSHOT.sub("", name)]
            half.provider, half.names = row["provider"], half.names | {name}
            tokens = half.counted[row["key_no"]] if side == "counted" else getattr(half, side)
            for bucket, n in _tokens(row):
                tokens[bucket] += n
            if side == "logged":
                half.cancelled += row["cancelled"]
                half.logged_usd += row["cost"] or 0
            if side == "counted":
                half.counted_usd += row["cost"] or 0
                half.is_banded |= bool(row["banded"])
                half.is_unpriced |= bool(row["unpriced"])
    return halves


def _tokens(row: dict[str, Any]) -> Iterator[tuple[Bucket, int]]:
    tier = "standard" if row["service_tier"] in _STANDARD else row["service_tier"]
    for name in CLASSES:
        if row[name]:
            # Of reasoning no provider's report tells; it costs what output costs.
            yield (tier, "text_out_tokens" if name == "reasoning_out_tokens" else name), row[name]


def _bill_lines(connection: duckdb.DuckDBPyConnection, bound: dict[str, Any]) -> dict[int, dict[date, list[_Line]]]:
    lines: dict[int, dict[date, list[_Line]]] = defaultdict(lambda: defaultdict(list))
    # A day may have been billed nothing.
    for number, day in connection.execute(_BILL_DAYS, bound).fetchall():
        lines[number][day] = []
    for row in connection.execute(_BILLED, bound).pl().iter_rows(named=True):
        # What a line counts: by its unit, else by the provider's word for its kind, else by its own words.
        unit, service = row["quantity_unit"], row["service"]
        is_tokens = "token" in unit.lower() if unit else bool(_OF_TOKENS.search(f"{service or ''} {row['line'] or ''}"))
        line = BillLine(row["amount_usd"], row["list_amount_usd"], row["category"], is_tokens)
        name = _SNAPSHOT.sub("", row["model"]) if row["model"] else None
        lines[row["connection_no"]][row["day"]].append(_Line(line, name, row["token_type"]))
    return lines


def _unit_prices(book: PriceBook, halves: dict[_At, _Half]) -> dict[tuple[date, str], dict[Bucket, Decimal]]:
    """What one token of each bucket costs on its day, at the lowest band; nothing for what has no price."""
    asked: dict[tuple[date, str, Bucket], tuple[str, str]] = {}
    for (_, day, name), half in halves.items():
        told = {bucket for tokens in (half.logged, half.crossing, *half.counted.values()) for bucket in tokens}
        # Every class in every tier: tokens move from one to another. The fullest name is a dated snapshot, whose price
        # is its own.
        buckets = {(tier, token_class) for tier, _ in told for _, token_class in told}
        asked |= {(day, name, bucket): (half.provider, max(half.names, key=len)) for bucket in buckets}
    if not asked:
        return {}
    calls = pl.DataFrame(
        [
            {
                "provider": provider,
                "model": model,
                "service_tier": None if tier == "standard" else tier,
                "region": None,
                "requested_at": datetime(day.year, day.month, day.day, 12),  # noqa: DTZ001 (UTC, naive by DuckDB's wish)
                "input_tokens": 0,
                **{each: _MILLION if each == name else 0 for each in CLASSES},
            }
            for (day, _, (tier, name)), (provider, model) in asked.items()
        ],
        schema_overrides={"service_tier": pl.String, "region": pl.String, "requested_at": pl.Datetime("us")},
        infer_schema_length=None,
    )
    costs = book.price(calls)["list_cost_pico_usd"]
    prices: dict[tuple[date, str], dict[Bucket, Decimal]] = defaultdict(dict)
    for (day, name, bucket), pico in zip(asked, costs, strict=True):
        if pico is not None:
            prices[day, name][bucket] = money.from_pico(pico) / _MILLION
    return prices


def _cell(at: _At, half: _Half, prices: dict[tuple[date, str], dict[Bucket, Decimal]]) -> Cell:
    _, day, name = at
    return Cell(
        day=day,
        model=name,
        logged=dict(half.logged),
        counted={key_no: dict(tokens) for key_no, tokens in half.counted.items()},
        crossing=dict(half.crossing),
        cancelled_requests=half.cancelled,
        logged_usd=half.logged_usd,
        counted_usd=half.counted_usd if half.is_banded else None,
        usd_per_token=prices.get((day, name), {}),
    )


def _differences(
    cells: list[Cell], billed: dict[date, list[_Line]], unpriced: set[date], complete_until: date
) -> Iterator[Difference]:
    counted_days = {cell.day for cell in cells if cell.counted}
    expected: dict[date, Decimal] = defaultdict(Decimal)
    for cell in cells:
        expected[cell.day] += cell.expected_usd if cell.day in counted_days else cell.logged_usd
    # Where the provider counted nothing on a day, there is only the bill to hold the log against.
    yield from causes.of_tokens([cell for cell in cells if cell.day in counted_days], complete_until)
    yield from causes.of_bill(expected, {day: [each.line for each in told] for day, told in billed.items()}, unpriced)


def _sides(number: int, cells: dict[_At, Cell], billed: dict[date, list[_Line]]) -> Iterator[dict[str, Any]]:
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)

    def add(at: tuple[Any, ...], column: str, value: int | Decimal) -> None:
        sums[at][column] = sums[at].get(column, 0) + value

    for cell in cells.values():
        for side, key_no, tokens in (("log", None, cell.logged), *(("usage", k, t) for k, t in cell.counted.items())):
            for bucket, n in tokens.items():
                at = (cell.day, cell.model, key_no, bucket[1])
                add(at, f"{side}_tokens", n)
                add(at, f"{side}_cost_usd", n * cell.usd_per_token.get(bucket, Decimal(0)))
        for side, beyond in (
            ("log", cell.logged_usd - cell.usd(cell.logged)),
            ("usage", (cell.counted_usd or 0) - cell.usd(cell.counted_in_all) if cell.counted_usd is not None else 0),
        ):
            if beyond:
                add((cell.day, cell.model, None, None), f"{side}_cost_usd", Decimal(beyond))
    for day, lines in billed.items():
        for each in lines:
            add((day, each.model, None, each.token_class), "bill_cost_usd", each.line.amount_usd)
    for (day, model, key_no, token_class), values in sums.items():
        yield {"day": day, "connection_no": number, "model": model, "key_no": key_no, "token_class": token_class} | {
            name: money.usd(value) if name.endswith("_usd") else value for name, value in values.items()
        }


def _row(number: int, part: Difference) -> dict[str, Any]:
    return {
        "day": part.day,
        "connection_no": number,
        "model": part.model,
        "key_no": part.key_no,
        "token_class": part.token_class,
        "cause": part.cause,
        "amount_usd": money.usd(part.amount_usd),
    }
