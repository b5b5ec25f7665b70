"""model.requests -> model.latency_hourly: a mergeable histogram of latency, at its own grain.

Bucket bounds grow by a sixteenth of a power of two, so a percentile read off them is at most 4.5 % high; they are the
same everywhere, so histograms of any hours, days or projects add.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import polars as pl

from warehouse import tables

_STEPS = 16
GRAIN = tuple(n for n in tables.LATENCY_HOURLY.column_names if n not in {"hour", "bucket_ms", "requests"})


@cache
def bounds_ms() -> tuple[int, ...]:
    """The buckets' upper bounds: 1 ms to about twelve days, whole milliseconds, each once."""
    bounds = sorted({round(2 ** (step / _STEPS)) for step in range(30 * _STEPS + 1)})
    if any(low >= high for low, high in pairwise(bounds)):
        raise AssertionError("bounds must grow")
    return tuple(bounds)


def roll_up(requests: pl.DataFrame) -> pl.DataFrame:
    """Calls with a latency and no error, by hour, grain and bucket; columns of tables.LATENCY_HOURLY.

    Errors are left out: a refusal in 20 ms would make a provider look fast.
    """
    bounds = pl.Series("bound", bounds_ms(), dtype=pl.Int64)
    latency = pl.col("latency_ms").clip(1, bounds[-1])
    bucket = pl.lit(bounds).search_sorted(latency, side="left").alias("bucket")
    # Lazy, so that only what is grouped is filtered; a bucket is its place among the bounds until it is counted.
    return (
        requests.lazy()
        .filter((pl.col("outcome") == "ok") & pl.col("latency_ms").is_not_null())
        .select(pl.col("requested_at").dt.truncate("1h").alias("hour"), *GRAIN, bucket)
        .group_by("hour", *GRAIN, "bucket")
        .agg(pl.len().cast(pl.Int64).alias("requests"))
        .select("hour", *GRAIN, pl.lit(bounds).gather("bucket").alias("bucket_ms"), "requests")
        .collect()
    )


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What `roll_up` made of the parts of some calls, as it would be of all of them; `parts` is not empty."""
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).group_by("hour", *GRAIN, "bucket_ms").agg(pl.col("requests").sum())
