"""The table of what failed calls, and the calls made again after them, cost."""

from warehouse.tables import MONEY, Column, Table

FAILURE_DAILY = Table(
    "model",
    "failure_daily",
    "Failed calls and calls made again after one, by UTC day; the two never count the same call.",
    (
        Column("day", "DATE", "The UTC day."),
        Column("account_no", "BIGINT", "As in model.requests."),
        Column("project_no", "BIGINT", "As in model.requests."),
        Column("gateway", "VARCHAR", "The source of the log: gateway_jsonl, litellm."),
        Column("provider", "VARCHAR", "Who ran the model."),
        Column("model", "VARCHAR", "The provider's name of the model."),
        Column("error_requests", "BIGINT", "Calls that ended in an error."),
        Column("error_cost_usd", MONEY, "What their tokens cost at list price; NULL where no price is known."),
        Column(
            "retry_requests", "BIGINT", "Calls that asked the same within a minute of a failure, at most one for each."
        ),
        Column("retry_cost_usd", MONEY, "What those cost at list price; NULL where no price is known."),
    ),
)
