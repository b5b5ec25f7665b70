"""The tables of prices: what was priced anew, what days cost by today's list and by contract, the contracts."""

from warehouse.tables import MONEY, USAGE_DAILY, Column, Table

_GRAIN = ("account_no", "project_no", "provider", "model", "service_tier", "context_band", "region")
LIST_NOW, CONTRACTED = "list_cost_now_usd", "contracted_cost_usd"

REPRICE = Table(
    "model",
    "reprice",
    "One row per explicit reprice: which days were priced anew, with what was known when.",
    (
        Column("first_day", "DATE", "The first UTC day that was priced anew."),
        Column("last_day", "DATE", "The last one."),
        Column("model", "VARCHAR", "The model as calls name it; NULL is all."),
        Column("known_at", "TIMESTAMP", "What was known then prices these days from now on, UTC."),
        Column("requests", "BIGINT", "Calls whose price changed."),
        Column("old_cost_usd", MONEY, "What they cost before, where that was known."),
        Column("new_cost_usd", MONEY, "What they cost since, where that is known."),
    ),
)

REPRICED_DAILY = Table(
    "model",
    "repriced_daily",
    "One row per day and service whose cost by today's list or by contract is another than the list cost of then.",
    (
        Column("day", "DATE", "The UTC day."),
        *(c for c in USAGE_DAILY.columns if c.name in _GRAIN),
        Column(LIST_NOW, MONEY, "Tokens times the list price that is known today; NULL where none is."),
        Column("contract", "VARCHAR", "The contract that was taken; NULL where none holds."),
        Column(CONTRACTED, MONEY, "The same at the price agreed with the provider."),
    ),
)

CONTRACT = Table(
    "model",
    "contract",
    "The agreements with providers, as prices.toml of the home has them.",
    (
        Column("contract", "VARCHAR", "Its name."),
        Column("provider", "VARCHAR", "With whom."),
        Column("valid_from", "DATE", "The first UTC day it holds."),
        Column("valid_to", "DATE", "The first UTC day it no longer holds; NULL while it has no end."),
        Column("discount_percent", "DECIMAL(9,4)", "What is taken off the list price."),
        Column("committed_usd", MONEY, "What is to be spent within the period; NULL where nothing was promised."),
        Column("source", "VARCHAR", "Where it is written down."),
    ),
)

PRICED_WITH = Table(
    "model",
    "priced_with",
    "Which edition of all prices the days of model.repriced_daily were last held against.",
    (Column("edition", "VARCHAR", "A hash of every price and contract that is known."),),
)

PRICE_TABLES = (REPRICE, REPRICED_DAILY, CONTRACT, PRICED_WITH)
