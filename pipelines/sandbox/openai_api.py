"""OpenAI's admin API as the sandbox serves it: `/organization/costs` and `/organization/usage/completions`."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.sandbox import openai_usage_api
from pipelines.sandbox.admin_api import AdminApi, RequestError, Window
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.misbehaviour import Query
from warehouse import money

_DAY_S = 86_400
_DEFAULT_LIMIT = 7
_COST_GROUPS = {"project_id", "line_item", "api_key_id"}
_USAGE_GROUPS = {"project_id", "user_id", "api_key_id", "model", "batch", "service_tier"}


def serve(bill: Bill, key: str, port: int = 0) -> AdminApi:
    """OpenAI's API with one bill; a context manager. It takes `key` alone."""
    routes = {"/organization/costs": _costs, "/organization/usage/completions": _usage}
    return AdminApi(bill, f"Bearer {key}", "Authorization", routes | openai_usage_api.ROUTES, port=port)


def _window(api: AdminApi, query: Query, groups: set[str], most: int) -> Window:
    start = int(_one(query, "start_time") or "")
    limit = int(_one(query, "limit") or _DEFAULT_LIMIT)
    end = _one(query, "end_time")
    # Without an end it tells all there is.
    after = api.last_day() + timedelta(days=1) if end is None else _day(int(end))
    asked = query.get("group_by", [])
    if _one(query, "bucket_width") not in {None, "1d"} or not 1 <= limit <= most or not set(asked) <= groups:
        raise RequestError("bucket_width, limit or group_by")
    if _one(query, "batch") not in {None, "true", "false"}:
        raise RequestError("batch")
    return Window(_day(start), after, limit, asked, _one(query, "page"))


def _one(query: Query, name: str) -> str | None:
    """A parameter that may come once; an empty one is none."""
    values = query.get(name, [])
    if len(values) > 1:
        raise RequestError(name)
    return (values[0] or None) if values else None


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _page(days: list[date], following: str | None, results: dict[date, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": (start := int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
                "end_time": start + _DAY_S,
                "results": results.get(day, []),
            }
            for day in days
        ],
        "has_more": following is not None,
        "next_page": following,
    }


def _costs(api: AdminApi, query: Query) -> dict[str, Any]:
    window = _window(api, query, _COST_GROUPS, 180)
    if openai_usage_api.refuses_keys(window.groups, window.first):
        raise RequestError("start_time")
    days, following = window.days()
    results = {
        day: [
            {
                "object": "organization.costs.result",
                "amount": {"value": money.from_pico(line["pico"]), "currency": "usd"},
                "line_item": ", ".join(filter(None, (line["model"], line["kind"], line["service_tier"]))),
                "project_id": f"proj_{line['project']}",
                "api_key_id": None,
                "quantity": line["tokens"] or None,
                "quantity_unit": "tokens" if line["tokens"] else None,
            }
            for line in lines
        ]
        for day, lines in api.lines_of(days).items()
    }
    return _page(days, following, results)


def _usage(api: AdminApi, query: Query) -> dict[str, Any]:
    days, following = _window(api, query, _USAGE_GROUPS, 31).days()
    results = {
        day: [
            {
                "object": "organization.usage.completions.result",
                "input_tokens": row["uncached_tokens"] + row["cache_read_tokens"],
                "input_cached_tokens": row["cache_read_tokens"],
                "input_cache_write_tokens": 0,
                "input_uncached_tokens": row["uncached_tokens"],
                "output_tokens": row["text_out_tokens"],
                "input_audio_tokens": 0,
                "output_audio_tokens": 0,
                "num_model_requests": row["requests"],
                "project_id": f"proj_{row['project']}",
                "user_id": None,
                "api_key_id": f"key_{row['key']}",
                "model": row["model"],
                "batch": row["service_tier"] == "batch",
                "service_tier": row["service_tier"],
            }
            for row in rows
            if not openai_usage_api.is_embedding(row)
        ]
        for day, rows in api.usage_of(days).items()
    }
    return _page(days, following, results)
