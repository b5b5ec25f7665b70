"""Anthropic's admin API -> raw_anthropic.cost_report, raw_anthropic.usage_messages: cents by line, tokens by key.

SOURCES: Anthropic's pages "Get Cost Report" and "Get Messages Usage Report", and its analytics API of usage and cost,
the newer dialect: which one a key may read is asked once. Amounts are cents, as decimal strings; days are UTC. Totals
may be corrected for 30 days. Priority Tier costs never appear in the cost report: that is said where there are any.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from pipelines.bills import dated, odd_row
from pipelines.bills.biller import Biller, Report
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import OddRowError, count, count_if_told
from pipelines.errors import PathRefusedError, UnknownRequestError
from warehouse import money
from warehouse.bill_tables import AMOUNT, GEO, KEY, MODEL, PROJECT, PULL, REQUESTS, TIER, WINDOW
from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

RAW_COSTS = Table(
    "raw_anthropic",
    "cost_report",
    "Anthropic: one row per day, workspace and description, or key, of its cost report, per pull.",
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
        KEY,
        Column("list_amount_usd", MONEY, "The same before any discount, where Anthropic says it."),
    ),
)
RAW_USAGE = Table(
    "raw_anthropic",
    "usage_messages",
    "Anthropic: one row per day, model, key, workspace, tier, window and place of its usage report, per pull.",
    (
        *PULL,
        PROJECT,
        KEY,
        MODEL,
        TIER,
        WINDOW,
        *TOKEN_CLASSES,
        GEO,
        REQUESTS,
        Column("quantity", MONEY, "Web searches; such a row has no tokens."),
        Column("quantity_unit", "VARCHAR", "calls, where quantity is set."),
    ),
)
LOOKBACK_DAYS = 30
LEGACY, ANALYTICS = "cost report", "analytics"
_ANALYTICS_HEADERS = {"anthropic-beta": "analytics-usage-cost-2026-08-24"}
# The analytics API tells of nothing before this day, of 31 days at once, and a page holds some of their rows.
_ANALYTICS_SINCE, _ANALYTICS_DAYS, _MOST_ROWS, _MOST_PAGES = date(2026, 1, 1), 31, 1_000_000, 2_000
_LIMIT = 31
_COSTS, _USAGE = "/cost_report", "/usage_report/messages"
_REGION = {"region": "nullif(inference_geo, 'not_available')"}
_Days = Iterator[tuple[date, list[odd_row.Told]]]
_GROUPS = ("model", "api_key_id", "workspace_id", "service_tier", "context_window", "inference_geo")


def _probe(api: BillingApi) -> str:
    """Which dialect the key may read: the newer one where it may, which tells costs by key as well."""
    window = [("starting_at", f"{_ANALYTICS_SINCE}T00:00:00Z"), ("ending_at", "2026-01-02T00:00:00Z")]
    try:
        api.get("/analytics/cost", [*window, ("time_bucket_width", "day")], _ANALYTICS_HEADERS)
    except (PathRefusedError, UnknownRequestError):
        return LEGACY
    return ANALYTICS


def _day(told: dict[str, Any]) -> date:
    """The UTC day that a bucket, or a row of the analytics API, is of."""
    starts, ends = told["starting_at"], told["ending_at"]
    day = dated.day(starts)
    if starts[10:19] != "T00:00:00" or str(ends)[:19] != f"{day + timedelta(days=1)}T00:00:00":
        raise OddRowError("a bucket that is no UTC day")
    return day


def _buckets(
    api: BillingApi, path: str, groups: Sequence[str], first: date, after: date
) -> Iterator[tuple[date, list[Any]]]:
    days = (after - first).days
    parameters = [
        ("starting_at", f"{first}T00:00:00Z"),
        ("ending_at", f"{after}T00:00:00Z"),
        ("bucket_width", "1d"),
        ("limit", str(min(_LIMIT, days))),
        *(("group_by[]", group) for group in groups),
    ]
    yield from dated.buckets(f"Anthropic {path}", api.buckets(path, parameters, days), _day, first, after)


def _items(
    api: BillingApi, path: str, groups: Sequence[str], first: date, after: date
) -> Iterator[tuple[date, list[Any]]]:
    """The analytics API's flat rows by day, a quiet day with none."""
    since = max(first, _ANALYTICS_SINCE)
    while since < after:
        until = min(since + timedelta(days=_ANALYTICS_DAYS), after)
        parameters = [
            ("starting_at", f"{since}T00:00:00Z"),
            ("ending_at", f"{until}T00:00:00Z"),
            ("time_bucket_width", "day"),
            *(("group_by[]", group) for group in groups),
        ]
        items = api.buckets(path, parameters, _MOST_ROWS, most_pages=_MOST_PAGES, headers=_ANALYTICS_HEADERS)
        yield from dated.rows(f"Anthropic {path}", items, _day, since, until).items()
        since = until


