"""Streams -> who called: account, project, team, key, user, end user, tags, and the connection that was paid."""

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.sandbox.client import draw_clients
from pipelines.sandbox.company import ENVIRONMENTS, Stream
from pipelines.sandbox.rhythm import Floats

Ints = npt.NDArray[np.int64]
SKEW = 4.0  # the busiest of four keys makes 71 % of their calls, the busiest of a hundred users 32 %
NEVER = 2.0  # a place beyond the month's end


def draw_callers(
    rng: np.random.Generator, streams: tuple[Stream, ...], stream: Ints, requested_at_us: Ints, position: Floats
) -> pl.DataFrame:
    """Draw the names of each call, in the calls' order; a name that the project does not have is NULL.

    Columns: source, account, project, team, key, user, end_user, tags, provider, model, connection, service_tier, ip,
    user_agent.
    """
    keys = _rank(rng, np.array([s.project.keys for s in streams])[stream])
    users = _rank(rng, np.array([s.project.users for s in streams])[stream])
    end_users = _rank(rng, np.array([s.project.end_users for s in streams])[stream])
    rotated = np.array([NEVER if s.project.rotated is None else s.project.rotated for s in streams])[stream]
    ip, user_agent = draw_clients(streams, stream, keys, users, requested_at_us)
    ranks = pl.DataFrame(
        {
            "stream": stream,
            "environment": pl.Series(ENVIRONMENTS).gather(keys),
            "successor": pl.Series(["", "-2"]).gather(((keys == 0) & (position >= rotated)).astype(np.int64)),
            "user_rank": users + 1,
            "end_user_rank": end_users + 1,
            "feature": _features(rng, streams, stream),
            "ip": ip,
            "user_agent": user_agent,
        }
    )
    names = ranks.join(_names(streams), on="stream", how="left", maintain_order="left")
    tags = pl.concat_list(pl.format("env:{}", "environment"), pl.format("feature:{}", "feature"))
    return names.select(
        "source",
        "account",
        "project",
        "team",
        key=pl.format("{}-{}{}", "owner", "environment", "successor"),
        # Gateways often have addresses for users; `.example` belongs to nobody (RFC 2606).
        user=pl.when("has_users").then(pl.format("{}.{}@{}.example", "role", "user_rank", "account")),
        end_user=pl.when("has_end_users").then(pl.format("customer-{}", "end_user_rank")),
        tags=pl.when(pl.col("feature").is_not_null()).then(tags),
        provider="provider",
        model="model",
        connection=pl.format("{}-{}", "provider", "account"),
        service_tier="service_tier",
        ip="ip",
        user_agent="user_agent",
    )


def _names(streams: tuple[Stream, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "stream": index,
                "source": s.project.source,
                "account": s.account.name,
                "project": s.project.name,
                "team": s.project.team,
                "owner": f"{s.account.name}/{s.project.name or 'scripts'}",
                "role": s.project.team or "scripts",
                "has_users": s.project.users > 0,
                "has_end_users": s.project.end_users > 0,
                "provider": s.model.provider,
                "model": s.use.model,
                "service_tier": s.project.service_tier,
            }
            for index, s in enumerate(streams)
        ],
        infer_schema_length=None,
    )


def _features(rng: np.random.Generator, streams: tuple[Stream, ...], stream: Ints) -> pl.Series:
    features = pl.Series([feature for s in streams for feature in s.project.features or (None,)])
    counts = np.array([len(s.project.features) or 1 for s in streams])
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return features.gather(first[stream] + (rng.random(len(stream)) * counts[stream]).astype(np.int64))


def _rank(rng: np.random.Generator, many: Ints) -> Ints:
    return np.asarray((many * rng.random(len(many)) ** SKEW).astype(np.int64))
