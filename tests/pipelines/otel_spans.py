"""Spans for tests as the OpenTelemetry Collector's file exporter writes them: a request a line, any number of spans."""

import json
from typing import Any

TRACE = "4c1f8e24ab4cf3a9b4eba6dd8e2dc942"
START_NS = 1_795_255_200_000_000_000  # 2026-11-21T10:00:00Z
NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}


def _value(told: Any) -> dict[str, Any]:
    if isinstance(told, bool):
        return {"boolValue": told}
    if isinstance(told, int):
        # Protobuf's JSON writes 64-bit numbers as strings.
        return {"intValue": str(told)}
    if isinstance(told, float):
        return {"doubleValue": told}
    return (
        {"arrayValue": {"values": [_value(one) for one in told]}} if isinstance(told, list) else {"stringValue": told}
    )


def attributes(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes in OTLP's form; one given as `...` is left out."""
    return [{"key": key, "value": _value(value)} for key, value in told.items() if value is not ...]


def span(number: int, parent: int | None = None, told: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One client span of NEW with what `told` says otherwise; `fields` are the span's own."""
    made: dict[str, Any] = {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(START_NS + number * 1_000_000_000),
        "endTimeUnixNano": str(START_NS + number * 1_000_000_000 + 250_000_000),
        "attributes": attributes({**NEW, **(told or {})}),
        "status": {},
        **fields,
    }
    return made | ({"parentSpanId": f"{parent:016x}"} if parent is not None else {})


def line(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> str:
    """One export request with these spans, in two scopes."""
    around = {"service.name": "shop", "service.namespace": "blue"} if resource is None else resource
    half = len(spans) // 2
    scopes = [{"scope": {"name": "one"}, "spans": spans[:half]}, {"scope": {"name": "two"}, "spans": spans[half:]}]
    return json.dumps({"resourceSpans": [{"resource": {"attributes": attributes(around)}, "scopeSpans": scopes}]})
