"""The tables of reporting zones: whose days are which zone's, and with which UTC hour each of them begins."""

from warehouse.tables import Column, Table

ACCOUNT_ZONE = Table(
    "model",
    "account_zone",
    "The zone in whose days an account reads its spend; none is UTC.",
    (
        Column("account_no", "BIGINT", "The account; NULL is every account without a zone of its own."),
        Column("zone", "VARCHAR", "The zone, by its name in the tz database."),
    ),
)

ZONE_DAY = Table(
    "model",
    "zone_day",
    "One row per day of a zone in use: the UTC hours it holds. It begins with the hour that holds local midnight.",
    (
        Column("zone", "VARCHAR", "The zone, by its name in the tz database."),
        Column("day", "DATE", "The local day."),
        Column("starts_at", "TIMESTAMP", "Its first hour, UTC."),
        Column("ends_at", "TIMESTAMP", "The first hour of the next, UTC."),
    ),
)

ZONE_TABLES = (ACCOUNT_ZONE, ZONE_DAY)
