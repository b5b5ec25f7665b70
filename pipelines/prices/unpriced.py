"""The models that calls went to and no price is known for: how much they leave out, and what they may be meant as."""

from dataclasses import dataclass
from datetime import date

import duckdb

from warehouse.price_suggestion import nearest
from warehouse.prices import PriceBook


@dataclass(frozen=True)
class Unpriced:
    """One service without a price, and the nearest known names."""

    provider: str
    model: str
    service_tier: str | None
    requests: int
    tokens: int
    days: int
    first_day: date
    last_day: date
    suggestions: list[str]


def read(connection: duckdb.DuckDBPyConnection, book: PriceBook) -> list[Unpriced]:
    """Ask a version for every service that has calls without a price, most tokens first."""
    rows = connection.execute(
        """SELECT provider, model, service_tier, sum(unpriced_requests)::BIGINT,
              sum(input_tokens + output_tokens)::BIGINT AS tokens, count(DISTINCT day), min(day), max(day)
            FROM model.usage_daily WHERE unpriced_requests > 0 AND price_version IS NULL
            GROUP BY ALL ORDER BY tokens DESC, provider, model"""
    ).fetchall()
    return [
        Unpriced(provider, model, tier, requests, tokens, days, first, last, nearest(book, provider or "", model or ""))
        for provider, model, tier, requests, tokens, days, first, last in rows
    ]
