"""OpenAI's admin API -> raw_openai.costs, raw_openai.usage_completions: dollars by line item, tokens by model and key.

SOURCES: OpenAI's OpenAPI description 2.3.0, `/organization/costs` and `/organization/usage/completions`. Costs are JSON
numbers of dollars; days are UTC. How long a day may still change is not documented: three days are read again.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pipelines.biller import Biller, Report
from pipelines.billing_api import BillingApi
from pipelines.errors import ProviderError
from warehouse import money
from warehouse.bill_tables import AMOUNT, KEY, MODEL, PROJECT, PULL, REQUESTS, TIER
from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

RAW_COSTS = Table(
    "raw_openai",
    "costs",
    "OpenAI: one row per day, project and line item of /organization/costs, per pull.",
    (
        *PULL,
        PROJECT,
        Column("line_item", "VARCHAR", "OpenAI's own words; no model is read out of them."),
        AMOUNT,
        Column("quantity", MONEY, "How much of the line's unit, where OpenAI says it."),
        Column("quantity_unit", "VARCHAR", "The unit of quantity."),
    ),
)
RAW_USAGE = Table(
    "raw_openai",
    "usage_completions",
    "OpenAI: one row per day, model, project, key, batch and tier of /organization/usage/completions, per pull.",
    (*PULL, PROJECT, KEY, MODEL, TIER, REQUESTS, *TOKEN_CLASSES),
)
LOOKBACK_DAYS = 3
_DAY_S = 86_400
_COSTS, _USAGE = "/organization/costs", "/organization/usage/completions"
# The most buckets a page may have; more is refused, not cut.
_COSTS_LIMIT, _USAGE_LIMIT = 180, 31


def _buckets(
    api: BillingApi, path: str, groups: Sequence[str], limit: int, first: date, after: date
) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    days = (after - first).days
    parameters = [
        ("start_time", str(_seconds(first))),
        ("end_time", str(_seconds(after))),
        ("bucket_width", "1d"),
        ("limit", str(min(limit, days))),
        *(("group_by", group) for group in groups),
    ]
    for bucket in api.buckets(path, parameters, days):
        start, results = bucket.get("start_time"), bucket.get("results")
        if not isinstance(start, int) or start % _DAY_S or not isinstance(results, list):
            raise ProviderError(f"OpenAI {path}: a bucket that is no UTC day; nothing was stored")
        yield datetime.fromtimestamp(start, UTC).date(), results


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _costs(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    for day, results in _buckets(api, _COSTS, ("line_item", "project_id"), _COSTS_LIMIT, first, after):
        yield day, [_charge(result) for result in results]


def _charge(result: dict[str, Any]) -> dict[str, Any]:
    amount = result["amount"]
    if str(amount["currency"]).lower() != "usd":
        raise ProviderError("OpenAI: an amount that is not in US dollars; nothing was stored")
    quantity = result.get("quantity")
    return {
        "project": result.get("project_id"),
        "line_item": result.get("line_item"),
        "amount_usd": money.usd(amount["value"]),
        "quantity": None if quantity is None else money.usd(quantity),
        "quantity_unit": result.get("quantity_unit"),
    }


def _usage(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    groups = ("model", "project_id", "api_key_id", "batch", "service_tier")
    for day, results in _buckets(api, _USAGE, groups, _USAGE_LIMIT, first, after):
        yield day, [_counted(result) for result in results]


def _counted(result: dict[str, Any]) -> dict[str, Any]:
    """One row of usage in disjoint classes; OpenAI's input holds the cached part, its output the reasoning."""

    def tokens(name: str) -> int:
        value = result.get(name) or 0
        # A count may be written 1.0; never a half.
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value) or value < 0:
            raise ProviderError(f"OpenAI {_USAGE}: {name} is no count; nothing was stored")
        return int(value)

    cached, audio_in, image_in = (tokens(f"input_{kind}_tokens") for kind in ("cached", "audio", "image"))
    audio_out = tokens("output_audio_tokens")
    return {
        "project": result.get("project_id"),
        "key": result.get("api_key_id"),
        "model": result.get("model"),
        # A batch has its own price whatever tier it names.
        "service_tier": "batch" if result.get("batch") else result.get("service_tier"),
        "requests": tokens("num_model_requests"),
        "uncached_tokens": max(tokens("input_tokens") - cached - audio_in - image_in, 0),
        "cache_read_tokens": cached,
        "audio_in_tokens": audio_in,
        "image_in_tokens": image_in,
        "text_out_tokens": max(tokens("output_tokens") - audio_out, 0),
        "audio_out_tokens": audio_out,
    }


BILLER = Biller(
    name="openai",
    title="OpenAI",
    address="https://api.openai.com/v1",
    key_variable="OPENAI_ADMIN_KEY",
    address_variable="APILEDGER_OPENAI_API",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    lookback_days=LOOKBACK_DAYS,
    reports=(
        Report("costs", "costs", RAW_COSTS, _costs, {"line": "line_item"}),
        Report("usage", "usage", RAW_USAGE, _usage),
    ),
    key_prefix="sk-admin-",
    other_keys={
        "sk-proj-": "an OpenAI project key",
        "sk-svcacct-": "an OpenAI service account's key",
        "sk-None-": "an OpenAI user key",
    },
    key_help="an owner makes an admin key with Usage: read at platform.openai.com/settings/organization/admin-keys",
)
