"""The models that calls went to and no price is known for: how much they leave out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb


@dataclass(frozen=True)
class Unpriced:
    """One service without a price: its calls and tokens, and the UTC days they are of."""

    provider: str
    model: str
    service_tier: str | None
    requests: int
    tokens: int
    days: int
    first_day: date
    last_day: date


def read(
    connection: duckdb.DuckDBPyConnection, condition: str = "true", bound: Sequence[object] = ()
) -> list[Unpriced]:
    """Ask a version for every service that has calls without a price, most tokens first.

    `condition` is over model.usage_daily, with its `bound` values: whose calls are meant.
    """
    rows = connection.execute(
        f"""SELECT coalesce(provider, ''), coalesce(model, ''), service_tier, sum(unpriced_requests)::BIGINT,
              sum(input_tokens + output_tokens)::BIGINT AS tokens, count(DISTINCT day), min(day), max(day)
            FROM model.usage_daily WHERE unpriced_requests > 0 AND price_version IS NULL AND {condition}
            GROUP BY ALL ORDER BY tokens DESC, 1, 2""",
        list(bound),
    ).fetchall()
    return [Unpriced(*row) for row in rows]
