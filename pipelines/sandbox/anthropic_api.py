"""Anthropic's admin API as the sandbox serves it: `/cost_report` and `/usage_report/messages`, amounts in cents."""

from datetime import date, timedelta
from typing import Any

from pipelines.sandbox.admin_api import AdminApi, RequestError, Window
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.misbehaviour import Query
from warehouse import money

_COST_GROUPS = {"workspace_id", "description"}
_USAGE_GROUPS = {"api_key_id", "context_window", "inference_geo", "model", "service_tier", "workspace_id"}
_TOKEN_TYPES = {"input": "uncached_input_tokens", "cached input": "cache_read_input_tokens", "output": "output_tokens"}


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """Anthropic's API with one bill; a context manager. It takes `key` alone."""
    return AdminApi(bill, key, "x-api-key", {"/cost_report": _costs, "/usage_report/messages": _usage}, port=port)


def _window(query: Query, groups: set[str]) -> Window:
    limit = int(query.get("limit", ["7"])[0])
    asked = query.get("group_by[]", [])
    if query.get("bucket_width", ["1d"]) != ["1d"] or not 1 <= limit <= 31 or not set(asked) <= groups:
        raise RequestError("bucket_width, limit or group_by[]")
    first, after = (date.fromisoformat(query[name][0][:10]) for name in ("starting_at", "ending_at"))
    return Window(first, after, limit, asked, query.get("page", [None])[0])


def _page(days: list[date], following: str | None, results: dict[date, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "data": [
            {
                "starting_at": f"{day}T00:00:00Z",
                "ending_at": f"{day + timedelta(days=1)}T00:00:00Z",
                "results": results.get(day, []),
            }
            for day in days
        ],
        "has_more": following is not None,
        "next_page": following,
    }


def _costs(api: AdminApi, query: Query) -> dict[str, Any]:
    days, following = _window(query, _COST_GROUPS).days()
    results = {
        day: [
            {
                "amount": f"{money.from_pico(line['pico']).scaleb(2):f}",
                "currency": "USD",
                "cost_type": "tokens" if line["tokens"] else line["kind"].replace(" ", "_"),
                "token_type": _TOKEN_TYPES.get(line["kind"]),
                "context_window": "0-200k",
                "inference_geo": "global",
                "model": line["model"],
                "service_tier": "batch" if line["service_tier"] == "batch" else "standard",
                "description": f"{line['model']} Usage - {line['kind']}" if line["model"] else line["kind"],
                "workspace_id": f"wrkspc_{line['project']}",
            }
            for line in lines
        ]
        for day, lines in api.lines_of(days).items()
    }
    return _page(days, following, results)


def searches_of(api: AdminApi, days: list[date]) -> dict[tuple[Any, ...], int]:
    """Web searches of some days, by what `used_by` says of a row of usage."""
    told = api.tools_of(days, "web_search")
    return {used_by(day, {**row, "service_tier": None}): row["uses"] for day, rows in told.items() for row in rows}


def used_by(day: date, row: dict[str, Any]) -> tuple[Any, ...]:
    """What searches are counted beside: a day, project, key and model; of batches there are none."""
    return day, row["project"], row["key"], row["model"], row["service_tier"]


def _usage(api: AdminApi, query: Query) -> dict[str, Any]:
    days, following = _window(query, _USAGE_GROUPS).days()
    searches = searches_of(api, days)
    results = {
        day: [
            {
                "uncached_input_tokens": row["uncached_tokens"],
                "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
                "cache_read_input_tokens": row["cache_read_tokens"],
                "output_tokens": row["text_out_tokens"],
                "server_tool_use": {"web_search_requests": searches.get(used_by(day, row), 0)},
                "api_key_id": f"apikey_{row['key']}",
                "workspace_id": f"wrkspc_{row['project']}",
                "model": row["model"],
                "service_tier": row["service_tier"] or "standard",
                "context_window": "0-200k",
                "inference_geo": None,
            }
            for row in rows
        ]
        for day, rows in api.usage_of(days).items()
    }
    return _page(days, following, results)
