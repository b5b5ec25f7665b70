"""The tables of the warehouse: every column with its type and meaning, and the SQL that makes them.

One description serves the DDL, the column comments in the file, Dagster's column metadata and dlt's typed columns, so
that the four never tell different stories.
"""

from dataclasses import dataclass

MONEY = "DECIMAL(38,12)"


@dataclass(frozen=True)
class Column:
    """A column: its name with the unit in it, its DuckDB type, and one sentence of meaning."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table: `schema.name`, one sentence of what a row is, and its columns in order."""

    schema: str
    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """`schema.name`, as SQL spells it."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in the table's order."""
        return tuple(column.name for column in self.columns)

    def ddl(self) -> list[str]:
        """The statements that make the table and write its meanings into the file; safe to run again."""
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return [
            f"CREATE SCHEMA IF NOT EXISTS {self.schema}",
            f"CREATE TABLE IF NOT EXISTS {self.full_name} ({columns})",
            f"COMMENT ON TABLE {self.full_name} IS {_quoted(self.meaning)}",
            *(f'COMMENT ON COLUMN {self.full_name}."{c.name}" IS {_quoted(c.meaning)}' for c in self.columns),
        ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


TOKEN_CLASSES = (
    Column("uncached_tokens", "BIGINT", "Text input read afresh."),
    Column("cache_read_tokens", "BIGINT", "Input read from the provider's prompt cache."),
    Column("cache_write_5m_tokens", "BIGINT", "Input written to the five-minute prompt cache."),
    Column("cache_write_1h_tokens", "BIGINT", "Input written to the one-hour prompt cache."),
    Column("audio_in_tokens", "BIGINT", "Audio input."),
    Column("image_in_tokens", "BIGINT", "Image input."),
    Column("text_out_tokens", "BIGINT", "Text output without reasoning."),
    Column("reasoning_out_tokens", "BIGINT", "Reasoning output, billed as output."),
    Column("audio_out_tokens", "BIGINT", "Audio output."),
)
INPUT_CLASSES = tuple(c.name for c in TOKEN_CLASSES[:6])
OUTPUT_CLASSES = tuple(c.name for c in TOKEN_CLASSES[6:])

_SUBJECTS = (
    Column("account_no", "BIGINT", "The subject the log named, by our own random number; names in model.account."),
    Column("upstream_no", "BIGINT", "Where the gateway sent the call, as far as it says: what a connection claims."),
    Column("key_no", "BIGINT", "The API key; names in model.key."),
    Column("project_no", "BIGINT", "The project; names in model.project."),
    Column("team_no", "BIGINT", "The team; names in model.team."),
    Column("user_no", "BIGINT", "The gateway's user; no name is kept in this file."),
)
_SERVICE = (
    Column("gateway", "VARCHAR", "The source of the log: gateway_jsonl, litellm."),
    Column("provider", "VARCHAR", "Who ran the model."),
    Column("model", "VARCHAR", "The provider's name of the model, without a router's prefix."),
)
_PRICE_FACTS = (
    Column(
        "service_tier", "VARCHAR", "standard, batch, flex, priority: what the provider was asked for; NULL is standard."
    ),
    Column(
        "context_band", "VARCHAR", "The long-context band the price depends on, such as >200k; NULL where none does."
    ),
    Column("region", "VARCHAR", "Where the price depends on it; else NULL."),
)
_TOTALS = (
    Column("input_tokens", "BIGINT", "All input, cache included: the sum of its disjoint classes."),
    Column("output_tokens", "BIGINT", "All output, reasoning included: the sum of its disjoint classes."),
)
_MONEY = (
    Column(
        "list_cost_usd", MONEY, "Tokens times list price on the day of the call; NULL where no price is known, never 0."
    ),
    Column("logged_cost_usd", MONEY, "What the gateway said it cost: evidence, not the books."),
)
_PRICE_VERSION = Column(
    "price_version", "VARCHAR", "Which price was used: source, version and the date it is valid from."
)

REQUESTS = Table(
    "model",
    "requests",
    "One row per model call, deduplicated by the gateway's own call id.",
    (
        Column(
            "request_no", "BIGINT", "The call's number: a keyed hash of gateway and call id, so a replay has the same."
        ),
        Column("request_id", "VARCHAR", "The gateway's own call id."),
        Column("requested_at", "TIMESTAMP", "When the call started, UTC."),
        *_SUBJECTS,
        Column("end_user_no", "BIGINT", "The customer the caller served; no name is kept in this file."),
        Column("client_no", "BIGINT", "IP address and user agent, kept sealed elsewhere; a new number each day."),
        *_SERVICE,
        Column("outcome", "VARCHAR", "ok, error or cancelled."),
        Column("http_status", "SMALLINT", "The status the caller got, where the log tells."),
        Column("latency_ms", "BIGINT", "From request to the last byte."),
        *_PRICE_FACTS,
        *_TOTALS,
        *TOKEN_CLASSES,
        *_MONEY,
        _PRICE_VERSION,
    ),
)

REQUEST_TAG = Table(
    "model",
    "request_tag",
    "One row per call and tag.",
    (
        Column("request_no", "BIGINT", "The call, as in model.requests."),
        Column("day", "DATE", "The call's UTC day."),
        Column("tag", "VARCHAR", "A label people gave."),
    ),
)

MEASURES = (
    Column("requests", "BIGINT", "Calls."),
    Column("error_requests", "BIGINT", "Calls that ended in an error."),
    Column("cancelled_requests", "BIGINT", "Calls the caller broke off."),
    Column("unpriced_requests", "BIGINT", "Calls with tokens and no known price: they are missing from list_cost_usd."),
    *_TOTALS,
    *TOKEN_CLASSES,
    *_MONEY,
)


def _usage(name: str, meaning: str, when: Column, *, people: bool) -> Table:
    subjects = _SUBJECTS if people else tuple(c for c in _SUBJECTS if c.name not in {"key_no", "user_no"})
    return Table("model", name, meaning, (when, *subjects, *_SERVICE, *_PRICE_FACTS, _PRICE_VERSION, *MEASURES))


USAGE_HOURLY = _usage(
    "usage_hourly",
    "Calls rolled up to the UTC hour.",
    Column("hour", "TIMESTAMP", "The start of the hour, UTC."),
    people=True,
)
USAGE_DAILY = _usage(
    "usage_daily", "Hours rolled up to the UTC day.", Column("day", "DATE", "The UTC day."), people=True
)
_MONTH = Column("month", "DATE", "The first day of the UTC month.")
USAGE_MONTHLY = _usage("usage_monthly", "Days rolled up to the UTC month, without key and user.", _MONTH, people=False)


def _latency(name: str, meaning: str, when: Column) -> Table:
    columns = (
        when,
        Column("account_no", "BIGINT", "As in model.requests."),
        Column("project_no", "BIGINT", "As in model.requests."),
        *_SERVICE,
        Column("bucket_ms", "BIGINT", "Upper bound of the bucket; bounds grow by a sixteenth of a power of two."),
        Column("requests", "BIGINT", "Calls in the bucket; add them over any rows, then read a percentile off."),
    )
    return Table("model", name, meaning, columns)


LATENCY_HOURLY = _latency(
    "latency_hourly",
    "A mergeable histogram of latency by UTC hour.",
    Column("hour", "TIMESTAMP", "The start of the hour, UTC."),
)
LATENCY_DAILY = _latency(
    "latency_daily", "The hours' histograms added up by UTC day.", Column("day", "DATE", "The UTC day.")
)


def _names(what: str) -> Table:
    return Table(
        "model",
        what,
        f"The names of each {what} with their dates; facts carry numbers only.",
        (
            Column(f"{what}_no", "BIGINT", "Our own random number."),
            Column("label", "VARCHAR", "The name people gave, or a number standing for what is no label."),
            *(() if what == "account" else (Column("account_no", "BIGINT", "The account it belongs to."),)),
            Column("valid_from", "TIMESTAMP", "From when the name holds, UTC."),
            Column("valid_to", "TIMESTAMP", "Until when; NULL while it holds."),
        ),
    )


NAMES = {what: _names(what) for what in ("account", "project", "key", "team")}

BUILT_LOAD = Table(
    "model",
    "built_load",
    "Which landed load each day's rows were made from; a day is dirty while a load of it is not here.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("gateway", "VARCHAR", "The source of the load."),
        Column("load_no", "BIGINT", "The load, as in its receipt."),
    ),
)

