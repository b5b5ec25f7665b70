"""Records of every gateway with a prompt in one of their places: each field that is read, and each that is not.

A place is how a record is made another one; a record is the object of one line.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.pipelines import otel_spans
from tests.pipelines.gateway_log import call

# What a person wrote is no name: the words are told by the comma before and the mark after them, whatever is cut off.
NEEDLE = "zanzibar merger closes"
PROMPT = f"Dear diary, the {NEEDLE} on Friday!"
Record = dict[str, Any]
Place = Callable[[Record], Any]

_TEXTS = (
    "request_id", "account_id", "key_id", "upstream", "project", "team", "user_id", "end_user_id", "provider", "model",
    "service_tier", "ip", "user_agent",
)  # fmt: skip
_NUMBERS = (
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "latency_ms", "cost", "status", "ts",
)  # fmt: skip


def _in_field(name: str, record: Record) -> Record:
    return record | {name: PROMPT}


# Where any gateway may tell what nobody asked for.
_BESIDE: dict[str, Place] = {
    "a key": lambda record: record | {PROMPT: 1},
    "messages": lambda record: record | {"messages": [{"role": "user", "content": PROMPT}]},
    "an answer": lambda record: record | {"response": {"choices": [{"message": {"content": PROMPT}}]}},
    "a header": lambda record: record | {"headers": {"x-note": PROMPT}},
    "an error": lambda record: record | {"error_str": f"refused: {PROMPT}", "status": "error"},
    "a list": lambda record: [record, PROMPT],
    "no record": lambda _: PROMPT,
}
_CONTRACT: dict[str, Place] = {
    **{f"text {name}": partial(_in_field, name) for name in _TEXTS},
    **{f"number {name}": partial(_in_field, name) for name in _NUMBERS},
    "a tag": lambda record: record | {"tags": [PROMPT, "team:blue"]},
    "a tag's value": lambda record: record | {"tags": [f"note:{PROMPT}"]},
    "tags": lambda record: record | {"tags": PROMPT},
    "deep": lambda record: record | {"metadata": {"a": [{PROMPT: [PROMPT]}]}},
    "a model's fields": lambda record: record | {"model": {"name": PROMPT}},
    **_BESIDE,
}

_METADATA: Record = {
    "user_api_key_hash": "9f2c41d07be3a658", "user_api_key_alias": "ci", "user_api_key_team_id": "t1",
    "user_api_key_team_alias": "blue", "user_api_key_org_id": "acme", "user_api_key_org_alias": "Acme",
    "user_api_key_project_id": "p1", "user_api_key_project_alias": "web", "user_api_key_user_id": "kim",
    "user_api_key_end_user_id": "lee", "user_agent": "curl/8", "requester_metadata": {}, "spend_logs_metadata": {},
    "applied_guardrails": [], "usage_object": {
        "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1},
        "service_tier": "default", "inference_geo": "us",
    }, "error_information": {"error_code": "", "error_class": "", "error_message": "", "traceback": ""},
}  # fmt: skip
_LITELLM: Record = {
    "call_type": "acompletion", "model": "openai/gpt-4o", "model_group": "gpt-4o", "custom_llm_provider": "openai",
    "api_base": "https://api.openai.com/v1", "total_tokens": 15, "prompt_tokens": 10, "completion_tokens": 5,
    "end_user": "lee", "requester_ip_address": "203.0.113.9", "status": "success", "cache_hit": False,
}  # fmt: skip
_UNREAD = ("messages", "response", "proxy_server_request", "model_parameters", "hidden_params", "error_str",
           "guardrail_information", "cache_key", "session_id", "mcp_namespaced_tool_name", "trace_id")  # fmt: skip


def _row(number: int) -> Record:
    """LiteLLM's row of SpendLogs: moments are text, and metadata and tags JSON in a text."""
    start = _start(number)
    return _LITELLM | {
        "request_id": f"row-{number}", "litellm_call_id": f"row-{number}", "spend": 0.000125, "api_key": "9f2c41d07b",
        "startTime": start.isoformat(), "endTime": (start + timedelta(milliseconds=250)).isoformat(), "user": "kim",
        "team_id": "t1", "metadata": json.dumps(_METADATA), "request_tags": json.dumps(["blue"]),
    }  # fmt: skip


