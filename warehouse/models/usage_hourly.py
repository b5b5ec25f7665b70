"""model.requests -> model.usage_hourly: calls rolled up to the UTC hour."""

from collections.abc import Sequence

import polars as pl

from warehouse import tables

_MADE = {"requests", "error_requests", "cancelled_requests", "unpriced_requests", "list_cost_usd", "logged_cost_usd"}
SUMMED = tuple(c.name for c in tables.MEASURES if c.name not in _MADE)
GRAIN = tuple(n for n in tables.USAGE_HOURLY.column_names if n not in {c.name for c in tables.MEASURES} | {"hour"})


def summed_or_unknown(*money: str) -> list[pl.Expr]:
    """The sum of what is known of each amount, NULL where nothing is: an amount that nobody knows is never 0."""
    return [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in money]


COUNTED = ("requests", "error_requests", "cancelled_requests", "unpriced_requests", *SUMMED)


def roll_up(requests: pl.DataFrame) -> pl.DataFrame:
    """Priced calls by hour and grain; columns of tables.USAGE_HOURLY with list_cost_pico_usd for list_cost_usd.

    A sum over calls without a price is the sum of the others, NULL where there are none; `unpriced_requests` says how
    many are missing.
    """
    return (
        requests.lazy()
        .with_columns(
            pl.col("requested_at").dt.truncate("1h").alias("hour"),
            pl.col("context_band", "price_version").cast(pl.Categorical),
        )
        .group_by("hour", *GRAIN)
        .agg(
            pl.len().cast(pl.Int64).alias("requests"),
            (pl.col("outcome") == "error").sum().cast(pl.Int64).alias("error_requests"),
            (pl.col("outcome") == "cancelled").sum().cast(pl.Int64).alias("cancelled_requests"),
            pl.col("list_cost_pico_usd").is_null().sum().cast(pl.Int64).alias("unpriced_requests"),
            *(pl.col(name).sum() for name in SUMMED),
            *summed_or_unknown("logged_cost_usd", "list_cost_pico_usd"),
        )
        .collect()
    )


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What `roll_up` made of the parts of some calls, as it would be of all of them; `parts` is not empty."""
    hours = pl.concat([part["hour"].unique() for part in parts])
    # Calls are read in about the order of time, so most hours are in one part, and whole there.
    in_some = pl.col("hour").is_in(hours.filter(hours.is_duplicated()).unique().implode())
    added = (
        pl.concat([part.filter(in_some) for part in parts])
        .group_by("hour", *GRAIN)
        .agg(pl.col(COUNTED).sum(), *summed_or_unknown("logged_cost_usd", "list_cost_pico_usd"))
    )
    return pl.concat([*(part.filter(~in_some) for part in parts), added])
