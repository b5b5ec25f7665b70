"""OpenRouter's management API -> raw_openrouter.costs, usage_activity, balance: credits by model and day.

SOURCES: OpenRouter's API reference (/activity, /keys, /credits) and its SDK's ActivityItem. Amounts are JSON numbers of
dollars; days are UTC and told for 30 days once they are over, so a day not read in time is lost, which is said. What a
call cost is the credits it took and, for an own key, what its provider asks for the inference; that part counts here
only while no connection at that provider has it in its bill.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from pipelines.bills import dated, odd_row
from pipelines.bills.biller import Biller, Report
from pipelines.bills.billing_api import BillingApi, Parameters
from pipelines.bills.odd_row import OddRow, Told, amount, count, word
from pipelines.errors import ProviderError
from warehouse.bill_tables import KEY, MODEL, PULL, REQUESTS
from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

_BY_CLASS = {column.name: column for column in TOKEN_CLASSES}
RAW_COSTS = Table(
    "raw_openrouter",
    "costs",
    "OpenRouter: one row per day, model and provider of /activity, per pull.",
    (
        *PULL,
        MODEL,
        Column("provider_name", "VARCHAR", "Who ran the model, in OpenRouter's words."),
        Column("credits_usd", MONEY, "The credits it took."),
        Column("own_key_usd", MONEY, "What the provider asks for calls made with an own key there."),
    ),
)
RAW_USAGE = Table(
    "raw_openrouter",
    "usage_activity",
    "OpenRouter: one row per day, model, provider and key of /activity, per pull.",
    (
        *PULL,
        KEY,
        MODEL,
        Column("provider_name", "VARCHAR", "Who ran the model, in OpenRouter's words."),
        REQUESTS,
        _BY_CLASS["uncached_tokens"],
        _BY_CLASS["text_out_tokens"],
        _BY_CLASS["reasoning_out_tokens"],
    ),
)
RAW_BALANCE = Table(
    "raw_openrouter",
    "balance",
    "OpenRouter: one row per look at /credits, once an hour.",
    (
        *PULL,
        Column("currency", "VARCHAR", "Credits are dollars: USD."),
        Column("topped_up_amount", MONEY, "What is left of all credits."),
        Column("used_amount", MONEY, "All credits used so far; it only grows."),
    ),
)
_ACTIVITY, _KEYS, _CREDITS = "/activity", "/keys", "/credits"
# So many keys are asked one by one; an account with more is told without them.
_MOST_KEYS, _KEYS_A_PAGE = 50, 100
_COUNTS = ("requests", "prompt_tokens", "completion_tokens", "reasoning_tokens")
_Rows = list[Any]
_Group = tuple[str, str | None]
_Days = Iterator[tuple[date, list[Told]]]


def _items(api: BillingApi, path: str, parameters: Parameters) -> _Rows:
    data = api.get(path, parameters).get("data")
    if not isinstance(data, list):
        raise ProviderError(f"OpenRouter {path}: an answer without its list; nothing was stored")
    return data


def _activity(api: BillingApi, day: date, *more: tuple[str, str]) -> _Rows:
    items = _items(api, _ACTIVITY, [("date", day.isoformat()), *more])
    after = day + timedelta(days=1)
    # Some answers write the day with its midnight.
    return dated.rows(f"OpenRouter {_ACTIVITY}", items, lambda item: dated.day(item["date"]), day, after)[day]


def _days(first: date, after: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((after - first).days)]


def _costs(api: BillingApi, first: date, after: date) -> _Days:
    for day in _days(first, after):
        yield day, odd_row.each(_activity(api, day), _charge)


def _charge(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": item["model"],
        "provider_name": item.get("provider_name"),
        "credits_usd": amount(item["usage"]),
        "own_key_usd": amount(item.get("byok_usage_inference", 0)),
    }


def _usage(api: BillingApi, first: date, after: date) -> _Days:
    listed = _items(api, _KEYS, [])
    keys = [key["hash"] for key in listed if isinstance(key, dict) and isinstance(key.get("hash"), str)]
    if len(keys) < len(listed):
        unnamed = len(listed) - len(keys)
        api.notes["keys without an id"] = f"OpenRouter's usage of {unnamed} of its keys is told without them: no id"
    else:
        api.notes.pop("keys without an id", None)
    if len(listed) >= _KEYS_A_PAGE or len(keys) > _MOST_KEYS:
        api.notes["keys"] = f"OpenRouter's usage is told without its keys: the account has more than {_MOST_KEYS}"
        keys = []
    else:
        api.notes.pop("keys", None)
    for day in _days(first, after):
        whole, odd = _counted(_activity(api, day))
        left = dict(whole)
        rows: list[Told] = [*odd]
        # A day without calls has none by key, and one that lacks some cannot be told by key.
        for key in keys if left and not odd else []:
            of_key, odd_of_key = _counted(_activity(api, day, ("api_key_hash", key)))
            rows += odd_of_key
            for group, counts in of_key.items():
                rows.append(_row(group, counts, key))
                left[group] = [of_all - part for of_all, part in zip(left.get(group, [0] * 4), counts, strict=True)]
        if any(count < 0 for counts in left.values() for count in counts):
            # Told without its keys, and asked for again.
            left, rows = whole, [OddRow("keys of a day that count more than the day")]
        # What no key of today's list did: a key that was deleted, or the chat of its site.
        yield day, [*rows, *(_row(group, counts, None) for group, counts in left.items() if any(counts))]


def _counted(items: _Rows) -> tuple[dict[_Group, list[int]], list[OddRow]]:
    """Counts by model and provider, and the items that are none."""
    found: dict[_Group, list[int]] = {}
    odd: list[OddRow] = []
    for one in odd_row.each(items, _counts):
        if isinstance(one, OddRow):
            odd.append(one)
            continue
        group = (one["model"], one["provider_name"])
        found[group] = [old + new for old, new in zip(found.get(group, [0] * 4), one["counts"], strict=True)]
    return found, odd


def _counts(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": word(item["model"]),
        "provider_name": word(item.get("provider_name")),
        "counts": [count(item, name) for name in _COUNTS],
    }


def _row(group: _Group, counts: list[int], key: str | None) -> dict[str, Any]:
    requests, prompt, completion, reasoning = counts
    return {
        "key": key,
        "model": group[0],
        "provider_name": group[1],
        "requests": requests,
        "uncached_tokens": prompt,
        # OpenRouter's completion holds the reasoning.
        "text_out_tokens": max(completion - reasoning, 0),
        "reasoning_out_tokens": min(reasoning, completion),
    }


def _balance(api: BillingApi, first: date, after: date) -> _Days:
    del after  # a balance is of now
    yield first, odd_row.each([api.get(_CREDITS, [])["data"]], _credits)


def _credits(data: dict[str, Any]) -> dict[str, Any]:
    bought, used = amount(data["total_credits"]), amount(data["total_usage"])
    return {"currency": "USD", "topped_up_amount": bought - used, "used_amount": used}


_TRUE_COST = """credits_usd + CASE
    WHEN split_part(lower(provider_name), ' ', 1) IN (SELECT provider FROM model.connection) THEN 0
    ELSE own_key_usd END"""
BILLER = Biller(
    name="openrouter",
    title="OpenRouter",
    address="https://openrouter.ai/api/v1",
    key_variable="OPENROUTER_MANAGEMENT_KEY",
    address_variable="APILEDGER_OPENROUTER_API",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    lookback_days=2,
    reports=(
        Report("costs", "costs", RAW_COSTS, _costs, {"amount_usd": _TRUE_COST, "service": "provider_name"}),
        Report("usage", "usage", RAW_USAGE, _usage),
        Report("balance", "balance", RAW_BALANCE, _balance, {"granted_amount": "0"}),
    ),
    reach_days=30,
    # Every day is a question of its own.
    late_days=2,
    key_help="make a management key at openrouter.ai/settings/management-keys; an inference key cannot read the bill",
    policy_url="https://openrouter.ai/privacy",
    beyond=lambda _: "a management key may make and delete keys; OpenRouter has none that only reads",
)