def _payload(number: int) -> Record:
    """LiteLLM's StandardLoggingPayload: moments are seconds, and all else objects."""
    start = _start(number).timestamp()
    return _LITELLM | {
        "id": f"payload-{number}", "litellm_call_id": f"payload-{number}", "response_cost": 0.000125,
        "startTime": start, "endTime": start + 0.25, "metadata": _METADATA, "request_tags": ["blue"],
        "error_information": _METADATA["error_information"],
    }  # fmt: skip


def _start(number: int) -> datetime:
    return datetime(2026, 11, 1 + number % 20, 10, tzinfo=UTC)


def _in_metadata(path: tuple[str, ...], record: Record) -> Record:
    """In a field of the metadata, which a row has as a text."""
    told = record["metadata"]
    made = json.loads(told) if isinstance(told, str) else json.loads(json.dumps(told))
    place = made
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = PROMPT
    return record | {"metadata": json.dumps(made) if isinstance(told, str) else made}


def _leaves(told: Record) -> Iterator[tuple[str, ...]]:
    for name, value in told.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *path) for path in _leaves(value))


def _of_litellm(record: Record) -> dict[str, Place]:
    tags = record["request_tags"]
    tagged = json.dumps([PROMPT]) if isinstance(tags, str) else [PROMPT]
    return {
        **{f"field {name}": partial(_in_field, name) for name in (*record, *_UNREAD)},
        **{f"metadata {'.'.join(path)}": partial(_in_metadata, path) for path in _leaves(_METADATA)},
        "a tag": lambda made: made | {"request_tags": tagged},
        "a message of the request": lambda made: (
            made | {"proxy_server_request": json.dumps({"body": {"messages": [{"content": PROMPT}]}})}
        ),
        **_BESIDE,
    }


_SPAN_TOLD: Record = {
    "gen_ai.system": "openai", "gen_ai.response.model": "gpt-4o", "gen_ai.response.id": ..., "error.type": ...,
    "openai.response.service_tier": "default", "server.address": "api.openai.com", "gen_ai.cost.total_cost": "0.01",
    "gen_ai.usage.cache_read.input_tokens": 2, "gen_ai.usage.reasoning.output_tokens": 1, "user.id": "kim",
    "metadata.user_api_key_org_id": "acme", "metadata.user_api_key_team_id": "t1",
    "metadata.user_api_key_hash": "9f2c41d07b", "metadata.user_api_key_end_user_id": "lee",
}  # fmt: skip
_SPAN_UNREAD = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
                "gen_ai.completion", "gen_ai.tool.call.arguments", "gen_ai.tool.definitions", "llm.input",
                "exception.message", "url.full")  # fmt: skip
