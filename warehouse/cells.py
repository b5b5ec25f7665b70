"""model.usage_daily, requests, usage_reported, charges -> the cells that causes are looked for in: what each side says.

Calls are given to connections as mart.spend_daily does. The two sides meet on day, connection, model, tier and class of
tokens; of keys only the provider tells, since a gateway has its own. Where a provider has no usage report, the
quantities of its bill are its count, if every line of the day that is of tokens says model, class and quantity.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from warehouse import payer, unit_price
from warehouse.bill_tables import CLASSES
from warehouse.causes import CALLS, Bucket, Cell
from warehouse.payers import Payer
from warehouse.prices import PriceBook

# connection_no, day, model
At = tuple[int, date, str]

SNAPSHOT = re.compile(r"([-@](\d{4}-\d{2}-\d{2}|\d{8})|-latest)$")
_STANDARD = {None, "", "standard", "default", "auto", "on_demand"}
_SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in CLASSES)
_CONNECTION = payer.connection("named")
# What a plan pays for is on no bill of calls.
_UNCOVERED = """NOT EXISTS (
            SELECT 1 FROM model.plan_cover AS cover
            WHERE cover.gateway = call.gateway AND cover.provider = call.provider
                AND cover.account_no = call.account_no AND {day} BETWEEN cover.starts_on AND cover.ends_on)"""
_LOGGED = f"""
    WITH {payer.HOLDER}
    SELECT call.day, {_CONNECTION} AS connection_no, {payer.PAYER} AS payer_no,
        call.provider, call.model, call.service_tier, sum(call.cancelled_requests)::BIGINT AS cancelled,
        sum(call.error_requests)::BIGINT AS errors, sum(call.requests - call.error_requests)::BIGINT AS calls,
        coalesce(sum(call.list_cost_usd), 0) AS cost, {_SUMS}
    FROM model.usage_daily AS call {payer.named("call", "call.day")} {payer.holders("call")}
    WHERE call.day BETWEEN $first AND $last
        AND ({_CONNECTION} IN (SELECT unnest($numbers))
            OR ({_CONNECTION} IS NULL AND {payer.PAYER} IN (SELECT unnest($accounts))))
        AND {_UNCOVERED.format(day="call.day")}
    GROUP BY ALL"""
_SINGLE = f"""
    WITH {payer.HOLDER}
    SELECT call.requested_at::DATE AS day, {_CONNECTION} AS connection_no, call.provider, call.model,
        call.service_tier, call.outcome = 'cancelled' AS is_broken_off,
        count(*) FILTER (call.outcome <> 'error') AS calls, {_SUMS}
    FROM model.requests AS call {payer.named("call", "call.requested_at::DATE")} {payer.holders("call")}
    WHERE call.requested_at >= $first AND call.requested_at < $last + 1
        AND {_CONNECTION} IN (SELECT unnest($numbers))
        AND {{which}} AND {_UNCOVERED.format(day="call.requested_at::DATE")}
    GROUP BY ALL"""
_OVER_MIDNIGHT = "call.requested_at::DATE <> (call.requested_at + to_milliseconds(call.latency_ms))::DATE"
_BROKEN_OFF = "call.outcome = 'cancelled'"
_OF_COUNTS = """
    FROM model.usage_reported AS counted
    JOIN model.connection AS connection ON connection.connection_no = counted.connection_no
    WHERE counted.day BETWEEN $first AND $last AND counted.connection_no IN (SELECT unnest($numbers))
        -- What is counted in searches, images or seconds has no tokens to compare.
        AND counted.quantity IS NULL
    GROUP BY ALL"""
_COUNTED = f"""
    SELECT counted.day, counted.connection_no, connection.provider, counted.model, counted.service_tier, counted.key_no,
        CASE WHEN count(*) = count(counted.requests) THEN sum(counted.requests)::BIGINT END AS calls, {_SUMS}
    {_OF_COUNTS}"""
_COUNTED_COST = f"""
    SELECT counted.day, counted.connection_no, connection.provider, counted.model,
        count(counted.context_band) > 0 AS is_banded, coalesce(sum(counted.list_cost_usd), 0) AS cost,
        count(*) > count(counted.list_cost_usd) AS is_unpriced, count(*) = count(counted.requests) AS counts_calls
    {_OF_COUNTS}"""
# A bill's own quantities, where its lines leave none open.
_IN_TOKENS = r"regexp_matches(lower(coalesce(quantity_unit, '')), '^((1,?000|1k|1m|1,?000,?000) )?(tokens?|count)$')"
_TIMES = r"""CASE regexp_extract(lower(quantity_unit), '^(1,?000,?000|1m|1,?000|1k) ', 1)
    WHEN '' THEN 1 WHEN '1k' THEN 1000 WHEN '1000' THEN 1000 WHEN '1,000' THEN 1000 ELSE 1000000 END"""
_OTHER_NAMES = {"output_tokens": "text_out_tokens", "reasoning_out_tokens": "text_out_tokens"}
_OTHER_NAMES |= {"cache_write_tokens": "cache_write_5m_tokens"}
_BILLED_COUNTS = f"""
    WITH line AS (
        SELECT day, connection_no, model, service_tier, key_no, token_type, quantity * {_TIMES} AS tokens,
            coalesce(model IS NOT NULL AND token_type IN (SELECT unnest($classes)) AND quantity IS NOT NULL
                AND {_IN_TOKENS} AND quantity * {_TIMES} = floor(quantity * {_TIMES}), false) AS is_countable
        FROM model.charges
        WHERE day BETWEEN $first AND $last AND connection_no IN (SELECT unnest($numbers))
            AND coalesce(charge_category, 'Usage') = 'Usage'
            AND (token_type IS NOT NULL OR {_IN_TOKENS} OR quantity IS NULL)
    )
    SELECT line.day, line.connection_no, connection.provider, line.model, line.service_tier, line.key_no,
        line.token_type, sum(line.tokens)::BIGINT AS tokens
    FROM line
    JOIN model.connection AS connection ON connection.connection_no = line.connection_no
    JOIN (SELECT day, connection_no FROM line GROUP BY ALL HAVING bool_and(is_countable)) AS whole
        ON whole.day = line.day AND whole.connection_no = line.connection_no
    ANTI JOIN model.usage_reported AS reported
        ON reported.day = line.day AND reported.connection_no = line.connection_no
    GROUP BY ALL HAVING sum(line.tokens) > 0"""


@dataclass
class _Half:
    """A cell while it is being filled."""

    provider: str = ""
    names: set[str] = field(default_factory=set)
    logged: dict[Bucket, int] = field(default_factory=lambda: defaultdict(int))
    crossing: dict[Bucket, int] = field(default_factory=lambda: defaultdict(int))
    broken_off: dict[Bucket, int] = field(default_factory=lambda: defaultdict(int))
    counted: dict[int | None, dict[Bucket, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    cancelled: int = 0
    errors: int = 0
    logged_usd: Decimal = Decimal(0)
    counted_usd: Decimal = Decimal(0)
    is_banded: bool = False
    is_unpriced: bool = False
    counts_calls: bool = True


@dataclass
class Sides:
    """What all sides tell of some days: cells by connection, calls that no connection claims, days without a price."""

    cells: dict[int, dict[At, Cell]]
    # What calls of the log are, by payer, that name none of its connections.
    unclaimed: dict[Payer, dict[tuple[date, str], dict[Bucket, int]]]
    unpriced: dict[int, set[date]]


def read(
    connection: duckdb.DuckDBPyConnection,
    first: date,
    last: date,
    book: PriceBook,
    payers: Mapping[Payer, Sequence[int]],
) -> Sides:
    """The cells of `[first, last]` of some payers with their connections, all of an account's payers together."""
    bound = {"first": first, "last": last, "numbers": [number for its in payers.values() for number in its]}
    accounts = sorted({account_no for _, account_no in payers})
    halves: dict[At, _Half] = defaultdict(_Half)
    unclaimed: dict[Payer, dict[tuple[date, str], dict[Bucket, int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    for row in _rows(connection, _LOGGED, {**bound, "accounts": accounts}):
        name = row["model"] or ""
        if row["connection_no"] is None:
            pool = unclaimed[row["provider"], row["payer_no"]][row["day"], SNAPSHOT.sub("", name)]
            _add(pool, row)
            continue
        half = _half(halves, row, name)
        _add(half.logged, row)
        half.cancelled += row["cancelled"]
        half.errors += row["errors"]
        half.logged_usd += row["cost"]
    for row in _rows(connection, _SINGLE.format(which=_OVER_MIDNIGHT), bound):
        _add(_half(halves, row, row["model"] or "").crossing, row)
    for row in _rows(connection, _SINGLE.format(which=_BROKEN_OFF), bound):
        _add(_half(halves, row, row["model"] or "").broken_off, row)
    for row in _rows(connection, _COUNTED_COST, bound):
        half = _half(halves, row, row["model"] or "")
        half.counted_usd += row["cost"]
        half.is_banded |= row["is_banded"]
        half.is_unpriced |= row["is_unpriced"]
        half.counts_calls &= row["counts_calls"]
    _count(halves, connection.execute(_COUNTED, bound).pl())
    billed = _billed_counts(connection, bound, halves)
    prices = _unit_prices(book, halves)
    _without_guesses(halves, billed, prices)
    cells: dict[int, dict[At, Cell]] = defaultdict(dict)
    unpriced: dict[int, set[date]] = defaultdict(set)
    for at, half in halves.items():
        cells[at[0]][at] = _cell(at, half, prices.get(at[1:], {}))
        if half.is_unpriced:
            unpriced[at[0]].add(at[1])
    return Sides(cells, unclaimed, unpriced)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return connection.execute(sql, bound).pl().iter_rows(named=True)


def _half(halves: dict[At, _Half], row: dict[str, Any], name: str) -> _Half:
    half = halves[row["connection_no"], row["day"], SNAPSHOT.sub("", name)]
    half.provider = row["provider"]
    half.names.add(name)
    return half


def _count(halves: dict[At, _Half], rows: pl.DataFrame) -> None:
    """Fill in what providers counted, a row a key: by columns, since there are many."""
    at = (rows[name].to_list() for name in ("connection_no", "day", "model", "service_tier", "key_no", "calls"))
    told = [(_class_of(name), rows[name].to_list()) for name in CLASSES if rows[name].max()]
    names: dict[str | None, str] = {name: SNAPSHOT.sub("", name or "") for name in rows["model"].unique().to_list()}
    for index, (number, day, model, said, key_no, calls) in enumerate(zip(*at, strict=True)):
        its_tier, tokens = tier(said), halves[number, day, names[model]].counted[key_no]
        for token_class, column in told:
            if column[index]:
                tokens[its_tier, token_class] += column[index]
        if calls:
            tokens[its_tier, CALLS] += calls


def _class_of(name: str) -> str:
    """Of reasoning no provider's report tells; it costs what output costs."""
    return "text_out_tokens" if name == "reasoning_out_tokens" else name


def _add(tokens: dict[Bucket, int], row: dict[str, Any]) -> None:
    its_tier = tier(row["service_tier"])
    for name in CLASSES:
        if row[name]:
            tokens[its_tier, _class_of(name)] += row[name]
    if row["calls"]:
        tokens[its_tier, CALLS] += row["calls"]


def tier(said: str | None) -> str:
    """A service tier in one word for what is usual."""
    return "standard" if said in _STANDARD else str(said)


def _billed_counts(
    connection: duckdb.DuckDBPyConnection, bound: dict[str, Any], halves: dict[At, _Half]
) -> set[tuple[int, date]]:
    """Fill in what bills count by themselves; the connections' days that they count."""
    days: set[tuple[int, date]] = set()
    for row in _rows(connection, _BILLED_COUNTS, {**bound, "classes": [*CLASSES, *_OTHER_NAMES]}):
        half = _half(halves, row, row["model"])
        token_class = _OTHER_NAMES.get(row["token_type"], row["token_type"])
        half.counted[row["key_no"]][tier(row["service_tier"]), token_class] += row["tokens"]
        half.counts_calls = False
        days.add((row["connection_no"], row["day"]))
    return days


def _without_guesses(
    halves: dict[At, _Half], billed: set[tuple[int, date]], prices: dict[tuple[date, str], dict[Bucket, Decimal]]
) -> None:
    """Drop what bills count on days on which a model of theirs has no price by that name: it may go by another."""
    unknown = {
        (number, day)
        for (number, day, name), half in halves.items()
        if (number, day) in billed
        and any(bucket not in prices.get((day, name), {}) for tokens in half.counted.values() for bucket in tokens)
    }
    for (number, day, _), half in halves.items():
        if (number, day) in unknown:
            half.counted.clear()
            half.is_unpriced = True


def _unit_prices(book: PriceBook, halves: dict[At, _Half]) -> dict[tuple[date, str], dict[Bucket, Decimal]]:
    """What one token of each bucket costs on its day, at the lowest band; nothing for what has no price."""
    asked: dict[tuple[date, str, Bucket], tuple[str, str]] = {}
    for (_, day, name), half in halves.items():
        told = {bucket for tokens in (half.logged, half.crossing, *half.counted.values()) for bucket in tokens}
        # Every class in every tier: tokens move from one to another. The fullest name is a dated snapshot, whose price
        # is its own.
        classes = {token_class for _, token_class in told} - {CALLS}
        buckets = {(tier, token_class) for tier, _ in told for token_class in classes}
        asked |= {(day, name, bucket): (half.provider, max(half.names, key=len)) for bucket in buckets}
    return unit_price.of(book, asked)


def _cell(at: At, half: _Half, prices: dict[Bucket, Decimal]) -> Cell:
    _, day, name = at
    return Cell(
        day=day,
        model=name,
        logged=_counting(half.logged, calls=half.counts_calls),
        counted={key_no: _counting(tokens, calls=half.counts_calls) for key_no, tokens in half.counted.items()},
        crossing=_counting(half.crossing, calls=half.counts_calls),
        broken_off=_counting(half.broken_off, calls=half.counts_calls),
        cancelled_requests=half.cancelled,
        error_requests=half.errors,
        logged_usd=half.logged_usd,
        counted_usd=half.counted_usd if half.is_banded else None,
        usd_per_token=prices,
    )


def _counting(tokens: dict[Bucket, int], *, calls: bool) -> dict[Bucket, int]:
    """Tokens, with their calls where both sides count calls."""
    return {bucket: n for bucket, n in tokens.items() if calls or bucket[1] != CALLS}
