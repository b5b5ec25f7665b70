"""The tables of providers' bills: what a pull lands, and the models made of it; forms as in `warehouse/tables.py`."""

from warehouse.tables import INPUT_CLASSES, MONEY, OUTPUT_CLASSES, TOKEN_CLASSES, Column, Table

_PULL = (
    Column("pull_no", "BIGINT", "The pull that landed the row; only complete pulls with a receipt are read."),
    Column("observed_at", "TIMESTAMP", "When the provider said so, UTC."),
    Column("connection_no", "BIGINT", "The credential that asked; as in model.connection."),
    Column("day", "DATE", "The UTC day of the provider's bucket."),
)
_PROJECT = Column("project_no", "BIGINT", "The provider's project or workspace; names in model.project.")
_KEY = Column("key_no", "BIGINT", "The provider's API key; names in model.key.")
_MODEL = Column("model", "VARCHAR", "The model, where the provider names it.")
_TIER = Column("service_tier", "VARCHAR", "The provider's word for the tier; NULL where it names none.")
_WINDOW = Column("context_window", "VARCHAR", "Anthropic's context window, such as 200k-1M.")
_GEO = Column("inference_geo", "VARCHAR", "Where Anthropic ran the model, where it says so.")
_AMOUNT = Column("amount_usd", MONEY, "What the provider charges, exactly as it wrote it.")
_REQUESTS = Column("requests", "BIGINT", "Calls, where the provider counts them; else NULL.")

RAW_OPENAI_COSTS = Table(
    "raw_openai",
    "costs",
    "OpenAI: one row per day, project and line item of /organization/costs, per pull.",
    (
        *_PULL,
        _PROJECT,
        Column("line_item", "VARCHAR", "OpenAI's own words; no model is read out of them."),
        _AMOUNT,
        Column("quantity", MONEY, "How much of the line's unit, where OpenAI says it."),
        Column("quantity_unit", "VARCHAR", "The unit of quantity."),
    ),
)
RAW_OPENAI_USAGE = Table(
    "raw_openai",
    "usage_completions",
    "OpenAI: one row per day, model, project, key, batch and tier of /organization/usage/completions, per pull.",
    (
        *_PULL,
        _PROJECT,
        _KEY,
        _MODEL,
        _TIER,
        _REQUESTS,
        *TOKEN_CLASSES,
    ),
)
RAW_ANTHROPIC_COSTS = Table(
    "raw_anthropic",
    "cost_report",
    "Anthropic: one row per day, workspace and description of /organizations/cost_report, per pull.",
    (
        *_PULL,
        _PROJECT,
        Column("description", "VARCHAR", "Anthropic's own words for the line."),
        _MODEL,
        Column("cost_type", "VARCHAR", "tokens, web_search, code_execution, session_usage."),
        Column("token_type", "VARCHAR", "Which class of tokens, where cost_type is tokens."),
        _TIER,
        _WINDOW,
        _GEO,
        _AMOUNT,
    ),
)
RAW_ANTHROPIC_USAGE = Table(
    "raw_anthropic",
    "usage_messages",
    "Anthropic: one row per day, model, key, workspace, tier and window of /usage_report/messages, per pull.",
    (
        *_PULL,
        _PROJECT,
        _KEY,
        _MODEL,
        _TIER,
        _WINDOW,
        *TOKEN_CLASSES,
    ),
)

_CONNECTION_NO = Column("connection_no", "BIGINT", "As in model.connection.")
_SETTLEMENT = Column(
    "settlement", "VARCHAR", "settled once read after the provider's look-back window, until then provisional."
)

CONNECTION = Table(
    "model",
    "connection",
    "One row per credential at a provider whose bills are pulled.",
    (
        Column("connection_no", "BIGINT", "Our own random number."),
        Column("provider", "VARCHAR", "The provider, as calls name it."),
        Column("account_no", "BIGINT", "The account that pays; as in model.account."),
        Column("is_operator", "BOOLEAN", "Whether it pays for calls of accounts without a connection of their own."),
    ),
)
CHARGES = Table(
    "model",
    "charges",
    "One row per line of a provider's bill, from the newest complete pull of its day.",
    (
        Column("day", "DATE", "The UTC day that is billed."),
        _CONNECTION_NO,
        _PROJECT,
        Column("line", "VARCHAR", "The provider's own words: OpenAI's line item, Anthropic's description."),
        _MODEL,
        _TIER,
        Column("token_type", "VARCHAR", "Which class of tokens, where the provider says it."),
        _AMOUNT,
        Column("quantity", MONEY, "How much of the line's unit, where the provider says it."),
        Column("quantity_unit", "VARCHAR", "The unit of quantity."),
    ),
)
BILL_DAY = Table(
    "model",
    "bill_day",
    "One row per connection and UTC day that has a bill: what spend_daily adds up to.",
    (
        Column("day", "DATE", "The UTC day."),
        _CONNECTION_NO,
        Column("lines", "BIGINT", "Lines of the bill."),
        Column("amount_usd", MONEY, "The bill."),
        _SETTLEMENT,
    ),
)
USAGE_REPORTED = Table(
    "model",
    "usage_reported",
    "What a provider counted by itself, per day, project, key, model and tier, from the newest complete pull.",
    (
        Column("day", "DATE", "The UTC day."),
        _CONNECTION_NO,
        _PROJECT,
        _KEY,
        _MODEL,
        _TIER,
        Column("context_band", "VARCHAR", "The long-context band the price depends on; NULL where none does."),
        _REQUESTS,
        Column("input_tokens", "BIGINT", "All input, cache included: the sum of its disjoint classes."),
        Column("output_tokens", "BIGINT", "All output, reasoning included: the sum of its disjoint classes."),
        *TOKEN_CLASSES,
        Column("list_cost_usd", MONEY, "Tokens times list price of the day; NULL where no price is known, never 0."),
        Column("price_version", "VARCHAR", "Which price was used."),
    ),
)
BUILT_PULL = Table(
    "model",
    "built_pull",
    "Which pull each report's day was made from, and how settled it was then; else the day is made anew.",
    (
        _CONNECTION_NO,
        Column("report", "VARCHAR", "costs or usage."),
        Column("day", "DATE", "The UTC day."),
        Column("pull_no", "BIGINT", "The pull, as in its receipt."),
        _SETTLEMENT,
    ),
)

BILL_TABLES = (CONNECTION, CHARGES, BILL_DAY, USAGE_REPORTED, BUILT_PULL)
RAW_BILL_TABLES = (RAW_OPENAI_COSTS, RAW_OPENAI_USAGE, RAW_ANTHROPIC_COSTS, RAW_ANTHROPIC_USAGE)
CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES)
