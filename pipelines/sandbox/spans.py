"""GroundTruth -> inbox/otel/*.jsonl.gz: a service's spans as the OpenTelemetry Collector's file exporter writes them.

One of its two client libraries has the names of today's conventions, the other those of before. Beside each call of a
model stands what it happened in: the request that was served, and an agent's step around the call.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipelines.sandbox import gateway
from pipelines.sandbox.company import World
from pipelines.sandbox.ground_truth import TOKENS, GroundTruth
from warehouse.home import Home

SOURCE = "otel"
# The Collector's batches: so many traces a line.
_BATCH = 50
_SERVER, _INTERNAL, _CLIENT = 2, 1, 3
_ERROR = {"status": {"code": 2}}
_HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}
# Which library has the names of before.
_OLD_LIBRARY = "opentelemetry.instrumentation.openai"
_NEW = {
    "provider": "gen_ai.provider.name",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
_OLD = {
    "provider": "gen_ai.system",
    "input_tokens": "gen_ai.usage.prompt_tokens",
    "output_tokens": "gen_ai.usage.completion_tokens",
    "cached_tokens": "gen_ai.usage.cache_read_input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning_tokens",
}
_EXCEPTIONS = {429: "RateLimitError", 500: "InternalServerError", 503: "APIStatusError"}


def write_spans(truth: GroundTruth, home: Home, until: datetime | None = None) -> list[Path]:
    """Write the spans of the truth's calls before `until`, a file for each UTC day; returns the files.

    PipelineError as `gateway.write_logs`.
    """
    calls = truth.told_by(SOURCE, until)
    if calls.is_empty():
        return []
    inbox = gateway.inbox_of(home, SOURCE)
    days = calls.group_by(pl.col("requested_at").dt.date(), maintain_order=True)
    return [gateway.packed(_file(inbox, day), _lines(day)) for _, day in days]


def _file(inbox: Path, day: pl.DataFrame) -> Path:
    """A rotated file of the exporter, named by its first span."""
    first: datetime = day["requested_at"][0]
    return inbox / f"traces-{first:%Y-%m-%dT%H-%M-%S}.{first.microsecond // 1000:03}.jsonl.gz"


def _lines(day: pl.DataFrame) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    calls = list(day.iter_rows(named=True))
    for start in range(0, len(calls), _BATCH):
        by_library: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for call in calls[start : start + _BATCH]:
            by_library.setdefault((call["project"], call["team"], call["user_agent"]), []).extend(_trace(call))
        for (project, team, library), spans in by_library.items():
            around = {"service.name": project, "service.namespace": team, "telemetry.sdk.language": "python"}
            scope = {"scope": {"name": library}, "spans": spans}
            request = {"resourceSpans": [{"resource": {"attributes": _attributes(around)}, "scopeSpans": [scope]}]}
            yield encoder.encode(request) + b"\n"


def _trace(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The served request, the agent's step in it, and the call of the model in that."""
    digits = hashlib.blake2b(call["request_id"].encode(), digest_size=40).hexdigest()
    trace, served, step, asked = digits[:32], *(digits[at : at + 16] for at in (32, 48, 64))
    start = round(call["requested_at"].timestamp() * 1000) * 10**6
    end = start + call["latency_ms"] * 10**6

    def span(number: str, parent: str | None, name: str, kind: int, told: dict[str, Any]) -> dict[str, Any]:
        return {
            "traceId": trace,
            "spanId": number,
            **({"parentSpanId": parent} if parent else {}),
            "name": name,
            "kind": kind,
            # Protobuf's JSON writes 64-bit numbers as strings.
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": _attributes(told),
            **(_ERROR if call["status"] != "ok" else {"status": {}}),
        }

    operation = "chat" if World.load().model[call["model"]].answers else "embeddings"
    yield span(served, None, "POST /answers", _SERVER, {"http.request.method": "POST", "http.route": "/answers"})
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": call["project"]}
    yield span(step, served, f"invoke_agent {call['project']}", _INTERNAL, agent)
    yield span(asked, step, f"{operation} {call['model']}", _CLIENT, _told(call, operation))


def _told(call: dict[str, Any], operation: str) -> dict[str, Any]:
    """The attributes of the call: of one that failed neither tokens nor the response's id."""
    names = _OLD if call["user_agent"] == _OLD_LIBRARY else _NEW
    failed = call["status"] == "error"
    return {
        "gen_ai.operation.name": operation,
        names["provider"]: call["provider"],
        "gen_ai.request.model": call["model"],
        "server.address": _HOSTS.get(call["provider"]),
        "gen_ai.response.model": None if failed else call["model"],
        "gen_ai.response.id": None if failed else f"chatcmpl-{call['request_id'].removeprefix('req_')}",
        "error.type": _error(call),
        **{names[count]: call[count] or None for count in TOKENS},
    }


def _error(call: dict[str, Any]) -> str | None:
    if call["status"] == "cancelled":
        return "CancelledError"
    return _EXCEPTIONS[call["http_status"]] if call["status"] == "error" else None


def _attributes(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in told.items()
        if value is not None
    ]
