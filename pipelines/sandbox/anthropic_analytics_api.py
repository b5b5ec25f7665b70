"""Anthropic's analytics API as the sandbox serves it: `/analytics/usage` and `/analytics/cost`, in pages of rows.

It is what an organisation has whose key reads nothing of the older cost report.
"""

import base64
from datetime import date, timedelta
from typing import Any

from pipelines.sandbox.admin_api import AdminApi, RequestError
from pipelines.sandbox.anthropic_api import searches_of, used_by
from pipelines.sandbox.bill import Bill
from warehouse import money

Query = dict[str, list[str]]
PAGE_ROWS = 40
_GROUPS = {"api_key_id", "context_window", "inference_geo", "model", "service_tier", "workspace_id"}
_TOKEN_TYPES = {"input": "uncached_input_tokens", "cached input": "cache_read_input_tokens", "output": "output_tokens"}


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """Anthropic's analytics API with one bill; a context manager. It takes `key` alone."""
    return AdminApi(bill, key, "x-api-key", {"/analytics/cost": _costs, "/analytics/usage": _usage}, port=port)


def _days(query: Query, groups: set[str]) -> list[date]:
    first, after = (date.fromisoformat(query[name][0][:10]) for name in ("starting_at", "ending_at"))
    asked = set(query.get("group_by[]", []))
    if query.get("time_bucket_width") != ["day"] or not 0 < (after - first).days <= 31 or not asked <= groups:
        raise RequestError("time_bucket_width, the range or group_by[]")
    return [first + timedelta(days=n) for n in range((after - first).days)]


def _page(query: Query, items: list[dict[str, Any]]) -> dict[str, Any]:
    start = int(base64.b64decode(query["page"][0])) if "page" in query else 0
    following = start + PAGE_ROWS
    more = following < len(items)
    return {
        "data": items[start:following],
        "has_more": more,
        "next_page": base64.b64encode(str(following).encode()).decode() if more else None,
    }


def _item(day: date, group: dict[str, Any], **measures: dict[str, Any]) -> dict[str, Any]:
    ends = day + timedelta(days=1)
    return {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{ends}T00:00:00Z", "group": group, **measures}


def _costs(api: AdminApi, query: Query) -> dict[str, Any]:
    days = _days(query, {*_GROUPS, "cost_type", "token_type"})
    items = [
        _item(
            day,
            {
                "workspace_id": f"wrkspc_{line['project']}",
                "model": line["model"],
                "cost_type": "tokens" if line["tokens"] else line["kind"].replace(" ", "_"),
                "token_type": _TOKEN_TYPES.get(line["kind"]),
                "service_tier": "batch" if line["service_tier"] == "batch" else "standard",
                "context_window": "0-200k",
                "inference_geo": "global",
                "api_key_id": None,
            },
            cost={
                "amount": (cents := f"{money.from_pico(line['pico']).scaleb(2):f}"),
                "list_amount": cents,
                "currency": "USD",
                "requests": None,
            },
        )
        for day, lines in api.lines_of(days).items()
        for line in lines
    ]
    return _page(query, items)


def _usage(api: AdminApi, query: Query) -> dict[str, Any]:
    days = _days(query, _GROUPS)
    searches = searches_of(api, days)
    items = [
        _item(
            day,
            {
                "workspace_id": f"wrkspc_{row['project']}",
                "api_key_id": f"apikey_{row['key']}",
                "model": row["model"],
                "service_tier": row["service_tier"] or "standard",
                "context_window": "0-200k",
                "inference_geo": None,
            },
            usage={
                "uncached_input_tokens": row["uncached_tokens"],
                "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
                "cache_read_input_tokens": row["cache_read_tokens"],
                "output_tokens": row["text_out_tokens"],
                "server_tool_use": {"web_search_requests": searches.get(used_by(day, row), 0)},
                "requests": row["requests"],
            },
        )
        for day, rows in api.usage_of(days).items()
        for row in rows
    ]
    return _page(query, items)
