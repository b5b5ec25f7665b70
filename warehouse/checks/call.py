"""A call, as raw rows and model.requests both tell it: the columns that are looked at, and what must hold of each."""

from warehouse import labels, tables
from warehouse.checks.suite import Rule, between, holds, in_set, matches, not_null, without

OUTCOMES = ("ok", "error", "cancelled")
_CLASSES = tables.INPUT_CLASSES + tables.OUTPUT_CLASSES
_PLAIN = (
    "request_no",
    "request_id",
    "requested_at",
    "account_no",
    "provider",
    "model",
    "service_tier",
    "region",
    "outcome",
    "http_status",
    "latency_ms",
    *_CLASSES,
)

COLUMNS = {name: f'"{name}"' for name in _PLAIN} | {"logged_cost_is_not_negative": "logged_cost_usd >= 0"}


def word(kind: str, pattern: str) -> str:
    """The pattern of a word that came through the boundary: a label, or the number standing for what is none."""
    return rf"{pattern}|{kind} [0-9]+"


RULES: tuple[Rule, ...] = (
    *not_null("request_no", "request_id", "requested_at", "account_no", "provider", "model", "outcome", *_CLASSES),
    matches("request_id", labels.CALL_ID),
    matches("provider", word("provider", labels.PROVIDER)),
    matches("model", word("model", labels.MODEL)),
    matches("service_tier", word("tier", labels.PROVIDER)),
    matches("region", word("region", labels.PROVIDER)),
    without("model", labels.CREDENTIAL),
    in_set("outcome", OUTCOMES),
    between("http_status", 100, 599),
    between("latency_ms", 0),
    *(between(name, 0) for name in _CLASSES),
    holds("logged_cost_is_not_negative"),
)
