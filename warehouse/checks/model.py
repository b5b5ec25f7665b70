"""model.requests, model.request_tag, model.usage_hourly: each call once, whole and priced, and roll-ups that add up."""

from datetime import date

import duckdb

from warehouse import labels, tables
from warehouse.checks import call
from warehouse.checks.batch import Batch
from warehouse.checks.suite import between, held, holds, matches, not_null, unique, without
from warehouse.checks.verdict import Verdict
from warehouse.models.usage_hourly import GRAIN

# A sum with a NULL in it is no sum that agrees.
_SUMS = {
    f"{total}_are_their_classes": f"coalesce({total} = {' + '.join(classes)}, false)"
    for total, classes in (("input_tokens", tables.INPUT_CLASSES), ("output_tokens", tables.OUTPUT_CLASSES))
}
_LIST_COST = {"list_cost_is_not_negative": "list_cost_usd >= 0"}

_REQUESTS = call.COLUMNS | _SUMS | _LIST_COST
_REQUESTS |= {
    "gateway": "gateway",
    "cost_has_its_price_version": """CASE WHEN list_cost_usd IS NOT NULL AND input_tokens + output_tokens > 0
        THEN price_version IS NOT NULL END""",
}
_REQUEST_RULES = (
    unique("request_no"),
    *not_null("gateway"),
    *call.RULES,
    *(holds(name) for name in (*_SUMS, *_LIST_COST, "cost_has_its_price_version")),
)

_TAGS = {
    "tag": "tag",
    "request_no": "request_no",
    "tells_of_a_call": f"""coalesce(request_no IN (SELECT request_no FROM {tables.REQUESTS.full_name}
        WHERE requested_at >= $day AND requested_at < $day + INTERVAL 1 DAY), false)""",
}
_TAG_RULES = (
    *not_null("tag", "request_no"),
    matches("tag", labels.LABEL),
    without("tag", labels.CREDENTIAL),
    holds("tells_of_a_call"),
)

_COUNTS = ("requests", "error_requests", "cancelled_requests", "unpriced_requests")
_HOURS = {name: f'"{name}"' for name in ("hour", *GRAIN, *_COUNTS)} | _SUMS | _LIST_COST
_HOURS |= {
    "hour_is_whole": "hour = date_trunc('hour', hour)",
    "outcomes_are_of_its_requests": "coalesce(error_requests + cancelled_requests <= requests, false)",
    "unpriced_are_of_its_requests": "coalesce(unpriced_requests <= requests, false)",
    "no_price_has_no_cost": "CASE WHEN unpriced_requests = requests THEN coalesce(list_cost_usd, 0) = 0 END",
}
_HOUR_RULES = (
    *not_null("hour", "account_no", "gateway", "provider", "model", *_COUNTS),
    unique("hour", *GRAIN),
    between("requests", 1),
    *(between(name, 0) for name in _COUNTS[1:]),
    holds("hour_is_whole"),
    holds("outcomes_are_of_its_requests"),
    holds("unpriced_are_of_its_requests"),
    holds("no_price_has_no_cost"),
    *(holds(name) for name in (*_SUMS, *_LIST_COST)),
)


def check(connection: duckdb.DuckDBPyConnection, day: date) -> Verdict:
    """Check a UTC day of model.requests, model.request_tag and model.usage_hourly; `rows` counts all three.

    Raises WarehouseError where a table has not the columns of warehouse/tables.py.
    """
    return Verdict.together(
        held(Batch.read(connection, table.full_name, moment, day, columns), rules)
        for table, moment, columns, rules in (
            (tables.REQUESTS, "requested_at", _REQUESTS, _REQUEST_RULES),
            (tables.REQUEST_TAG, "day", _TAGS, _TAG_RULES),
            (tables.USAGE_HOURLY, "hour", _HOURS, _HOUR_RULES),
        )
    )
