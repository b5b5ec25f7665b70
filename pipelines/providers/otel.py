"""inbox/otel/*.jsonl[.gz] -> raw_otel.calls: GenAI client spans as OTLP JSON, one ExportTraceServiceRequest a line.

That is what the OpenTelemetry Collector's file exporter writes. Old names (`gen_ai.system`, `prompt_tokens`) and new
ones (`gen_ai.provider.name`, `cache_read.input_tokens`) are read, and those that LiteLLM adds. An attribute that is not
named here stays the bytes it came as: prompts, answers and tools (`gen_ai.input.messages`, events) are never decoded.

A span counts where it tells of one call of a model: not agents, workflows and tools, which hold such calls; and of
calls nested in one line the innermost that tells its tokens. One call is a trace and the response's id in it, so that a
framework's span and the client's inside it are one wherever they land; without a response's id it is the span.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from pipelines.errors import PipelineError
from pipelines.gateways.provider import Gateway, LineError
from pipelines.gateways.record_row import SCHEMA, meaning_sql, micros, row

SETTING = "APILEDGER_OTEL_ATTRIBUTES"

# What holds calls of a model and is none itself.
_NO_CALLS = frozenset(
    {"create_agent", "invoke_agent", "execute_tool", "invoke_workflow", "retrieval", "plan", "evaluate"}
)
_SERVED_KINDS = frozenset({2, 4, 5, "SPAN_KIND_SERVER", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"})
_FAILED = frozenset({2, "STATUS_CODE_ERROR"})
_CANCELLED = ("cancel", "generatorexit", "client_disconnected")
_DEEPEST = 64

# The first name that a span has says it. New names stand before old ones.
_TEXTS = {
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("litellm.provider.model", "gen_ai.response.model", "gen_ai.request.model"),
    "response_id": ("gen_ai.response.id",),
    "service_tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
    ),
    "error": ("error.type",),
    "http_status": ("http.response.status_code",),
    "host": ("server.address",),
    "cost": ("gen_ai.cost.total_cost",),
}
_COUNTS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_5m_tokens": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
    "reasoning_out_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
}
# Of the resource, else of the span. The owner may name others in the setting: `account=tenant.id,project=app`.
_SUBJECTS = {
    "account": ("metadata.user_api_key_org_id", "metadata.user_api_key_team_id"),
    "project": ("metadata.user_api_key_project_id", "service.name"),
    "team": ("metadata.user_api_key_team_id", "service.namespace"),
    "key": ("metadata.user_api_key_hash",),
    "user": ("metadata.user_api_key_user_id", "user.id", "enduser.id"),
    "end_user": ("metadata.user_api_key_end_user_id",),
}


class _Value(msgspec.Struct):
    stringValue: str | None = None  # noqa: N815 (OTLP's own name)
    intValue: str | int | None = None  # noqa: N815 (OTLP's own name)
    # Decimal takes the literal itself: a cost is never a float.
    doubleValue: Decimal | None = None  # noqa: N815 (OTLP's own name)


class _Attribute(msgspec.Struct):
    key: str
    value: msgspec.Raw = msgspec.Raw(b"{}")


class _Status(msgspec.Struct):
    code: int | str | None = None


class _Place(msgspec.Struct):
    """Where a span stands in its trace: all that is read of a span that is no call."""

    traceId: str = ""  # noqa: N815 (OTLP's own name)
    spanId: str = ""  # noqa: N815 (OTLP's own name)
    parentSpanId: str | None = None  # noqa: N815 (OTLP's own name)


class _Span(_Place):
    kind: int | str | None = None
    startTimeUnixNano: str | int | None = None  # noqa: N815 (OTLP's own name)
    endTimeUnixNano: str | int | None = None  # noqa: N815 (OTLP's own name)
    attributes: list[_Attribute] = []
    status: _Status | None = None


class _Scope(msgspec.Struct):
    spans: list[msgspec.Raw] = []


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] = []


class _ResourceSpans(msgspec.Struct):
    resource: _Resource | None = None
    scopeSpans: list[_Scope] = []  # noqa: N815 (OTLP's own name)


class _Request(msgspec.Struct):
    resourceSpans: list[_ResourceSpans] = []  # noqa: N815 (OTLP's own name)


_REQUEST = msgspec.json.Decoder(_Request)
_PLACE = msgspec.json.Decoder(_Place)
_SPAN = msgspec.json.Decoder(_Span)
_VALUE = msgspec.json.Decoder(_Value)


@dataclass(frozen=True)
class _Call:
    """A span that tells of one call of a model."""

    span: _Span
    told: dict[str, str]
    counts: dict[str, float]
    subjects: dict[str, str]

    @property
    def status(self) -> str:
        """The record's word or HTTP status."""
        error, code = self.told.get("error", ""), self.told.get("http_status", "")
        if any(sign in error.lower() for sign in _CANCELLED):
            return "cancelled"
        number = next((text for text in (error, code) if text.isdecimal() and 400 <= int(text[:4]) < 600), None)
        failed = bool(error) or number or (self.span.status is not None and self.span.status.code in _FAILED)
        return (number or "error") if failed else "ok"


