"""The latency histogram: percentiles read off its buckets are those of the calls, within the width of a bucket."""

import math
import random
from itertools import pairwise

import polars as pl
import pytest

from tests.pipelines.gateway_log import line, put, query, take_in
from warehouse.home import Home
from warehouse.models import latency_hourly

MOST_OFF = 2 ** (1 / 16)


def off_the_buckets(buckets: list[tuple[int, int]], share: float) -> int:
    """The first bucket whose cumulative count reaches a share of all."""
    wanted, seen = math.ceil(share * sum(count for _, count in buckets)), 0
    for bound, count in sorted(buckets):
        seen += count
        if seen >= wanted:
            return bound
    raise AssertionError("the shares end at 1")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 1.0])
def test_percentiles_are_within_a_bucket_of_the_exact(share: float, home: Home, master_key: str) -> None:
    """Over hours, days, accounts and projects added together: never below the exact one, at most 4.5 % above."""
    assert master_key
    dice = random.Random(5)  # noqa: S311 - made-up latencies, no secret
    latencies = [round(dice.lognormvariate(7, 1.2)) + 1 for _ in range(2000)]
    put(
        home,
        "a.jsonl",
        [
            line(
                request_id=f"{n}", latency_ms=ms, ts=f"2026-11-{19 + n % 2}T{n % 24:02}:00:00Z", account_id=f"a{n % 3}"
            )
            for n, ms in enumerate(latencies)
        ],
    )
    take_in(home)
    buckets = query(home, "SELECT bucket_ms, sum(requests) FROM mart.latency_daily GROUP BY 1")
    exact = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    assert exact <= off_the_buckets(buckets, share) <= max(exact * MOST_OFF, exact + 1)


def test_bounds_grow_by_a_sixteenth_of_a_power_of_two() -> None:
    """The promise of 4.5 % is kept by every pair of neighbours above the whole milliseconds."""
    bounds = latency_hourly.bounds_ms()
    assert bounds[0] == 1
    wide = [(low, high) for low, high in pairwise(bounds) if high > low + 1]
    # Bounds are whole milliseconds: half of one on either side.
    assert all(high + 0.5 >= low * MOST_OFF - 1 and high <= (low + 1) * MOST_OFF + 0.5 for low, high in wide)


def test_errors_and_calls_without_a_latency_are_left_out(home: Home, master_key: str) -> None:
    """A refusal in a millisecond makes no provider look fast; what is not known is no 0."""
    assert master_key
    put(
        home,
        "a.jsonl",
        [
            line(request_id="1", latency_ms=1000),
            line(request_id="2", latency_ms=1, status="error"),
            line(request_id="3", latency_ms=None),
            line(request_id="4", latency_ms=5, status="cancelled"),
        ],
    )
    take_in(home)
    assert query(home, "SELECT sum(requests), min(bucket_ms) >= 1000 FROM model.latency_hourly") == [(1, True)]


@pytest.mark.parametrize(("latency", "bucket"), [(0, 1), (1, 1), (2, 2), (1023, 1024), (1024, 1024), (10**12, 2**30)])
def test_a_latency_falls_into_the_first_bucket_that_holds_it(latency: int, bucket: int) -> None:
    """Bounds are inclusive; what is longer than the last is in the last."""
    grain = {name: ["x"] for name in latency_hourly.GRAIN}
    calls = pl.DataFrame({**grain, "latency_ms": [latency], "outcome": ["ok"], "requested_at": [None]}).with_columns(
        pl.lit("2026-11-20T10:30:00").str.to_datetime().alias("requested_at")
    )
    assert latency_hourly.roll_up(calls)["bucket_ms"].to_list() == [bucket]