_SPAN_FIELDS = ("traceId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "traceState", "spanId")


def _span(number: int) -> Record:
    """A line of the OpenTelemetry Collector with one span."""
    start = int(_start(number).timestamp()) * 1_000_000_000 + number
    made = otel_spans.span(number, told=_SPAN_TOLD, startTimeUnixNano=str(start), endTimeUnixNano=str(start + 250))
    told: Record = json.loads(otel_spans.line(made, made | {"spanId": f"{number + 2**32:016x}", "attributes": []}))
    return told


def _in_span(change: Callable[[Record], Record], record: Record) -> Record:
    """One of its spans is another."""
    ((resource,), made) = record["resourceSpans"], json.loads(json.dumps(record))
    place = next(at for at, each in enumerate(resource["scopeSpans"]) if each["spans"][0]["attributes"])
    spans = made["resourceSpans"][0]["scopeSpans"][place]["spans"]
    spans[0] = change(spans[0])
    return dict(made)


def _attribute(key: str, value: Record, span: Record) -> Record:
    return span | {
        "attributes": [*(one for one in span["attributes"] if one["key"] != key), {"key": key, "value": value}]
    }


def _around(change: Record, record: Record) -> Record:
    return {"resourceSpans": [record["resourceSpans"][0] | change]}


def _with(name: str, one: Record, span: Record) -> Record:
    return span | {name: [one]}


_SAID = {"stringValue": PROMPT}
_KINDS: dict[str, Record] = {
    "list": {"arrayValue": {"values": [_SAID]}},
    "map": {"kvlistValue": {"values": [{"key": PROMPT, "value": _SAID}]}},
    "number": {"intValue": PROMPT},
}
_NOTE = [{"key": "gen_ai.prompt", "value": _SAID}]
_SPANS: dict[str, Place] = {
    **{
        f"attribute {key}": partial(_in_span, partial(_attribute, key, _SAID))
        for key in (*_SPAN_TOLD, *otel_spans.NEW, *_SPAN_UNREAD)
    },
    **{
        f"a {kind}": partial(_in_span, partial(_attribute, "gen_ai.request.model", value))
        for kind, value in _KINDS.items()
    },
    **{f"span {name}": partial(_in_span, partial(_in_field, name)) for name in _SPAN_FIELDS},
    "an attribute's key": partial(_in_span, partial(_attribute, PROMPT, {"intValue": "1"})),
    "an event": partial(_in_span, partial(_with, "events", {"name": PROMPT, "attributes": _NOTE})),
    "a link": partial(_in_span, partial(_with, "links", {"traceId": "0" * 32, "attributes": _NOTE})),
    "the status": partial(_in_span, lambda span: span | {"status": {"code": 2, "message": PROMPT}}),
    **{
        f"resource {key}": partial(_around, {"resource": {"attributes": [{"key": key, "value": _SAID}]}})
        for key in ("service.name", "service.namespace", "host.name", PROMPT)
    },
    "the schema": partial(_around, {"schemaUrl": PROMPT}),
    **_BESIDE,
}  # fmt: skip

# The inbox, a record by its number, and the places of it.
SOURCES: dict[str, tuple[str, Callable[[int], Record], dict[str, Place]]] = {
    "contract": (
        "gateway_jsonl",
        lambda number: call(request_id=f"call-{number}", ts=f"2026-11-{1 + number % 20:02}T10:00:00Z"),
        _CONTRACT,
    ),
    "rows": ("litellm", _row, _of_litellm(_row(0))),
    "payloads": ("litellm", _payload, _of_litellm(_payload(0))),
    "spans": ("otel", _span, _SPANS),
}


def fuzzed(source: str, first: int, count: int) -> Iterator[bytes]:
    """Records from a number on, with the prompt in one place each; one in three with bytes changed.

    A byte is another, something is put in (a line's end, too: it is split), the rest is cut off, or it is doubled.
    """
    _, made, every = SOURCES[source]
    dice, places = random.Random(f"{source} {first}"), list(every.values())  # noqa: S311 (repeatable, not secret)
    for number in range(first, first + count):
        record = places[number % len(places)](made(number))
        line = json.dumps(record, ensure_ascii=dice.random() < 0.5).encode()
        kind, at = dice.random(), dice.randrange(len(line))
        if kind < 0.1:
            line = line[:at] + bytes([dice.randrange(256)]) + line[at + 1 :]
        elif kind < 0.2:
            line = line[:at] + dice.choice([b'"', b"\\", b"{", b"\x00", b"\xff", b"\n", b'","model":"x"']) + line[at:]
        elif kind < 0.27:
            line = line[:at]
        elif kind < 0.33:
            line = line + dice.choice([b"", b" ", b","]) + line
        yield line
