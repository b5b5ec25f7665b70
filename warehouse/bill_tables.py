"""The tables made of providers' bills, and the columns that their raw tables share; forms as in `warehouse/tables.py`.

A raw table stands in its provider's file, as a table named cost*, usage* or balance*: retention holds it by that name.
"""

from collections.abc import Mapping

from warehouse.coverage_tables import COVERAGE, ESTIMATED_SPEND, FX
from warehouse.tables import INPUT_CLASSES, MONEY, OUTPUT_CLASSES, TOKEN_CLASSES, Column, Table

PULL = (
    Column("pull_no", "BIGINT", "The pull that landed the row; only complete pulls with a receipt are read."),
    Column("observed_at", "TIMESTAMP", "When the provider said so, UTC."),
    Column("connection_no", "BIGINT", "The credential that asked; as in model.connection."),
    Column("day", "DATE", "The UTC day of the provider's bucket."),
)
PROJECT = Column("project_no", "BIGINT", "The provider's project or workspace; names in model.project.")
KEY = Column("key_no", "BIGINT", "The provider's API key; names in model.key.")
MODEL = Column("model", "VARCHAR", "The model, where the provider names it.")
TIER = Column("service_tier", "VARCHAR", "The provider's word for the tier; NULL where it names none.")
WINDOW = Column("context_window", "VARCHAR", "Anthropic's context window, such as 200k-1M.")
GEO = Column("inference_geo", "VARCHAR", "Where Anthropic ran the model, where it says so.")
AMOUNT = Column("amount_usd", MONEY, "What the provider charges, exactly as it wrote it.")
REQUESTS = Column("requests", "BIGINT", "Calls, where the provider counts them; else NULL.")

_CONNECTION_NO = Column("connection_no", "BIGINT", "As in model.connection.")
_REPORT = Column("report", "VARCHAR", "Which of the provider's reports says so, as its file names it.")
_REGION = Column("region", "VARCHAR", "Where it ran, where the provider says it.")
_QUANTITY = (
    Column("quantity", MONEY, "How much of quantity_unit, where the provider says it."),
    Column("quantity_unit", "VARCHAR", "The unit of quantity, in the provider's words."),
)
_SETTLEMENT = Column(
    "settlement",
    "VARCHAR",
    "provisional until read after the provider's look-back window, then settled; corrected where it moved after that.",
)

CONNECTION = Table(
    "model",
    "connection",
    "One row per credential at a provider whose bills are pulled.",
    (
        Column("connection_no", "BIGINT", "Our own random number."),
        Column("source", "VARCHAR", "What it is read with: the name of a file in pipelines/providers."),
        Column("provider", "VARCHAR", "The provider, as calls name it."),
        Column("account_no", "BIGINT", "The account that pays; as in model.account."),
        Column("is_operator", "BOOLEAN", "Whether it pays for calls of accounts without a connection of their own."),
    ),
)
CLAIM = Table(
    "model",
    "claim",
    "One row per account of a log that an account here has claimed: its calls are in that one's bills.",
    (
        Column("account_no", "BIGINT", "The account that the log names; as in model.account."),
        Column("holder_no", "BIGINT", "The account whose connections pay; as in model.connection."),
    ),
)
UPSTREAM_CLAIM = Table(
    "model",
    "upstream_claim",
    "Which connection pays for the calls that a log sent to an upstream, by UTC day: what people claimed, resolved.",
    (
        Column("upstream_no", "BIGINT", "Where the gateway sent the calls; as in model.usage_daily."),
        Column("account_no", "BIGINT", "The account whose calls they are; as in model.account."),
        Column("provider", "VARCHAR", "Who ran the model; at another provider the upstream may be another's."),
        Column("connection_no", "BIGINT", "The connection that pays; of that provider, and of the calls' payer."),
        Column("first_day", "DATE", "The first UTC day; 0001-01-01 where it has always been so."),
        Column("last_day", "DATE", "The last UTC day; 9999-12-31 while it holds."),
    ),
)
CHARGES = Table(
    "model",
    "charges",
    "One row per line of a provider's bill, from the newest complete pull of its day.",
    (
        Column("day", "DATE", "The UTC day that is billed."),
        _CONNECTION_NO,
        _REPORT,
        PROJECT,
        KEY,
        Column("charge_category", "VARCHAR", "FOCUS: Usage, Purchase, Tax, Credit, Adjustment; NULL is Usage."),
        Column("service", "VARCHAR", "The provider's name of the service, where it sells several."),
        Column("line", "VARCHAR", "The provider's own words: OpenAI's line item, Anthropic's description."),
        MODEL,
        TIER,
        Column("token_type", "VARCHAR", "Which class of tokens, where the provider says it."),
        _REGION,
        AMOUNT,
        Column("list_amount_usd", MONEY, "The same at list price, where the provider says it."),
        Column("billed_amount", MONEY, "The charge in the currency it is billed in; NULL where that is USD."),
        Column("billing_currency", "VARCHAR", "ISO 4217; NULL where it is USD."),
        *FX,
        *_QUANTITY,
        Column("invoice", "VARCHAR", "The invoice or invoice month the provider puts it on, where it says so."),
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
        _REPORT,
        PROJECT,
        KEY,
        Column("operation", "VARCHAR", "OpenTelemetry: chat, embeddings, image_generation; NULL is chat."),
        MODEL,
        TIER,
        _REGION,
        Column("context_band", "VARCHAR", "The long-context band the price depends on; NULL where none does."),
        REQUESTS,
        Column("input_tokens", "BIGINT", "All input, cache included: the sum of its disjoint classes."),
        Column("output_tokens", "BIGINT", "All output, reasoning included: the sum of its disjoint classes."),
        *TOKEN_CLASSES,
        *_QUANTITY,
        Column(
            "list_cost_usd",
            MONEY,
            "Tokens, or uses of a tool, times the day's list price; NULL where none is known, never 0.",
        ),
        Column("price_version", "VARCHAR", "Which price was used."),
    ),
)
BUILT_PULL = Table(
    "model",
    "built_pull",
    "Which pull each report's day was made from, and how settled it was then; else the day is made anew.",
    (
        _CONNECTION_NO,
        _REPORT,
        Column("day", "DATE", "The UTC day."),
        Column("pull_no", "BIGINT", "The pull, as in its receipt."),
        _SETTLEMENT,
    ),
)

_WHOSE = (CLAIM, UPSTREAM_CLAIM)
BILL_TABLES = (CONNECTION, CHARGES, BILL_DAY, USAGE_REPORTED, ESTIMATED_SPEND, COVERAGE, BUILT_PULL, *_WHOSE)
CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES)


def reading_sql(source: Table, named: str, target: Mapping[str, str], meaning: Mapping[str, str]) -> str:
    """SELECT of a raw table's rows in the columns `target` (name: type), of the days and pulls of a relation `told`.

    `meaning` is SQL for columns that the raw table has under another name or in another form; a column that it has not
    at all is NULL. ValueError where the table's name does not begin with `named`, such as raw_<provider>.cost.
    """
    if not source.full_name.startswith(named.replace("<provider>", source.schema.removeprefix("raw_"))):
        raise ValueError(f"{source.full_name} has to be named {named}*: retention holds it by that name")
    expressions = (
        f'({meaning.get(name) or (name if name in source.column_names else "NULL")})::{kind} AS "{name}"'
        for name, kind in target.items()
    )
    return f"SELECT {', '.join(expressions)} FROM {source.full_name} SEMI JOIN told USING (connection_no, day, pull_no)"
