"""model.latency_hourly -> model.latency_daily: hours' histograms added up by UTC day."""

import polars as pl

from warehouse.models.latency_hourly import GRAIN


def roll_up(latency_hourly: pl.DataFrame) -> pl.DataFrame:
    """Rows of `latency_hourly.roll_up` by day; columns of tables.LATENCY_DAILY."""
    day = pl.col("hour").dt.date().alias("day")
    return latency_hourly.group_by(day, *GRAIN, "bucket_ms").agg(pl.col("requests").sum())
