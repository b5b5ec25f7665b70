"""The tables that say what log, provider's count and bill tell of a day, and why they differ."""

from warehouse.bill_tables import KEY
from warehouse.tables import MONEY, Column, Table

_DAY = Column("day", "DATE", "The UTC day.")
_CONNECTION_NO = Column("connection_no", "BIGINT", "As in model.connection.")
_MODEL = Column("model", "VARCHAR", "The model, dated snapshots under one name; NULL where a bill names none.")
_CLASS = Column("token_class", "VARCHAR", "Which class of tokens; NULL where one is not told apart.")

RECONCILIATION = Table(
    "model",
    "reconciliation",
    "What log, usage and bill say, one row per day, connection, model, key and class of tokens; NULL is not told.",
    (
        _DAY,
        _CONNECTION_NO,
        _MODEL,
        KEY,
        _CLASS,
        Column("log_tokens", "BIGINT", "As the gateway's log tells, over all its keys."),
        Column("usage_tokens", "BIGINT", "As the provider counted."),
        Column("log_cost_usd", MONEY, "The log at list price, each call in its context band."),
        Column("usage_cost_usd", MONEY, "The provider's count at list price."),
        Column("bill_cost_usd", MONEY, "The bill."),
    ),
)
DIFFERENCE = Table(
    "model",
    "difference",
    "Bill minus log of a connection's day, in parts with their causes: they add up to it exactly.",
    (
        _DAY,
        _CONNECTION_NO,
        _MODEL,
        KEY,
        _CLASS,
        Column("cause", "VARCHAR", "unlogged, cancelled_streams, price and so on, as in mart.difference_cause."),
        Column("amount_usd", MONEY, "Positive where the bill is more than the log."),
    ),
)
RECONCILIATION_TABLES = (RECONCILIATION, DIFFERENCE)
