"""mart.spend_daily: every amount has its names, is there once, and the marts say what the models say."""

from datetime import date

import duckdb

from warehouse import labels, tables
from warehouse.checks.batch import Batch
from warehouse.checks.call import word
from warehouse.checks.suite import between, held, holds, in_set, matches, not_null, unique, without
from warehouse.checks.verdict import Verdict

BASES = ("log", "usage", "bill", "plan")
SETTLEMENTS = ("provisional", "settled", "invoiced", "corrected")
_SPEND = "mart.spend_daily"
_NAMES = ("account", "project", "team", "key_label")
_COUNTS = ("requests", "error_requests", "unpriced_requests", "input_tokens", "output_tokens", "cache_read_tokens")
_GRAIN = ("day", *_NAMES, "provider", "model", "basis", "connection_no", "invoice")
_RELATIONS = {
    # A bill's row is a difference, and what calls cost can be more than was billed.
    "cost_is_not_negative": "CASE WHEN basis <> 'bill' THEN cost_usd >= 0 END",
    "errors_are_of_its_requests": "coalesce(error_requests <= requests, false)",
    "unpriced_are_of_its_requests": "coalesce(unpriced_requests <= requests, false)",
    "cache_reads_are_of_its_input": "coalesce(cache_read_tokens <= input_tokens, false)",
    "calls_have_their_model": "basis IN ('bill', 'plan') OR model IS NOT NULL",
}
_COLUMNS = {name: f'"{name}"' for name in (*_GRAIN, "settlement", *_COUNTS)} | _RELATIONS
_RULES = (
    *not_null("day", "account", "provider", "basis", "settlement", *_COUNTS),
    *(rule for name in _NAMES for rule in (matches(name, labels.LABEL), without(name, labels.CREDENTIAL))),
    matches("provider", word("provider", labels.PROVIDER)),
    matches("model", word("model", labels.MODEL)),
    in_set("basis", BASES),
    in_set("settlement", SETTLEMENTS),
    unique(*_GRAIN),
    *(between(name, 0) for name in _COUNTS),
    *(holds(name) for name in _RELATIONS),
)

# A name that holds twice at once would double its rows under both, and no row would look wrong by itself.
_LOG = "mart.spend_by_source"
_AGREEMENT = {
    "requests_agree": "coalesce(shown.requests = modelled.requests, false)",
    "tokens_agree": "coalesce(shown.tokens = modelled.tokens, false)",
    "cost_agrees": "coalesce(shown.cost_usd, 0) = coalesce(modelled.cost_usd, 0)",
}


def check(connection: duckdb.DuckDBPyConnection, day: date) -> Verdict:
    """Check a UTC day of mart.spend_daily, and each model's log spend against model.usage_daily; `rows` counts both.

    Raises WarehouseError where a mart has other columns than its file gives it.
    """
    spend = Batch.read(connection, _SPEND, "day", day, _COLUMNS)
    return Verdict.together(
        (held(spend, _RULES), held(_agreement(connection, day), tuple(holds(name) for name in _AGREEMENT)))
    )


def _agreement(connection: duckdb.DuckDBPyConnection, day: date) -> Batch:
    def summed(cost: str, table: str, which: str) -> str:
        return f"""(SELECT provider, model, sum(requests) AS requests, sum(input_tokens) + sum(output_tokens) AS tokens,
            sum({cost}) AS cost_usd FROM {table} WHERE day = $day AND {which} GROUP BY provider, model)"""

    agreement = connection.execute(
        f"""SELECT {", ".join(f"{sql} AS {name}" for name, sql in _AGREEMENT.items())}
            FROM {summed("cost_usd", _LOG, "source = 'log'")} AS shown
            FULL JOIN {summed("list_cost_usd", tables.USAGE_DAILY.full_name, "true")} AS modelled
            USING (provider, model)""",
        {"day": day},
    )
    return Batch(_LOG, agreement.to_arrow_table())
