"""model.spend_summary_daily, mart.failures_daily, model.latency_daily -> what each model costs, and its speed.

Plain functions of (connection, viewer, period); sums are SQL's, quotients of money are made of Decimals here.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.period import Period
from dashboards.figures.viewer import Viewer
from warehouse import money

_MONEY = pa.decimal128(38, 12)
_SHARE = pa.decimal128(18, 6)
_COUNT = pa.int64()
SCHEMA = pa.schema(
    [
        ("provider", pa.string()),
        ("model", pa.string()),
        ("cost_usd", _MONEY),
        ("before_usd", _MONEY),
        ("change_usd", _MONEY),
        ("per_1k_tokens_usd", _MONEY),
        ("per_request_usd", _MONEY),
        ("requests", _COUNT),
        ("input_tokens", _COUNT),
        ("output_tokens", _COUNT),
        ("cached_share", _SHARE),
        ("error_share", _SHARE),
        ("error_requests", _COUNT),
        ("error_cost_usd", _MONEY),
        ("retry_requests", _COUNT),
        ("retry_cost_usd", _MONEY),
        ("p50_ms", _COUNT),
        ("p95_ms", _COUNT),
        ("unpriced_requests", _COUNT),
    ]
)


class Bucket(NamedTuple):
    """How many calls took at most `bucket_ms` and longer than the bucket before."""

    bucket_ms: int
    requests: int


class Models(NamedTuple):
    """The page's table, and what its sums leave out: amounts that bills name no model for."""

    table: pa.Table
    unnamed_usd: Decimal
    buckets: list[Bucket]


def view(connection: DuckDBPyConnection, viewer: Viewer, asked: Period) -> Models:
    """Every model of the period, dearest first, beside the period before; and what no model is named for."""
    found = _rows(connection, viewer, asked)
    unnamed = sum((row[2] or Decimal(0) for row in found if row[1] is None), Decimal(0))
    allowed, values = viewer.numbers()
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE took AS SELECT provider, model, bucket_ms, sum(requests)::BIGINT AS requests
            FROM model.latency_daily WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL""",
        [asked.start, asked.end, *values],
    )
    failed, latency = _failures(connection, viewer, asked), _latency(connection)
    none = (0, None, 0, None)
    rows = [
        _row(row, failed.get((row[0], row[1]), none), latency.get((row[0], row[1]), (None, None)))
        for row in found
        if row[1] is not None
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    return Models(
        pa.table([pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)], SCHEMA),
        unnamed,
        _buckets(connection, asked),
    )


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Period) -> pa.Table:
    """The table of `view`, for a file: money DECIMAL(38,12)."""
    return view(connection, viewer, asked).table


def _buckets(connection: DuckDBPyConnection, asked: Period) -> list[Bucket]:
    """How long the calls took, by bucket: of the picked `provider/model`, else of all that match."""
    matches, words = asked.matching("provider", "model")
    picked, model = ("provider || '/' || model = ?", [asked.picked]) if asked.picked else ("true", [])
    query = f"""
        SELECT bucket_ms, sum(requests)::BIGINT FROM temp.took WHERE {matches} AND {picked}
        GROUP BY bucket_ms ORDER BY bucket_ms"""
    return [Bucket(*row) for row in connection.execute(query, [*words, *model]).fetchall()]


def _rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Period) -> list[tuple[Any, ...]]:
    allowed, values = viewer.numbers()
    matches, words = asked.matching("provider", "model")
    # A price is of calls whose price is known and whose day holds no other: their tokens are told together.
    whole = "is_now AND is_priced"
    sums = ", ".join(
        f"coalesce(sum({name}) FILTER (is_now), 0)::BIGINT"
        for name in (
            "requests",
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "error_requests",
            "unpriced_requests",
        )
    )
    return connection.execute(
        f"""
        SELECT provider, model, sum(cost_usd) FILTER (is_now) AS cost_usd, sum(cost_usd) FILTER (NOT is_now), {sums},
            sum(cost_usd) FILTER ({whole} AND input_tokens + output_tokens > 0),
            coalesce(sum(input_tokens + output_tokens) FILTER ({whole}), 0)::BIGINT,
            sum(cost_usd) FILTER ({whole} AND requests > 0), coalesce(sum(requests) FILTER ({whole}), 0)::BIGINT
        FROM (
            SELECT *, day >= ? AS is_now FROM model.spend_summary_daily
            WHERE day BETWEEN ? AND ? AND {allowed} AND (model IS NULL OR {matches})
        )
        GROUP BY provider, model ORDER BY cost_usd DESC NULLS LAST, provider, model
        """,
        [asked.start, asked.before_start, asked.end, *values, *words],
    ).fetchall()


def _row(found: tuple[Any, ...], failed: tuple[Any, ...], latency: tuple[object, object]) -> tuple[Any, ...]:
    provider, model, cost, before, requests, tokens_in, tokens_out, cached, errors, unpriced, *priced = found
    by_tokens, tokens, by_requests, calls = priced
    if unpriced and not cost:
        # Nothing of it has a price: that is unknown, and not 0.
        cost = None
    # What failed is also known where the mart of failures is not: of days whose single calls are gone.
    _, error_cost, retries, retry_cost = failed
    change = None if cost is None and not before else (cost or Decimal(0)) - (before or Decimal(0))
    return (
        provider,
        model,
        cost,
        before,
        change,
        _quotient(by_tokens, tokens, 1000),
        _quotient(by_requests, calls, 1),
        requests,
        tokens_in,
        tokens_out,
        _share(cached, tokens_in),
        _share(errors, requests),
        errors,
        error_cost,
        retries,
        retry_cost,
        *latency,
        unpriced,
    )


def _quotient(amount: object, count: object, times: int) -> Decimal | None:
    """An amount by a count, rounded once to a pico-dollar; None where either is not there."""
    if not isinstance(amount, Decimal) or not isinstance(count, int) or not count:
        return None
    exact = money.CONTEXT.divide(money.CONTEXT.multiply(amount, Decimal(times)), Decimal(count))
    return exact.quantize(Decimal("1e-12"), context=money.CONTEXT)


def _share(part: object, whole: object) -> Decimal | None:
    if not isinstance(part, int) or not isinstance(whole, int) or not whole:
        return None
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("1e-6"))


def _failures(
    connection: DuckDBPyConnection, viewer: Viewer, asked: Period
) -> dict[tuple[object, object], tuple[Any, ...]]:
    allowed, values = viewer.condition()
    query = f"""
        SELECT provider, model, sum(error_requests)::BIGINT, sum(error_cost_usd), sum(retry_requests)::BIGINT,
            sum(retry_cost_usd)
        FROM mart.failures_daily WHERE day BETWEEN ? AND ? AND {allowed} GROUP BY ALL"""
    rows = connection.execute(query, [asked.start, asked.end, *values]).fetchall()
    return {(provider, model): tuple(rest) for provider, model, *rest in rows}


def _latency(connection: DuckDBPyConnection) -> dict[tuple[object, object], tuple[object, object]]:
    query = """
        WITH running AS (
            SELECT provider, model, bucket_ms,
                sum(requests) OVER (PARTITION BY provider, model ORDER BY bucket_ms) AS reached,
                sum(requests) OVER (PARTITION BY provider, model) AS whole
            FROM temp.took
        )
        SELECT provider, model, min(bucket_ms) FILTER (reached * 100 >= 50 * whole),
            min(bucket_ms) FILTER (reached * 100 >= 95 * whole)
        FROM running GROUP BY ALL"""
    rows = connection.execute(query).fetchall()
    return {(provider, model): (p50, p95) for provider, model, p50, p95 in rows}