STALE_MONTH = Table("model", "stale_month", "Months whose days changed since they were rolled up.", (_MONTH,))

SOURCE_STATE = Table(
    "model",
    "source_state",
    "What has arrived from each source, from the receipts.",
    (
        Column("source", "VARCHAR", "The source: gateway_jsonl, litellm."),
        Column("last_request_at", "TIMESTAMP", "The newest call it told of, UTC."),
        Column("last_landed_at", "TIMESTAMP", "When its newest file was landed, UTC."),
        Column("files", "BIGINT", "Files landed."),
        Column("rows", "BIGINT", "Rows landed, replays included."),
        Column("quarantined_rows", "BIGINT", "Lines held back."),
    ),
)

REVISION = Table(
    "model",
    "revision",
    "Counts up whenever a model, a name or a source's state changes; a version is due while it is ahead.",
    (Column("revision", "BIGINT", "The build's revision."),),
)

PUBLISHED = Table(
    "mart",
    "published",
    "The version of this file and what it is as of.",
    (
        Column("version", "BIGINT", "Counts up by one with every publication."),
        Column("as_of", "TIMESTAMP", "When it was published, UTC."),
        Column("home", "VARCHAR", "own or sandbox: whether the rows are yours or made up."),
        Column("revision", "BIGINT", "The build's revision that was published."),
    ),
)

