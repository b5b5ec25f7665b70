"""The tables of settlement: which days' figures moved, and how far each connection's bills were read."""

from warehouse.tables import MONEY, Column, Table

CHANGE = Table(
    "model",
    "change",
    "One row per figure and UTC date on which it moved: what a source said of a day before, and what it says since.",
    (
        Column("day", "DATE", "The UTC day whose figure moved."),
        Column("account_no", "BIGINT", "As in model.account."),
        Column("basis", "VARCHAR", "Which figure: log, usage or bill, as in mart.spend_by_source."),
        Column("source", "VARCHAR", "What told of it: the name of a file in pipelines/providers."),
        Column("connection_no", "BIGINT", "As in model.connection; NULL for a log."),
        Column("provider", "VARCHAR", "Who ran the model."),
        Column("changed_at", "TIMESTAMP", "When the newest of it was landed, UTC; moves of one UTC date are one row."),
        Column(
            "reason",
            "VARCHAR",
            "first: nothing was told of it before; late: more calls; restated: the provider says otherwise; repriced: "
            "the same tokens at another price.",
        ),
        Column("settlement", "VARCHAR", "How settled the figure was before; NULL where there was none."),
        Column("before_usd", MONEY, "The amount before; NULL where there was none, or no known price."),
        Column("after_usd", MONEY, "The amount since; NULL where there is none, or no known price."),
        Column("before_requests", "BIGINT", "Calls before."),
        Column("after_requests", "BIGINT", "Calls since."),
        Column("before_tokens", "BIGINT", "Input and output tokens before; NULL for a bill."),
        Column("after_tokens", "BIGINT", "Input and output tokens since; NULL for a bill."),
    ),
)
BILL_STATE = Table(
    "model",
    "bill_state",
    "How far each connection's bills were read, from the receipts of its pulls.",
    (
        Column("connection_no", "BIGINT", "As in model.connection."),
        Column("last_day", "DATE", "The newest UTC day of which anything was told."),
        Column("last_read_on", "DATE", "The UTC day on which it was last read whole."),
        Column("last_landed_at", "TIMESTAMP", "When a day last said something else than before, UTC."),
        Column("days", "BIGINT", "Days that were read."),
        Column("rows", "BIGINT", "Rows of the newest pull of each day."),
        Column("skipped", "VARCHAR", "Why it cannot be read at present; NULL where it can."),
        Column("skipped_since", "TIMESTAMP", "Since when it cannot be read, UTC."),
        Column("held_back_rows", "BIGINT", "Rows of its days that could not be read: what these add up to lacks them."),
    ),
)
WINDOW = Table(
    "model",
    "settlement_window",
    "How long each source's bills are waited for: a day that was read later than that, whole, has settled.",
    (
        Column("source", "VARCHAR", "What bills are read with: the name of a file in pipelines/providers."),
        Column("settles_after_days", "BIGINT", "Days after the day's end; as far back days are asked for each time."),
        Column("told_by", "VARCHAR", "published by the provider, measured here, or assumed until it was measured."),
    ),
)

SETTLEMENT_TABLES = (CHANGE, BILL_STATE, WINDOW)
