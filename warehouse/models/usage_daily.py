"""model.usage_hourly -> model.usage_daily: hours rolled up to the UTC day."""

import polars as pl

from warehouse.models.usage_hourly import COUNTED, GRAIN, summed_or_unknown


def roll_up(usage_hourly: pl.DataFrame) -> pl.DataFrame:
    """Hours of `usage_hourly.roll_up` by day and the same grain."""
    return (
        usage_hourly.lazy()
        .with_columns(pl.col("hour").dt.date().alias("day"))
        .group_by("day", *GRAIN)
        .agg(pl.col(COUNTED).sum(), *summed_or_unknown("logged_cost_usd", "list_cost_pico_usd"))
        .collect()
    )