MODEL_TABLES = (
    REQUESTS,
    REQUEST_TAG,
    USAGE_HOURLY,
    USAGE_DAILY,
    USAGE_MONTHLY,
    LATENCY_HOURLY,
    LATENCY_DAILY,
    *NAMES.values(),
    BUILT_LOAD,
    STALE_MONTH,
    SOURCE_STATE,
    REVISION,
    PUBLISHED,
)

# What a gateway source lands after the boundary: numbers and checked labels only. Every raw_<gateway> schema has it.
RAW_CALLS = (
    Column("load_no", "BIGINT", "The load that landed the row; only loads with a receipt are read."),
    Column("form", "SMALLINT", "Which form of the log told it; the lower wins where two tell of one call."),
    *REQUESTS.columns[:3],
    *(
        c
        for c in REQUESTS.columns
        if c.name in {"account_no", "key_no", "project_no", "team_no", "user_no", "end_user_no"}
    ),
    *(c for c in REQUESTS.columns if c.name == "upstream_no"),
    *(
        c
        for c in REQUESTS.columns
        if c.name in {"client_no", "provider", "model", "outcome", "http_status", "latency_ms"}
    ),
    *(c for c in REQUESTS.columns if c.name in {"service_tier", "region", *INPUT_CLASSES, *OUTPUT_CLASSES}),
    Column("logged_cost_usd", MONEY, "What the gateway said it cost: evidence, not the books."),
    Column("tags", "VARCHAR", "Checked labels as a JSON list; NULL where there are none."),
)


def from_pico(column: str) -> str:
    """SQL: whole pico-dollars (BIGINT) as DECIMAL(38,12), exactly."""
    return f"({column}::DECIMAL(26,0) * 0.000000000001::DECIMAL(12,12))::{MONEY}"