def _costs(api: BillingApi, first: date, after: date) -> _Days:
    if api.dialect == ANALYTICS:
        told = _items(api, "/analytics/cost", (*_GROUPS, "cost_type", "token_type"), first, after)
    else:
        told = _buckets(api, _COSTS, ("workspace_id", "description"), first, after)
    for day, results in told:
        yield day, odd_row.each(results, partial(_charge, dialect=api.dialect))


def _flat(result: dict[str, Any], measures: str, dialect: str | None) -> dict[str, Any]:
    """A row's dimensions and measures as one, as the older dialect tells them."""
    return {**result["group"], **result[measures]} if dialect == ANALYTICS else result


def _charge(told: dict[str, Any], dialect: str | None) -> dict[str, Any]:
    result = _flat(told, "cost", dialect)
    listed = result.get("list_amount")
    if result.get("currency") != "USD":
        raise OddRowError("an amount that is not in US dollars")
    return {
        "project": result.get("workspace_id"),
        "key": result.get("api_key_id"),
        "description": result.get("description"),
        "model": result.get("model"),
        "cost_type": result.get("cost_type"),
        "token_type": result.get("token_type"),
        "service_tier": result.get("service_tier"),
        "context_window": result.get("context_window"),
        "inference_geo": result.get("inference_geo"),
        "amount_usd": _dollars(result["amount"], dialect),
        "list_amount_usd": None if listed is None else _dollars(listed, dialect),
    }


def _dollars(cents: object, dialect: str | None) -> Decimal:
    """Cents, in the cost report always as a string: a number there would be another unit than documented."""
    is_number = dialect == ANALYTICS and not isinstance(cents, str)
    (odd_row.amount if is_number else odd_row.literal)(cents)
    return money.usd(Decimal(str(cents)).scaleb(-2, money.CONTEXT))


def _usage(api: BillingApi, first: date, after: date) -> _Days:
    if api.dialect == ANALYTICS:
        told = _items(api, "/analytics/usage", _GROUPS, first, after)
    else:
        told = _buckets(api, _USAGE, _GROUPS, first, after)
    for day, results in told:
        rows = odd_row.each(results, partial(_counted, dialect=api.dialect))
        tiers = (str(row.get("service_tier")) for row in rows if isinstance(row, dict))
        if api.dialect != ANALYTICS and any(tier.startswith("priority") for tier in tiers):
            api.notes["priority tier"] = (
                "Anthropic counts usage of its Priority Tier and bills it apart: its cost report never holds that,"
                " so spend at Anthropic is more than the bill shown here"
            )
        yield day, rows


def _counted(told: dict[str, Any], dialect: str | None) -> Iterator[dict[str, Any]]:
    """One row of usage, and one of its web searches; Anthropic's classes of input are disjoint already."""
    result = _flat(told, "usage", dialect)
    written = odd_row.part(result, "cache_creation")
    grouped = {
        "project": result.get("workspace_id"),
        "key": result.get("api_key_id"),
        "model": result.get("model"),
        "service_tier": result.get("service_tier"),
        "context_window": result.get("context_window"),
        "inference_geo": result.get("inference_geo"),
    }
    yield {
        **grouped,
        "requests": None if result.get("requests") is None else count(result, "requests"),
        "uncached_tokens": count_if_told(result, "uncached_input_tokens"),
        "cache_read_tokens": count_if_told(result, "cache_read_input_tokens"),
        "cache_write_5m_tokens": count_if_told(written, "ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": count_if_told(written, "ephemeral_1h_input_tokens"),
        "text_out_tokens": count_if_told(result, "output_tokens"),
    }
    if searches := count_if_told(odd_row.part(result, "server_tool_use"), "web_search_requests"):
        yield {**grouped, "quantity": money.usd(searches), "quantity_unit": "calls"}


def _beyond(api: BillingApi) -> str | None:
    """Admin keys cannot be narrowed; a key of the scope read:analytics lists no members."""
    if api.may_read("/users", [("limit", "1")]):
        return "an admin key may manage members and keys; one with read:analytics alone, where the plan has it, cannot"
    return None


BILLER = Biller(
    name="anthropic",
    title="Anthropic",
    address="https://api.anthropic.com/v1/organizations",
    key_variable="ANTHROPIC_ADMIN_KEY",
    address_variable="APILEDGER_ANTHROPIC_API",
    headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    lookback_days=LOOKBACK_DAYS,
    window_is_published=True,
    reports=(
        Report("costs", "costs", RAW_COSTS, _costs, {"line": "description", "service": "cost_type", **_REGION}),
        Report(
            "usage",
            "usage",
            RAW_USAGE,
            _usage,
            {"operation": "CASE WHEN quantity IS NOT NULL THEN 'web_search' END", **_REGION},
        ),
    ),
    probe=_probe,
    key_prefix="sk-ant-admin01-",
    organisation_header="anthropic-organization-id",
    other_keys={
        "sk-ant-api03-": "an Anthropic API key",
        "sk-ant-oat01-": "a Claude sign-in token",
    },
    key_help="an organisation's admin makes an admin key at console.anthropic.com/settings/admin-keys",
    policy_url="https://www.anthropic.com/legal/privacy",
    beyond=_beyond,
)
