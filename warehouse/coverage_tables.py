"""The tables around the bills: what they do not cover, and what is estimated from balances where there is no bill."""

from warehouse.tables import MONEY, Column, Table

FX = (
    Column("fx_usd_per_unit", MONEY, "The rate that made amount_usd of it; NULL where it was billed in USD."),
    Column("fx_day", "DATE", "The day that rate is of: the day itself or the last before it that has one."),
)
ESTIMATED_SPEND = Table(
    "model",
    "estimated_spend",
    "One row per connection, UTC day and currency whose balance was looked at: what fell is spent, what rose came in.",
    (
        Column("day", "DATE", "The UTC day of the later look of each two; what came between counts on it."),
        Column("connection_no", "BIGINT", "As in model.connection."),
        Column("currency", "VARCHAR", "ISO 4217: the currency of the balance."),
        Column("spent_amount", MONEY, "What fell, in that currency; what was spent while more came in is not seen."),
        Column("added_amount", MONEY, "What rose: a top-up or a grant."),
        Column("amount_usd", MONEY, "spent_amount in USD; NULL where no rate of the day is known, never 0."),
        *FX,
        Column("snapshots", "BIGINT", "How often the balance was looked at and compared."),
        Column("longest_gap_minutes", "BIGINT", "The longest time between two of these looks."),
    ),
)
COVERAGE = Table(
    "model",
    "coverage",
    "What a connection's reports do not say, in a sentence.",
    (
        Column("connection_no", "BIGINT", "As in model.connection."),
        Column("topic", "VARCHAR", "What it is about: a report that is left out, a day that is lost."),
        Column("note", "VARCHAR", "The sentence."),
        Column("noted_at", "TIMESTAMP", "When it was noted first, UTC."),
    ),
)
