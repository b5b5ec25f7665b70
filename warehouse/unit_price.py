"""What one token costs at the lowest band of its list price, by day, model, tier and class of tokens."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import polars as pl

from warehouse import money
from warehouse.bill_tables import CLASSES
from warehouse.causes import Bucket
from warehouse.prices import PriceBook

_MILLION = 1_000_000


def of(
    book: PriceBook, asked: Mapping[tuple[date, str, Bucket], tuple[str, str]]
) -> dict[tuple[date, str], dict[Bucket, Decimal]]:
    """USD a token of each (day, name, bucket), asked for by provider and model; nothing for what has no price."""
    if not asked:
        return {}
    classes_asked = [token_class for _, _, (_, token_class) in asked]
    calls = pl.DataFrame(
        {
            "provider": [provider for provider, _ in asked.values()],
            "model": [model for _, model in asked.values()],
            "service_tier": pl.Series(
                [None if tier == "standard" else tier for _, _, (tier, _) in asked], dtype=pl.String
            ),
            "region": pl.Series([None] * len(asked), dtype=pl.String),
            "requested_at": pl.Series(
                [datetime(day.year, day.month, day.day, 12) for day, _, _ in asked],  # noqa: DTZ001 (UTC, naive by DuckDB's wish)
                dtype=pl.Datetime("us"),
            ),
            "input_tokens": pl.Series([0] * len(asked), dtype=pl.Int64),
            **{name: pl.Series([_MILLION * (name == each) for each in classes_asked]) for name in CLASSES},
        }
    )
    costs = book.price(calls)["list_cost_pico_usd"]
    prices: dict[tuple[date, str], dict[Bucket, Decimal]] = defaultdict(dict)
    for (day, name, bucket), pico in zip(asked, costs, strict=True):
        if pico is not None:
            prices[day, name][bucket] = money.from_pico(pico) / _MILLION
    return prices
