"""The tables of spend as pages ask for it every morning: added up where a day changes, not where it is asked."""

from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

_ACCOUNT = Column("account_no", "BIGINT", "The account that spends or pays; names in model.account.")
_PROJECT = Column("project_no", "BIGINT", "As in model.requests.")
_TEAM = Column("team_no", "BIGINT", "As in model.requests.")
_KEY = Column("key_no", "BIGINT", "As in model.requests.")
_MODEL = (
    Column("provider", "VARCHAR", "Who ran the model."),
    Column("model", "VARCHAR", "The provider's name of the model; NULL where a bill tells none."),
)
_COUNTS = (
    Column("requests", "BIGINT", "Calls."),
    Column("error_requests", "BIGINT", "Calls that ended in an error."),
)
_TOKENS = (
    Column("input_tokens", "BIGINT", "All input, cache included."),
    Column("output_tokens", "BIGINT", "All output, reasoning included."),
    Column("cache_read_tokens", "BIGINT", "Input read from the provider's prompt cache."),
)
# Each class of tokens but the one that stands among the others.
CLASSES_TOLD = tuple(column for column in TOKEN_CLASSES if column.name != "cache_read_tokens")
_COST = (
    Column("cost_usd", MONEY, "What it cost; NULL where no price is known, or where a bill that is counted holds it."),
    Column("unpriced_requests", "BIGINT", "Calls with tokens and no known price: they are missing from cost_usd."),
)
_DAY = Column("day", "DATE", "The UTC day.")
_BASIS = (
    Column("basis", "VARCHAR", "What tells of it: log, usage, bill, estimate or plan."),
    Column("settlement", "VARCHAR", "provisional, or how settled the bill of the day is."),
)

SPEND_DAILY = Table(
    "model",
    "spend_daily",
    "Spend by UTC day and number, each dollar once: calls, and by how much the bills of a day differ from them.",
    (
        _DAY,
        _ACCOUNT,
        _PROJECT,
        _TEAM,
        _KEY,
        *_MODEL,
        *_COUNTS,
        *_TOKENS,
        *_COST,
        *_BASIS,
        Column("invoice", "VARCHAR", "The number of the invoice that it is on; NULL where none was entered."),
        Column("connection_no", "BIGINT", "Which connection paid; NULL where none did, or nobody can say which."),
        *CLASSES_TOLD,
        Column(
            "list_cost_usd", MONEY, "What the calls cost at list price, whoever pays; NULL where no price is known."
        ),
    ),
)
SPEND_SUMMARY_DAILY = Table(
    "model",
    "spend_summary_daily",
    "The same without keys and invoices: what most pages ask for.",
    (
        _DAY,
        _ACCOUNT,
        _PROJECT,
        _TEAM,
        *_MODEL,
        *_COUNTS,
        *_TOKENS,
        *_COST,
        *_BASIS,
        Column("is_priced", "BOOLEAN", "Whether each of its keys' days has a known price for all of its calls."),
    ),
)
SPEND_SUMMARY_HOURLY = Table(
    "model",
    "spend_summary_hourly",
    "Spend of logs by UTC hour without keys and models: when a week is busy.",
    (Column("hour", "TIMESTAMP", "The start of the hour, UTC."), _ACCOUNT, _PROJECT, _TEAM, *_COUNTS, *_TOKENS, *_COST),
)
_LOCAL_DAY = (
    Column("utc_day", "DATE", "The UTC day that it is of."),
    Column("day", "DATE", "The day of the zone that it is of."),
    Column("zone", "VARCHAR", "The zone; UTC where nothing tells the hours, and the day is the UTC day."),
)
SPEND_LOCAL_DAILY = Table(
    "model",
    "spend_local_daily",
    "Spend of accounts with a zone by the days of it; in sum that of theirs in model.spend_daily.",
    (*_LOCAL_DAY, _ACCOUNT, _PROJECT, _TEAM, _KEY, *_MODEL, *_COUNTS, *_TOKENS, *_COST, *_BASIS),
)
SPEND_LOCAL_SUMMARY_DAILY = Table(
    "model",
    "spend_local_summary_daily",
    "The same without keys: what most pages ask for.",
    (*_LOCAL_DAY, _ACCOUNT, _PROJECT, _TEAM, *_MODEL, *_COUNTS, *_TOKENS, *_COST, *_BASIS),
)
USE_MONTHLY = Table(
    "model",
    "use_monthly",
    "The first and the last UTC day of a month on which a key was used in a project.",
    (
        Column("month", "DATE", "The first day of the UTC month."),
        _ACCOUNT,
        _PROJECT,
        _KEY,
        Column("first_day", "DATE", "The first day of the month with a call."),
        Column("last_day", "DATE", "The last day of the month with a call."),
    ),
)
UNCLAIMED_DAILY = Table(
    "model",
    "unclaimed_daily",
    "Calls whose payer has several connections at the provider, none of which claims their upstream, by UTC day.",
    (
        _DAY,
        _ACCOUNT,
        Column("payer_no", "BIGINT", "The account that pays for them; names in model.account."),
        Column("gateway", "VARCHAR", "The source of the log."),
        Column("provider", "VARCHAR", "Who ran the model."),
        Column("upstream_no", "BIGINT", "Where the gateway sent the calls; NULL where its log does not say."),
        Column("requests", "BIGINT", "Calls."),
        Column("cost_usd", MONEY, "What they cost at list price; NULL where none is known."),
    ),
)
STALE_DAY = Table("model", "stale_day", "Days whose spend changed since it was added up.", (_DAY,))

LOCAL_TABLES = (SPEND_LOCAL_DAILY, SPEND_LOCAL_SUMMARY_DAILY)
SPEND_TABLES = (
    SPEND_DAILY,
    SPEND_SUMMARY_DAILY,
    SPEND_SUMMARY_HOURLY,
    *LOCAL_TABLES,
    USE_MONTHLY,
    UNCLAIMED_DAILY,
    STALE_DAY,
)
