"""Vercel's AI Gateway -> raw_vercel.costs, raw_vercel.usage_report: dollars and tokens by day and model.

SOURCES: Vercel's page "Custom Reporting" (beta): `/report` by `date_part=day` and `group_by=model`. Amounts are JSON
numbers of dollars: `total_cost` is what Vercel charges, 0 for calls with an own key, `market_cost` the list price. A
question costs half a cent, so it is asked once a day. How long a day may change is not documented: three days.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from pipelines.bills import dated, odd_row
from pipelines.bills.biller import Biller, Report
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import amount, count_if_told
from pipelines.errors import ProviderError
from warehouse.bill_tables import AMOUNT, MODEL, PULL, REQUESTS
from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

RAW_COSTS = Table(
    "raw_vercel",
    "costs",
    "Vercel AI Gateway: one row per day and model of /report, per pull.",
    (*PULL, MODEL, AMOUNT, Column("list_amount_usd", MONEY, "Vercel's market_cost: the same at list price.")),
)
RAW_USAGE = Table(
    "raw_vercel",
    "usage_report",
    "Vercel AI Gateway: tokens and calls per day and model of /report, per pull.",
    (*PULL, MODEL, REQUESTS, *TOKEN_CLASSES),
)
_REPORT = "/report"
_Days = Iterator[tuple[date, list[odd_row.Told]]]


def _results(api: BillingApi, first: date, after: date) -> Iterator[tuple[date, list[Any]]]:
    """Every day asked for with its rows; a quiet day has none."""
    last = after - timedelta(days=1)
    window = [("start_date", first.isoformat()), ("end_date", last.isoformat())]
    results = api.get(_REPORT, [*window, ("date_part", "day"), ("group_by", "model")]).get("results")
    if not isinstance(results, list):
        raise ProviderError(f"Vercel {_REPORT}: an answer without its list; nothing was stored")
    yield from dated.rows(f"Vercel {_REPORT}", results, lambda row: dated.day(row["day"]), first, after).items()


def _costs(api: BillingApi, first: date, after: date) -> _Days:
    for day, results in _results(api, first, after):
        yield day, odd_row.each(results, _charge)


def _charge(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": result["model"],
        "amount_usd": amount(result["total_cost"]),
        "list_amount_usd": amount(result["market_cost"]),
    }


def _usage(api: BillingApi, first: date, after: date) -> _Days:
    for day, results in _results(api, first, after):
        yield day, odd_row.each(results, _counted)


def _counted(result: dict[str, Any]) -> dict[str, Any]:
    """One row in disjoint classes: Vercel's input holds what its cache read and wrote, its output the reasoning."""
    read, written = count_if_told(result, "cached_input_tokens"), count_if_told(result, "cache_creation_input_tokens")
    reasoning = count_if_told(result, "reasoning_tokens")
    return {
        "model": result["model"],
        "requests": count_if_told(result, "request_count"),
        "uncached_tokens": max(count_if_told(result, "input_tokens") - read - written, 0),
        "cache_read_tokens": read,
        "cache_write_5m_tokens": written,
        "text_out_tokens": max(count_if_told(result, "output_tokens") - reasoning, 0),
        "reasoning_out_tokens": reasoning,
    }


BILLER = Biller(
    name="vercel",
    title="Vercel AI Gateway",
    address="https://ai-gateway.vercel.sh/v1",
    key_variable="AI_GATEWAY_API_KEY",
    address_variable="APILEDGER_VERCEL_API",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    lookback_days=3,
    reports=(Report("costs", "costs", RAW_COSTS, _costs), Report("usage", "usage", RAW_USAGE, _usage)),
    is_daily=True,
    key_help="make a key of its own in the dashboard under AI Gateway, API keys, so that it can be revoked by itself",
    policy_url="https://vercel.com/legal/privacy-policy",
    beyond=lambda _: "it may call models, which costs money; the AI Gateway has no key that only reads",
)
