"""What makes a bill of the sandbox differ from the gateway's log, cause by cause, each known to the cent.

The usual world has three: a stream that the caller broke off goes on at the provider for a while, one leaked key calls
the provider directly, and tools that a model uses are paid by use. The others are planted where somebody wants to see
whether they are found.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import polars as pl

from warehouse import money

# Longer calls may be in a band of their own price.
_SHORT_INPUT = 100_000
_CACHE_BLOCK = 128
_HUNDRED = 100
_CENT_PICO = 10**10
CREDIT, SEARCHES = "credit", "web search"
# What a provider calls the project of a call.
PROJECT = pl.concat_str("account", pl.col("project").fill_null("default"), separator="-").alias("project")


@dataclass(frozen=True)
class Planted:
    """Which causes a bill has; shares are percent of the calls, told apart by their ids."""

    # How much of what a caller had got when it hung up the provider had made by the time it noticed.
    cancelled_times: int = 2
    leaks: bool = True
    tool_percent: int = 2
    batch_percent: int = 0
    cached_percent: int = 0
    counts_at_the_end: bool = False
    discount_percent: int = 0
    credit_usd: Decimal = Decimal(0)
    search_fee_usd: Decimal = Decimal(0)
    in_whole_cents: bool = False


USUAL = Planted()


def counted(calls: pl.DataFrame, planted: Planted) -> pl.DataFrame:
    """Calls as the provider counts them: `day`, `service_tier`, `uncached_tokens` and `cache_read_tokens` anew."""
    chance = pl.col("request_id").hash(seed=7) % _HUNDRED
    is_short = pl.col("input_tokens") <= _SHORT_INPUT
    as_batch = is_short & pl.col("service_tier").is_null() & (chance < planted.batch_percent)
    uncached = pl.col("input_tokens") - pl.col("cached_tokens")
    found_cached = is_short & (chance >= _HUNDRED - planted.cached_percent)
    moved = pl.when(found_cached).then(uncached // 2 // _CACHE_BLOCK * _CACHE_BLOCK).otherwise(0)
    took = pl.duration(milliseconds=pl.col("latency_ms")) if planted.counts_at_the_end else pl.lit(timedelta())
    return calls.with_columns(
        (pl.col("requested_at").dt.replace_time_zone(None) + took).dt.date().alias("day"),
        pl.when(as_batch).then(pl.lit("batch")).otherwise("service_tier").alias("service_tier"),
        (uncached - moved).alias("uncached_tokens"),
        (pl.col("cached_tokens") + moved).alias("cache_read_tokens"),
    )


def charged(lines: pl.DataFrame, planted: Planted) -> pl.DataFrame:
    """A bill's lines as the provider charges them: with its discount, a credit and a fee a day, in whole cents."""
    pico = pl.col("pico") * (_HUNDRED - planted.discount_percent) // _HUNDRED
    lines = lines.with_columns(pico)
    for kind, usd in ((CREDIT, -planted.credit_usd), (SEARCHES, planted.search_fee_usd)):
        if usd:
            flat = {"kind": pl.lit(kind), "tokens": pl.lit(0, pl.Int64), "pico": pl.lit(money.pico(usd), pl.Int64)}
            daily = lines.select("day").unique().with_columns(**flat)
            lines = pl.concat([lines, daily.with_columns(project=pl.lit("billing"))], how="diagonal")
    if planted.in_whole_cents:
        lines = lines.with_columns((pl.col("pico") + _CENT_PICO // 2) // _CENT_PICO * _CENT_PICO)
    return lines
