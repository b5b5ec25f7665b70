"""The tables of allocation: the rules in force, their fixed shares, and what of a day rules by tag can tell apart."""

from warehouse.tables import MONEY, Column, Table
from warehouse.zone_tables import ZONE_TABLES

UNALLOCATED = "unallocated"
# A share in whole parts, so that a split is a division of integers.
PARTS = 10**12

ALLOCATION_RULE = Table(
    "model",
    "allocation_rule",
    "One row per rule of allocation.toml: which spend, from when until when, goes to which cost centre.",
    (
        Column("rule", "VARCHAR", "The rule's name."),
        Column("rank", "BIGINT", "How particular it is: the highest that fits wins."),
        Column("account", "VARCHAR", "Only this account; NULL is any, here and below."),
        Column("project", "VARCHAR", "Only this project."),
        Column("team", "VARCHAR", "Only this team."),
        Column("key_label", "VARCHAR", "Only this key."),
        Column("provider", "VARCHAR", "Only this provider."),
        Column("model", "VARCHAR", "Only this model."),
        Column("basis", "VARCHAR", "Only this basis of mart.spend_daily, such as bill."),
        Column("tags", "VARCHAR[]", "Only calls that carry all of these; empty is any."),
        Column("valid_from", "DATE", "The first UTC day it holds; NULL is ever since."),
        Column("valid_to", "DATE", "The first UTC day it no longer holds; NULL while it does."),
        Column("cost_centre", "VARCHAR", "Where it puts the spend; NULL where it splits it."),
        Column(
            "split",
            "VARCHAR",
            "How it splits: day or month (as cost centres' direct cost of then), fixed; NULL where it does not.",
        ),
    ),
)

ALLOCATION_SHARE = Table(
    "model",
    "allocation_share",
    "One row per cost centre of a rule with fixed shares.",
    (
        Column("rule", "VARCHAR", "The rule's name."),
        Column("cost_centre", "VARCHAR", "Who takes a share."),
        Column("parts", "BIGINT", "The share in parts of 10^12; those of a rule add up to all of them."),
    ),
)

USAGE_TAG_DAILY = Table(
    "model",
    "usage_tag_daily",
    "Calls that rules by tag or by a key gone by tell apart, by UTC day and set of tags, each call once.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("account_no", "BIGINT", "As in model.usage_daily, of which this is a part."),
        Column("project_no", "BIGINT", "As there."),
        Column("team_no", "BIGINT", "As there."),
        Column("key_no", "BIGINT", "As there, and as long."),
        Column("gateway", "VARCHAR", "The source of the log."),
        Column("provider", "VARCHAR", "Who ran the model."),
        Column("model", "VARCHAR", "The provider's name of the model."),
        Column("tags", "VARCHAR[]", "Which of the tags that rules name its calls carried, in alphabetical order."),
        Column(
            "kept_rule", "VARCHAR", "The rule that held by a key which days no longer tell; NULL where any rule may."
        ),
        Column("requests", "BIGINT", "Calls."),
        Column("unpriced_requests", "BIGINT", "Calls without a known price: they are missing from list_cost_usd."),
        Column("list_cost_usd", MONEY, "Tokens times list price on the day of the call; NULL where none is known."),
    ),
)

ALLOCATED_SUMMARY_DAILY = Table(
    "model",
    "allocated_summary_daily",
    "mart.allocated_daily without keys, providers and models; empty where there is no rule.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("account_no", "BIGINT", "As in model.spend_daily."),
        Column("project_no", "BIGINT", "As there."),
        Column("team_no", "BIGINT", "As there."),
        Column("cost_centre", "VARCHAR", "Who takes it; unallocated is what no rule claims."),
        Column("rule", "VARCHAR", "The rule that says so; several where they fit equally, NULL where none does."),
        Column("split", "VARCHAR", "direct, or how it is split: day, month, fixed; NULL where it is unallocated."),
        Column("requests", "BIGINT", "Calls."),
        Column(
            "cost_usd", MONEY, "What it takes; NULL where no price is known, or where a bill that is counted holds it."
        ),
        Column("unpriced_requests", "BIGINT", "Calls with tokens and no known price: they are missing from cost_usd."),
    ),
)
STALE_ALLOCATION = Table(
    "model",
    "stale_allocation",
    "Days whose spend, names or rules changed since they were allocated.",
    (Column("day", "DATE", "The UTC day."),),
)

ALLOCATED_TABLES = (ALLOCATED_SUMMARY_DAILY, STALE_ALLOCATION)
ALLOCATION_TABLES = (ALLOCATION_RULE, ALLOCATION_SHARE, USAGE_TAG_DAILY)
# All that says how spend is shown: to whom it belongs, and in whose days.
REPORTING_TABLES = (*ALLOCATION_TABLES, *ZONE_TABLES)
