"""Anthropic's admin API -> raw_anthropic.cost_report, raw_anthropic.usage_messages: cents by line, tokens by key.

SOURCES: Anthropic's pages "Get Cost Report" and "Get Messages Usage Report". Amounts are decimal strings of CENTS; days
are UTC; Priority Tier costs never appear in the cost report. Totals may be corrected for 30 days.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pipelines.biller import Biller, Report
from pipelines.billing_api import BillingApi
from pipelines.errors import ProviderError
from warehouse import money
from warehouse.bill_tables import AMOUNT, GEO, KEY, MODEL, PROJECT, PULL, TIER, WINDOW
from warehouse.tables import TOKEN_CLASSES, Column, Table

RAW_COSTS = Table(
    "raw_anthropic",
    "cost_report",
    "Anthropic: one row per day, workspace and description of /organizations/cost_report, per pull.",
    (
        *PULL,
        PROJECT,
        Column("description", "VARCHAR", "Anthropic's own words for the line."),
        MODEL,
        Column("cost_type", "VARCHAR", "tokens, web_search, code_execution, session_usage."),
        Column("token_type", "VARCHAR", "Which class of tokens, where cost_type is tokens."),
        TIER,
        WINDOW,
        GEO,
        AMOUNT,
    ),
)
RAW_USAGE = Table(
    "raw_anthropic",
    "usage_messages",
    "Anthropic: one row per day, model, key, workspace, tier and window of /usage_report/messages, per pull.",
    (*PULL, PROJECT, KEY, MODEL, TIER, WINDOW, *TOKEN_CLASSES),
)
LOOKBACK_DAYS = 30
_LIMIT = 31
_COSTS, _USAGE = "/cost_report", "/usage_report/messages"


def _buckets(
    api: BillingApi, path: str, groups: Sequence[str], first: date, after: date
) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    days = (after - first).days
    parameters = [
        ("starting_at", f"{first}T00:00:00Z"),
        ("ending_at", f"{after}T00:00:00Z"),
        ("bucket_width", "1d"),
        ("limit", str(min(_LIMIT, days))),
        *(("group_by[]", group) for group in groups),
    ]
    for bucket in api.buckets(path, parameters, days):
        starts, ends, results = str(bucket.get("starting_at")), str(bucket.get("ending_at")), bucket.get("results")
        try:
            day = date.fromisoformat(starts[:10])
            is_day = starts[10:19] == "T00:00:00" and ends[:19] == f"{day + timedelta(days=1)}T00:00:00"
        except ValueError:
            is_day = False
        if not is_day or not isinstance(results, list):
            raise ProviderError(f"Anthropic {path}: a bucket that is no UTC day; nothing was stored")
        yield day, results


def _costs(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    for day, results in _buckets(api, _COSTS, ("workspace_id", "description"), first, after):
        yield day, [_charge(result) for result in results]


def _charge(result: dict[str, Any]) -> dict[str, Any]:
    cents = result["amount"]
    if not isinstance(cents, str) or result.get("currency") != "USD":
        raise ProviderError("Anthropic: an amount that is no string of US cents; nothing was stored")
    return {
        "project": result.get("workspace_id"),
        "description": result.get("description"),
        "model": result.get("model"),
        "cost_type": result.get("cost_type"),
        "token_type": result.get("token_type"),
        "service_tier": result.get("service_tier"),
        "context_window": result.get("context_window"),
        "inference_geo": result.get("inference_geo"),
        "amount_usd": money.usd(Decimal(cents).scaleb(-2, money.CONTEXT)),
    }


def _usage(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[dict[str, Any]]]]:
    groups = ("model", "api_key_id", "workspace_id", "service_tier", "context_window")
    for day, results in _buckets(api, _USAGE, groups, first, after):
        yield day, [_counted(result) for result in results]


def _counted(result: dict[str, Any]) -> dict[str, Any]:
    """One row of usage; Anthropic's classes of input are disjoint already."""

    def tokens(of: dict[str, Any], name: str) -> int:
        value = of.get(name) or 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ProviderError(f"Anthropic {_USAGE}: {name} is no count; nothing was stored")
        return value

    written = result.get("cache_creation") or {}
    return {
        "project": result.get("workspace_id"),
        "key": result.get("api_key_id"),
        "model": result.get("model"),
        "service_tier": result.get("service_tier"),
        "context_window": result.get("context_window"),
        "uncached_tokens": tokens(result, "uncached_input_tokens"),
        "cache_read_tokens": tokens(result, "cache_read_input_tokens"),
        "cache_write_5m_tokens": tokens(written, "ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": tokens(written, "ephemeral_1h_input_tokens"),
        "text_out_tokens": tokens(result, "output_tokens"),
    }


BILLER = Biller(
    name="anthropic",
    title="Anthropic",
    address="https://api.anthropic.com/v1/organizations",
    key_variable="ANTHROPIC_ADMIN_KEY",
    address_variable="APILEDGER_ANTHROPIC_API",
    headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    lookback_days=LOOKBACK_DAYS,
    reports=(
        Report(
            "costs",
            "costs",
            RAW_COSTS,
            _costs,
            {"line": "description", "service": "cost_type", "region": "inference_geo"},
        ),
        Report("usage", "usage", RAW_USAGE, _usage),
    ),
    key_prefix="sk-ant-admin01-",
    other_keys={
        "sk-ant-api03-": "an Anthropic API key",
        "sk-ant-oat01-": "a Claude sign-in token",
    },
    key_help="an organisation's admin makes an admin key at console.anthropic.com/settings/admin-keys",
)
