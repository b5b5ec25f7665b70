"""Seed and time -> the calls that really happened in the sandbox's world, whatever any witness says of them.

A witness (the gateway's log here; bills and usage reports elsewhere) may lose, change or misprice calls; the truth and
its totals are what every witness, and the whole line behind them, is held against.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from pipelines.sandbox.calls import Drawn, draw
from pipelines.sandbox.company import GATEWAY, World
from pipelines.sandbox.rhythm import bursts, hourly_shares

HOUR_US = 3_600_000_000
MONTH_DAYS = 31
CALLS_A_DAY = 7_000
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
TOTALS_BY = ("day", "account", "project", "provider", "model")


@dataclass(frozen=True)
class GroundTruth:
    """Calls in time order, one row a call; see `pipelines.sandbox.calls.draw` for the columns."""

    calls: pl.DataFrame

    @staticmethod
    def make(
        seed: int,
        month_ends: datetime,
        days: int = MONTH_DAYS,
        calls: int = 200_000,
        sources: tuple[str, ...] = (GATEWAY,),
    ) -> "GroundTruth":
        """Draw exactly `calls` calls in the `days` before `month_ends`; the same for the same arguments.

        `sources` are those whose projects are in it. Raises ValueError if `month_ends` names no time zone.
        """
        ends_us = _microseconds(month_ends)
        hours = days * 24
        starts_us = ends_us - hours * HOUR_US + np.arange(hours) * HOUR_US
        middle = (np.arange(hours) + 0.5) / hours
        world = World.told_by(sources)
        rng = np.random.default_rng([seed, ends_us, days, calls])
        shares = hourly_shares(world, (starts_us + HOUR_US // 2).astype("datetime64[us]"), middle, days)
        shares *= bursts(rng, shares.shape)
        counts = rng.multinomial(calls, (shares / shares.sum()).ravel())
        stream, hour = np.divmod(np.repeat(np.arange(counts.size), counts), hours)
        requested_at_us = starts_us[hour] + rng.integers(0, HOUR_US // 1000, calls) * 1000
        position = 1 - (ends_us - requested_at_us) / (hours * HOUR_US)
        return GroundTruth(draw(rng, world, Drawn(stream, requested_at_us, position, days)))

    @staticmethod
    def next_calls(
        seed: int,
        since: datetime,
        until: datetime,
        calls_a_day: int = CALLS_A_DAY,
        sources: tuple[str, ...] = (GATEWAY,),
    ) -> "GroundTruth":
        """Draw the calls of `[since, until)` after the month: a trickle that goes on as the month ended.

        Each UTC hour is drawn from the seed and itself alone, so that pieces fit together however often one asks.
        Raises ValueError if a time names no time zone.
        """
        since_us, until_us = _microseconds(since), _microseconds(until)
        hours = range(since_us // HOUR_US, -(-until_us // HOUR_US))
        world = World.told_by(sources)
        frames = [_hour(world, seed, hour, calls_a_day) for hour in hours]
        # An empty stretch still has the columns.
        calls = pl.concat(frames or [_hour(world, seed, 0, calls_a_day).clear()])
        return GroundTruth(calls.filter(pl.col("requested_at").is_between(since, until, closed="left")))

    def told_by(self, source: str, until: datetime | None = None) -> pl.DataFrame:
        """The calls that a source tells of, those before `until`."""
        told = self.calls.filter(pl.col("source") == source)
        return told if until is None else told.filter(pl.col("requested_at") < until)

    def totals(self) -> pl.DataFrame:
        """Add up exact counts and tokens by `day, account, project, provider, model`, in that order: the oracle.

        Columns: requests, error_requests, cancelled_requests, input_tokens (cached ones included), output_tokens
        (reasoning included), cached_tokens, reasoning_tokens. `day` is the UTC day of the call's start.
        """
        status = pl.col("status")
        return (
            self.calls.with_columns(day=pl.col("requested_at").dt.date())
            .group_by(TOTALS_BY)
            .agg(
                requests=pl.len().cast(pl.Int64),
                error_requests=(status == "error").sum().cast(pl.Int64),
                cancelled_requests=(status == "cancelled").sum().cast(pl.Int64),
                **{tokens: pl.col(tokens).sum() for tokens in TOKENS},
            )
            .sort(TOTALS_BY)
        )


def _hour(world: World, seed: int, hour: int, calls_a_day: int) -> pl.DataFrame:
    rng = np.random.default_rng([seed, hour, calls_a_day])
    starts_us = hour * HOUR_US
    middle = np.array([starts_us + HOUR_US // 2]).astype("datetime64[us]")
    shares = hourly_shares(world, middle, np.ones(1), MONTH_DAYS)[:, 0]
    shares = shares * bursts(rng, (len(shares), 1))[:, 0]
    counts = rng.poisson(shares * calls_a_day / 24)
    stream = np.repeat(np.arange(counts.size), counts)
    requested_at_us = starts_us + rng.integers(0, HOUR_US // 1000, len(stream)) * 1000
    return draw(rng, world, Drawn(stream, requested_at_us, np.ones(len(stream)), MONTH_DAYS))


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("a time of the sandbox names no time zone: pass one in UTC")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