def spread(line: bytes) -> list[tuple[Any, ...] | LineError]:
    """One export request -> a row a call; LineError in the place of a span that is one and cannot be taken."""
    found: list[tuple[Any, ...] | LineError] = []
    parents: dict[tuple[str, str], str] = {}
    calls: dict[tuple[str, str], _Call] = {}
    for resource, raw in _spans(line):
        try:
            place = _PLACE.decode(raw)
            if place.parentSpanId:
                parents[place.traceId, place.spanId] = place.parentSpanId
            if b"gen_ai." in bytes(raw) and (call := _call(_SPAN.decode(raw), resource)):
                calls[place.traceId, place.spanId] = call
        except msgspec.MsgspecError:
            # Of a span that has nothing to do with models nothing is missing.
            if b"gen_ai." in bytes(raw):
                found.append(LineError("a span has a field of the wrong type"))
    outer = _outer(calls, parents)
    found.extend(_row(call) for place, call in calls.items() if place not in outer)
    return found


def _spans(line: bytes) -> Iterator[tuple[list[_Attribute], msgspec.Raw]]:
    for part in _REQUEST.decode(line).resourceSpans:
        for scope in part.scopeSpans:
            for raw in scope.spans:
                yield part.resource.attributes if part.resource else [], raw


def _call(span: _Span, resource: list[_Attribute]) -> _Call | None:
    subjects = _subjects(os.environ.get(SETTING, ""))
    own, around = ({one.key: one.value for one in attributes} for attributes in (span.attributes, resource))
    told = {name: text for name, keys in _TEXTS.items() if (text := _text(own, keys))}
    usage = {name: _count(text) for name, keys in _COUNTS.items() if (text := _text(own, keys))}
    if told.get("operation") in _NO_CALLS or span.kind in _SERVED_KINDS:
        return None
    if "provider" not in told or "model" not in told or not (usage or "operation" in told):
        return None
    placed = {name: text for name, keys in subjects.items() if (text := _text({**own, **around}, keys))}
    return _Call(span, told, usage, placed)


@cache
def _subjects(setting: str) -> dict[str, tuple[str, ...]]:
    """The attributes that name each subject, the owner's before ours; PipelineError where the setting says none."""
    names = dict(_SUBJECTS)
    for pair in filter(None, (part.strip() for part in setting.split(","))):
        name, _, key = (part.strip() for part in pair.partition("="))
        if name not in names or not key:
            raise PipelineError(
                f"{SETTING} is to be a list such as account=tenant.id,project=app of {', '.join(names)}"
            )
        names[name] = (key, *names[name])
    return names


def _text(attributes: dict[str, msgspec.Raw], keys: tuple[str, ...]) -> str | None:
    """The first of these attributes that says something."""
    for key in keys:
        if (raw := attributes.get(key)) is not None:
            value = _VALUE.decode(raw)
            for told in (value.stringValue, value.intValue, value.doubleValue):
                if told is not None and told != "":
                    return str(told)
    return None


def _count(text: str) -> float:
    """A count as the column takes it; what is none becomes infinite, which the record's rules refuse."""
    try:
        return float(text)
    except ValueError:
        return math.inf


def _outer(calls: dict[tuple[str, str], _Call], parents: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    """The spans of calls that another span of this line tells better."""
    dropped = set()
    for (trace, span), call in calls.items():
        above: str | None = span
        for _ in range(_DEEPEST):
            above = parents.get((trace, above or ""))
            if above is None:
                break
            if (trace, above) in calls:
                dropped.add((trace, above) if call.counts else (trace, span))
    return dropped


def _row(call: _Call) -> tuple[Any, ...] | LineError:
    span, told, counts = call.span, call.told, dict(call.counts)
    if not span.traceId or not span.spanId:
        return LineError("a span has no trace id and span id")
    status = call.status
    if not counts and status == "ok":
        return LineError("a span tells of a call and not of its tokens")
    counts.setdefault("input_tokens", 0.0)
    counts.setdefault("output_tokens", 0.0)
    cached = counts.get("cache_read_tokens", 0.0) + counts.get("cache_write_5m_tokens", 0.0)
    if cached > counts["input_tokens"]:
        # Anthropic's own count, without the cache; the convention asks for the sum, and not every client keeps to it.
        counts["input_tokens"] += cached
    if counts.get("reasoning_out_tokens", 0.0) > counts["output_tokens"]:
        counts["output_tokens"] += counts["reasoning_out_tokens"]
    start, end = _nanos(span.startTimeUnixNano), _nanos(span.endTimeUnixNano)
    provider = told["provider"]
    subjects = call.subjects
    return row(
        identity=f"{span.traceId}/{told.get('response_id') or span.spanId}",
        request_id=told.get("response_id") or f"{span.traceId}/{span.spanId}",
        requested_us=micros(None if start is None else start // 1000),
        **subjects,
        project_name=subjects.get("project"),
        team_name=subjects.get("team"),
        upstream=f"{provider}@{told['host']}" if "host" in told else provider,
        provider=provider,
        model=told["model"].removeprefix(f"{provider}/"),
        status=status,
        latency_ms=None if start is None or end is None else max(end - start, 0) / 1e6,
        service_tier=told.get("service_tier"),
        cost=told.get("cost"),
        **counts,
    )


def _nanos(moment: str | int | None) -> int | None:
    text = str(moment)
    return int(text) if len(text) <= 20 and text.isdecimal() else None


def decode(line: bytes) -> tuple[Any, ...]:
    """The first call of a line; LineError where it tells of none. What reads a log takes `spread`."""
    told = next(iter(spread(line)), LineError("the line tells of no call"))
    if isinstance(told, LineError):
        raise told
    return told


GATEWAY = Gateway(
    name="otel",
    title="OpenTelemetry GenAI spans",
    columns=SCHEMA,
    decode=decode,
    meaning_sql=meaning_sql,
    keys=frozenset({"resourceSpans"}),
    spread=spread,
)
