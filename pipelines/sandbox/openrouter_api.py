"""OpenRouter's management API as the sandbox serves it: `/activity` by day and key, `/keys` and `/credits`.

A bill's usage is what went through it; a bill's day is split over its models by their tokens, to the last pico-dollar.
"""

from datetime import date, timedelta
from typing import Any

from pipelines.sandbox.admin_api import AdminApi, RequestError
from pipelines.sandbox.bill import Bill
from warehouse import money

Query = dict[str, list[str]]
REACH_DAYS = 30
BOUGHT_USD = 100_000


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """OpenRouter's API with one bill; a context manager. It takes the management key `key` alone."""
    routes = {"/activity": _activity, "/keys": _keys, "/credits": _credits}
    return AdminApi(bill, f"Bearer {key}", "Authorization", routes, port=port)


def _items(api: AdminApi, day: date, key: str | None) -> list[dict[str, Any]]:
    rows = [row for row in api.usage_of([day]).get(day, []) if key in {None, row["key"]}]
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        item = found.setdefault(
            row["model"],
            {
                "date": day.isoformat(),
                "model": row["model"],
                "model_permaslug": f"{row['model']}-{day.year}",
                "endpoint_id": f"endpoint-{row['model']}",
                "provider_name": "Elsewhere",
                "usage": 0,
                "byok_usage_inference": 0,
                "requests": 0,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "reasoning_tokens": 0,
            },
        )
        item["requests"] += row["requests"]
        item["prompt_tokens"] += row["uncached_tokens"] + row["cache_read_tokens"]
        item["completion_tokens"] += row["text_out_tokens"]
    if key is None:
        for line in api.lines_of([day]).get(day, []):
            found[line["model"]]["usage"] += line["pico"]
    for item in found.values():
        item["usage"] = money.from_pico(item["usage"])
    return list(found.values())


def _activity(api: AdminApi, query: Query) -> dict[str, Any]:
    asked = [date.fromisoformat(day) for day in query.get("date", [])]
    newest = api.bill.usage["day"].max()
    if not asked and isinstance(newest, date):
        asked = [newest - timedelta(days=n) for n in range(REACH_DAYS)]
    if not asked:
        raise RequestError("date")
    return {"data": [item for day in asked for item in _items(api, day, query.get("api_key_hash", [None])[0])]}


def _keys(api: AdminApi, query: Query) -> dict[str, Any]:
    del query  # one page holds them
    keys = sorted(set(api.bill.usage["key"].to_list()))
    # The newest of them was deleted: its calls are in the days, under no key.
    return {"data": [{"hash": key, "name": f"key {key}", "disabled": False, "limit": None} for key in keys[:-1]]}


def _credits(api: AdminApi, query: Query) -> dict[str, Any]:
    del query  # there is nothing to ask for
    used = api.bill.amount(date(2000, 1, 1), api.billed_until or date(2100, 1, 1))
    return {"data": {"total_credits": BOUGHT_USD, "total_usage": used}}
