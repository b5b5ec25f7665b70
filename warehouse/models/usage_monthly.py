"""model.usage_daily -> model.usage_monthly: days rolled up to the UTC month, without key and user."""

from datetime import date

import duckdb
import polars as pl

from warehouse import tables
from warehouse.models.usage_hourly import summed_or_unknown

_MONEY = ("list_cost_usd", "logged_cost_usd")
_COUNTED = tuple(c.name for c in tables.MEASURES)
GRAIN = tuple(n for n in tables.USAGE_MONTHLY.column_names if n not in {*_COUNTED, "month"})


def roll_up(usage_daily: pl.DataFrame) -> pl.DataFrame:
    """Days (columns of tables.USAGE_DAILY, money as Decimal) by month and grain."""
    return (
        usage_daily.lazy()
        .with_columns(pl.col("day").dt.month_start().alias("month"))
        .group_by("month", *GRAIN)
        .agg(pl.col(name for name in _COUNTED if name not in _MONEY).sum(), *summed_or_unknown(*_MONEY))
        .collect()
    )


def read_days(connection: duckdb.DuckDBPyConnection, month: date) -> pl.DataFrame:
    """The days of one month, in the columns that `roll_up` takes."""
    selected = ", ".join(f'"{name}"' for name in ("day", *GRAIN, *_COUNTED))
    return connection.execute(
        f"SELECT {selected} FROM {tables.USAGE_DAILY.full_name} WHERE day >= ? AND day < ?::DATE + INTERVAL 1 MONTH",
        [month, month],
    ).pl()
