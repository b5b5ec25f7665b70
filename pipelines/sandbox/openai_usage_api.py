"""The rest of OpenAI's usage endpoints as the sandbox serves them: the truth's embeddings and tools, and a little else.

What is not in the truth the company uses on every day that has calls, within what OpenAI gives away: no line bills it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from pipelines.sandbox.admin_api import AdminApi, RequestError, Window
from pipelines.sandbox.bill import LEAKED_KEY

Query = dict[str, list[str]]
_DAY_S = 86_400
_BY_MODEL = {"project_id", "user_id", "api_key_id", "model"}
# Endpoint: the object its results are, what it can be grouped by, and a day's counts.
ENDPOINTS: dict[str, tuple[str, set[str], dict[str, int]]] = {
    "embeddings": ("embeddings", _BY_MODEL, {}),
    "moderations": ("moderations", _BY_MODEL, {"input_tokens": 4_000, "num_model_requests": 30}),
    "images": ("images", {*_BY_MODEL, "size", "source"}, {"images": 3, "num_model_requests": 2}),
    "audio_speeches": ("audio_speeches", _BY_MODEL, {"characters": 1_800, "num_model_requests": 4}),
    "audio_transcriptions": ("audio_transcriptions", _BY_MODEL, {"seconds": 640, "num_model_requests": 5}),
    "vector_stores": ("vector_stores", {"project_id"}, {"usage_bytes": 73_400_320}),
    "code_interpreter_sessions": ("code_interpreter_sessions", {"project_id"}, {}),
    "file_search_calls": (
        "file_searches",
        {"project_id", "user_id", "api_key_id", "vector_store_id"},
        {},
    ),
    "web_search_calls": (
        "web_searches",
        {*_BY_MODEL, "context_level"},
        {},
    ),
}
_MODELS = {
    "moderations": "omni-moderation-latest",
    "images": "gpt-image-1",
    "audio_speeches": "tts-1",
    "audio_transcriptions": "whisper-1",
}
# The truth's tool, and the fields that count its uses.
_TOOLS = {
    "code_interpreter_sessions": ("code_interpreter", ("num_sessions",)),
    "file_search_calls": ("file_search", ("num_requests",)),
    "web_search_calls": ("web_search", ("num_model_requests", "num_requests")),
}


def _usage(api: AdminApi, query: Query, endpoint: str) -> dict[str, Any]:
    named, groups, counts = ENDPOINTS[endpoint]
    limit, asked = int(query.get("limit", ["7"])[0]), query.get("group_by", [])
    if query.get("bucket_width", ["1d"]) != ["1d"] or not 1 <= limit <= 31 or not set(asked) <= groups:
        raise RequestError("bucket_width, limit or group_by")
    first, after = (datetime.fromtimestamp(int(query[at][0]), UTC).date() for at in ("start_time", "end_time"))
    days, following = Window(first, after, limit, asked, query.get("page", [None])[0]).days()
    tool, fields = _TOOLS.get(endpoint, (None, ()))
    busy = api.tools_of(days, tool) if tool else api.usage_of(days)
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": (start := int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
                "end_time": start + _DAY_S,
                "results": [
                    _result(named, groups, *found) for found in _found(endpoint, counts, fields, busy.get(day, []))
                ],
            }
            for day in days
        ],
        "has_more": following is not None,
        "next_page": following,
    }


def is_embedding(row: dict[str, Any]) -> bool:
    """Whether a row of the truth's usage is of this file's endpoints and not of completions."""
    return str(row["model"]).startswith("text-embedding")


def _found(
    endpoint: str, counts: dict[str, int], fields: tuple[str, ...], rows: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], str | None, dict[str, int]]]:
    if endpoint == "embeddings":
        for row in filter(is_embedding, rows):
            yield row, row["model"], {"input_tokens": row["uncached_tokens"], "num_model_requests": row["requests"]}
    elif fields:
        for row in rows:
            yield row, row["model"], dict.fromkeys(fields, row["uses"])
    elif own := [row for row in rows if row["key"] != LEAKED_KEY]:
        yield own[0], _MODELS.get(endpoint), counts


def _result(
    named: str, groups: set[str], row: dict[str, Any], model: str | None, counts: dict[str, int]
) -> dict[str, Any]:
    said = {"project_id": f"proj_{row['project']}", "api_key_id": f"key_{row['key']}", "model": model}
    return {
        "object": f"organization.usage.{named}.result",
        **counts,
        **{group: said.get(group) for group in sorted(groups)},
    }


ROUTES: dict[str, Callable[[AdminApi, Query], dict[str, Any]]] = {
    f"/organization/usage/{endpoint}": partial(_usage, endpoint=endpoint) for endpoint in ENDPOINTS
}


def refuses_keys(groups: list[str], first: date) -> bool:
    """Whether OpenAI refuses to tell costs by key: before 2025-12-06 it does not know them."""
    return "api_key_id" in groups and first < date(2025, 12, 6)
