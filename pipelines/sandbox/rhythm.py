"""World and hours -> how many calls each stream makes in each hour: day, week, growth, starts, ends and the spike."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from pipelines.sandbox.company import Rhythm, Spike, Stream, World

Floats = npt.NDArray[np.float64]
RAMP_DAYS = 2.0  # nobody moves all calls to another model in one hour
BURST_SHAPE = 7.0  # an hour's rate varies by 1/sqrt(7), about 38 %, around its rhythm


def hourly_shares(world: World, middles: npt.NDArray[np.datetime64], position: Floats, days: float) -> Floats:
    """Each stream's calls in each hour, as shares of an average hour at the month's end: rows streams, columns hours.

    `middles` are the hours' middles in UTC, `position` their places in the month (0 to 1), `days` its length.
    """
    return np.stack([_shares(world, stream, middles, position, days) for stream in world.streams])


def bursts(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Factors with mean 1 that make each hour of each stream livelier or quieter than its rhythm."""
    return rng.gamma(BURST_SHAPE, 1 / BURST_SHAPE, shape)


def lasts(at: float, hours: float, position: Floats, days: float) -> npt.NDArray[np.bool_]:
    """Which places of the month lie in the event of `hours` that begins at `at`."""
    return (position >= at) & (position < at + timedelta(hours=hours) / timedelta(days=days))


def _shares(world: World, stream: Stream, middles: npt.NDArray[np.datetime64], position: Floats, days: float) -> Floats:
    total = sum(s.share for s in world.streams if s.use.until is None)
    shares = np.full(len(middles), stream.share / total)
    shares *= _week(world.rhythm[stream.project.rhythm], middles, stream.account.utc_offset_hours)
    shares *= (1 + stream.project.growth) ** (position - 1)
    for start in (stream.use.start, stream.project.start):
        if start is not None:
            shares *= _ramp(position - start, days)
    if stream.use.until is not None:
        shares *= 1 - _ramp(position - stream.use.until, days)
    if _has_spike(world.spike, stream):
        # A loop that nobody stopped: it knows no night and no weekend.
        looping = lasts(world.spike.at, world.spike.hours, position, days)
        shares[looping] += stream.share / total * world.spike.times
    return shares


def _week(rhythm: Rhythm, middles: npt.NDArray[np.datetime64], utc_offset_hours: int) -> Floats:
    hours = middles.astype("datetime64[h]").astype(np.int64) + utc_offset_hours
    # 1970-01-01 was a Thursday, three days after a Monday.
    weekend = (hours // 24 + 3) % 7 >= 5
    curve = np.array(rhythm.hours)
    curve /= curve.mean() * (5 + 2 * rhythm.weekend) / 7
    return np.asarray(curve[hours % 24] * np.where(weekend, rhythm.weekend, 1.0))


def _ramp(since: Floats, days: float) -> Floats:
    return np.clip(since * days / RAMP_DAYS + 0.5, 0, 1)


def _has_spike(spike: Spike, stream: Stream) -> bool:
    return (stream.account.name, stream.project.name) == (spike.account, spike.project)
