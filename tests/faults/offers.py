"""What a canary's account did, as each gateway's log tells of it: the same calls, on every road that leads here."""

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

from tests.pipelines import otel_spans
from tests.retention.erased_world import NOW, Canary

# A key that nobody but a machine would call so; each gateway tells of it in its own field.
KEY = "9f2c41d07be3a6588e10c4f7b2d96a3351e8f0c7a4b6d2e9"
_NS = 1_000_000_000


def _start(back: int) -> Any:
    return (NOW - timedelta(days=back, hours=3)).replace(tzinfo=UTC)


def gateway_line(canary: Canary, name: str, back: int = 1, **fields: Any) -> str:
    """As a line of the contract."""
    return canary._line(back, **{"request_id": name, "key_id": KEY, **fields})


def spend_log(canary: Canary, name: str, back: int = 1, **fields: Any) -> dict[str, Any]:
    """As a row of LiteLLM's SpendLogs."""
    start = _start(back)
    metadata = {"user_api_key_org_id": canary.account, "user_api_key_team_alias": canary.word("team")}
    return {
        "request_id": name,
        "litellm_call_id": name,
        "call_type": "acompletion",
        "startTime": start.isoformat(),
        "endTime": (start + timedelta(milliseconds=250)).isoformat(),
        "model": "openai/gpt-4o",
        "custom_llm_provider": "openai",
        "spend": 0.000125,
        "total_tokens": 15,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "api_key": KEY,
        "user": f"{canary.word('user')}@example.org",
        "end_user": f"{canary.word('end_user')}@example.org",
        "requester_ip_address": f"203.0.{canary.number % 250}.{back}",
        "metadata": json.dumps(metadata | fields.pop("metadata", {})),
        "request_tags": json.dumps([canary.word("tag")]),
        "status": "success",
        **fields,
    }


def payload(canary: Canary, name: str, back: int = 1, **fields: Any) -> dict[str, Any]:
    """As a StandardLoggingPayload, which LiteLLM's callbacks write to files and buckets."""
    start = _start(back)
    metadata = {
        "user_api_key_org_id": canary.account,
        "user_api_key_hash": KEY,
        "user_api_key_user_id": f"{canary.word('user')}@example.org",
        "user_api_key_end_user_id": f"{canary.word('end_user')}@example.org",
        "requester_ip_address": f"203.0.{canary.number % 250}.{back}",
    }
    return {
        "id": name,
        "litellm_call_id": name,
        "call_type": "acompletion",
        "startTime": start.timestamp(),
        "endTime": start.timestamp() + 0.25,
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "response_cost": 0.000125,
        "total_tokens": 15,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "metadata": metadata | fields.pop("metadata", {}),
        "request_tags": [canary.word("tag")],
        "status": "success",
        **fields,
    }


def span(canary: Canary, number: int, back: int = 1, **told: Any) -> str:
    """As a span of OpenTelemetry."""
    begins = int(_start(back).timestamp()) * _NS
    subjects = {
        "metadata.user_api_key_org_id": canary.account,
        "metadata.user_api_key_hash": KEY,
        "user.id": f"{canary.word('user')}@example.org",
        "metadata.user_api_key_end_user_id": f"{canary.word('end_user')}@example.org",
    }
    made = otel_spans.span(
        number, told=subjects | told, startTimeUnixNano=str(begins), endTimeUnixNano=str(begins + _NS // 4)
    )
    return otel_spans.line(made)


# Roads that end in an inbox: its gateway, and a call as it is told there.
INBOXES: dict[str, tuple[str, Callable[[Canary, int, int], str]]] = {
    "gateway_jsonl": ("gateway_jsonl", lambda canary, number, back: gateway_line(canary, f"offer-{number}", back)),
    "litellm rows": ("litellm", lambda canary, number, back: json.dumps(spend_log(canary, f"offer-{number}", back))),
    "litellm files": ("litellm", lambda canary, number, back: json.dumps(payload(canary, f"offer-{number}", back))),
    "otel": ("otel", span),
}
