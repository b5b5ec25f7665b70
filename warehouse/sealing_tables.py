"""The tables of sealing: which raw rows a seal has taken, which days are closed, from when a roll-up is whole."""

from warehouse.tables import Column, Table

SEALED_LOAD = Table(
    "model",
    "sealed_load",
    "Loads whose raw rows of a day were removed once its hours were proved equal to its rows.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("gateway", "VARCHAR", "The source of the load."),
        Column("load_no", "BIGINT", "The load, as in its receipt."),
        Column("rows", "BIGINT", "How many raw rows were removed."),
    ),
)

CLOSED_DAY = Table(
    "model",
    "closed_day",
    "Days of a source whose calls have expired: their hours and days stand for them, and no row of them lands again.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("gateway", "VARCHAR", "The source."),
    ),
)

EXPIRED_BEFORE = Table(
    "model",
    "expired_before",
    "From which day on a roll-up is whole: what is dated before has expired into the coarser one.",
    (
        Column("table_name", "VARCHAR", "The roll-up: usage_hourly, usage_daily."),
        Column("before", "DATE", "The first UTC day that is whole."),
    ),
)

SEALING_TABLES = (SEALED_LOAD, CLOSED_DAY, EXPIRED_BEFORE)
