"""Streams and times -> calls: who called, outcome, tokens and latency of each, drawn in whole columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.sandbox.caller import draw_callers
from pipelines.sandbox.company import World
from pipelines.sandbox.rhythm import Floats, lasts

Ints = npt.NDArray[np.int64]
ERROR_SHARE = 0.014  # without the outage
ERROR_CODES, ERROR_ODDS = (429, 500, 503), (0.70, 0.22, 0.08)
CANCELLED_SHARE = 0.005
CLIENT_CLOSED_REQUEST = 499  # nginx's code for a caller who hung up
CACHE_BLOCK = 128  # OpenAI caches from 1,024 tokens on, in blocks of 128
CACHE_FROM = 1_024
CACHE_HIT_SHARE = 0.85
LONGEST_OUTPUT = 32_000


@dataclass(frozen=True)
class Drawn:
    """Which stream made each call, when, and where in the month that was (0 to 1)."""

    stream: Ints
    requested_at_us: Ints
    position: Floats
    days: float


def draw(rng: np.random.Generator, world: World, drawn: Drawn) -> pl.DataFrame:
    """Draw the calls, one row a call, in time order; tokens are the truth, whatever a witness may write.

    `requested_at` is UTC, `status` is ok, error or cancelled; `input_tokens` holds `cached_tokens`, `output_tokens`
    holds `reasoning_tokens`; `connection` is the upstream that was paid.
    """
    status, http_status = _outcome(rng, world, drawn)
    callers = draw_callers(rng, world.streams, drawn.stream, drawn.requested_at_us, drawn.position)
    tokens = _tokens(rng, world, drawn, status)
    frame = pl.DataFrame(
        {
            "request_id": _request_ids(rng, len(drawn.stream)),
            "requested_at": pl.Series(drawn.requested_at_us).cast(pl.Datetime("us", "UTC")),
            **callers.to_dict(),
            **tokens,
            "status": pl.Series(np.array(["ok", "error", "cancelled"])[status]),
            "http_status": http_status,
            "latency_ms": _latency_ms(rng, world, drawn, status, tokens["output_tokens"]),
        }
    )
    return frame.sort("requested_at", "request_id")


def _request_ids(rng: np.random.Generator, calls: int) -> list[str]:
    digits = rng.bytes(12 * calls).hex()
    return [f"req_{digits[at : at + 24]}" for at in range(0, 24 * calls, 24)]


def _outcome(rng: np.random.Generator, world: World, drawn: Drawn) -> tuple[Ints, Ints]:
    calls = len(drawn.stream)
    error_share = np.full(calls, ERROR_SHARE)
    failing = np.array([stream.model.provider == world.outage.provider for stream in world.streams])[drawn.stream]
    down = lasts(world.outage.at, world.outage.hours, drawn.position, drawn.days)
    error_share[failing & down] = world.outage.error_share
    chance = rng.random(calls)
    status = np.where(chance < error_share, 1, np.where(chance > 1 - CANCELLED_SHARE, 2, 0))
    status *= ~_of_agents(world, drawn)
    code = rng.choice(ERROR_CODES, calls, p=ERROR_ODDS)
    return status, np.choose(status, [np.full(calls, 200), code, np.full(calls, CLIENT_CLOSED_REQUEST)])


def _tokens(rng: np.random.Generator, world: World, drawn: Drawn, status: Ints) -> dict[str, Ints]:
    streams, at, calls = world.streams, drawn.stream, len(drawn.stream)

    def per_call(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float64)[at]

    sent = rng.lognormal(
        per_call([np.log(s.project.input.median) for s in streams]), per_call([s.project.input.spread for s in streams])
    )
    input_tokens = np.clip(sent, 8, per_call([s.model.context_tokens * 0.9 for s in streams])).astype(np.int64)
    got = rng.lognormal(
        per_call([np.log(s.project.output.median) for s in streams]),
        per_call([s.project.output.spread for s in streams]),
    )
    answers = per_call([s.model.answers for s in streams])
    got = np.clip(got, 1, LONGEST_OUTPUT) * answers
    output_tokens = np.where(status == 2, got * rng.uniform(0.02, 0.9, calls), got).astype(np.int64)

    cached_share = _beta(rng, per_call([s.project.cached for s in streams]) / CACHE_HIT_SHARE)
    cached = (input_tokens * cached_share * answers).astype(np.int64) // CACHE_BLOCK * CACHE_BLOCK
    hit = (rng.random(calls) < CACHE_HIT_SHARE) & (input_tokens >= CACHE_FROM)
    reasoning = output_tokens * _beta(rng, per_call([s.model.reasoning for s in streams]))
    billed = status != 1  # a call that failed has no tokens
    return {
        "input_tokens": input_tokens * billed,
        "output_tokens": output_tokens * billed,
        "cached_tokens": cached * hit * billed,
        "reasoning_tokens": reasoning.astype(np.int64) * billed,
    }


def _beta(rng: np.random.Generator, mean: Floats) -> Floats:
    # A mean of nought has no beta distribution; the share is then nought itself.
    mean = np.clip(mean, 0, 0.98)
    safe = np.clip(mean, 0.01, 0.98)
    return np.where(mean > 0, rng.beta(8 * safe, 8 * (1 - safe)), 0.0)


def _latency_ms(rng: np.random.Generator, world: World, drawn: Drawn, status: Ints, output_tokens: Ints) -> Ints:
    first_ms = np.array([stream.model.first_ms for stream in world.streams])[drawn.stream]
    tokens_per_s = np.array([stream.model.tokens_per_s for stream in world.streams])[drawn.stream]
    noise = rng.lognormal(0, 0.35, len(drawn.stream))
    answered = (first_ms + output_tokens / tokens_per_s * 1000) * noise
    refused = first_ms * 0.3 * noise**2
    took = np.where(status == 1, refused, answered).astype(np.int64) + 1
    return np.asarray(took * ~_of_agents(world, drawn))


def _of_agents(world: World, drawn: Drawn) -> npt.NDArray[np.bool_]:
    """Calls that stand in sessions, which hold answers alone, each with its own moment."""
    return np.array([stream.project.is_agents for stream in world.streams])[drawn.stream]
