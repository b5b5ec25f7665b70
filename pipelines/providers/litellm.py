"""inbox/litellm/*.json[l][.gz] -> raw_litellm.calls: LiteLLM's SpendLogs rows and StandardLoggingPayload objects.

They come as files, or are read where they lie: in the bucket that LiteLLM writes to, in its database. Both forms tell
of one call under one `litellm_call_id`; `request_id` and `id` are the upstream's and repeat. Facts from
LiteLLM 1.106.2: SpendLogs writes `startTime` as ISO text, `metadata` and `request_tags` as JSON inside a string and
`cache_hit` as "True"/"False"/"None"; the payload writes epoch seconds and objects. `model` carries a router's prefix
(`openai/gpt-4o`). `prompt_tokens` includes cache reads and writes for every provider. A failure has no tokens.
"""

import math
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from pipelines.gateways import litellm_database, litellm_file, litellm_objects
from pipelines.gateways.provider import Gateway
from pipelines.gateways.record import COLUMNS

_Text = str | None
_Count = int | float | None


class _Written(msgspec.Struct):
    ephemeral_5m_input_tokens: _Count = None
    ephemeral_1h_input_tokens: _Count = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: _Count = None
    cache_creation_tokens: _Count = None
    cache_creation_token_details: _Written | None = None
    audio_tokens: _Count = None
    image_tokens: _Count = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: _Count = None
    audio_tokens: _Count = None


class _Usage(msgspec.Struct):
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cache_creation_input_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation: _Written | None = None
    service_tier: _Text = None
    inference_geo: _Text = None


class _Error(msgspec.Struct):
    error_code: str | int | None = None
    error_class: _Text = None


class _Metadata(msgspec.Struct):
    # SpendLogs has a column of it only since 2026.
    litellm_call_id: _Text = None
    user_api_key: _Text = None
    user_api_key_hash: _Text = None
    user_api_key_alias: _Text = None
    user_api_key_team_id: _Text = None
    user_api_key_team_alias: _Text = None
    user_api_key_org_id: _Text = None
    user_api_key_org_alias: _Text = None
    user_api_key_project_id: _Text = None
    user_api_key_project_alias: _Text = None
    user_api_key_user_id: _Text = None
    user_api_key_end_user_id: _Text = None
    requester_ip_address: _Text = None
    user_agent: _Text = None
    usage_object: _Usage | None = None
    error_information: _Error | None = None


class _Call(msgspec.Struct):
    """The fields of both forms that are read; every other one is skipped by the decoder itself."""

    litellm_call_id: _Text = None
    request_id: _Text = None
    id: _Text = None
    startTime: str | int | float | None = None  # noqa: N815 (LiteLLM's own name)
    endTime: str | int | float | None = None  # noqa: N815 (LiteLLM's own name)
    model: _Text = None
    model_group: _Text = None
    custom_llm_provider: _Text = None
    api_base: _Text = None
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    # Decimal takes the literal itself; a float would be read first and be another number.
    spend: Decimal | None = None
    response_cost: Decimal | None = None
    status: _Text = None
    cache_hit: str | bool | None = None
    request_tags: str | list[str] | None = None
    api_key: _Text = None
    team_id: _Text = None
    organization_id: _Text = None
    user: _Text = None
    end_user: _Text = None
    requester_ip_address: _Text = None
    user_agent: _Text = None
    metadata: str | _Metadata | None = None
    error_information: _Error | None = None


_CALL = msgspec.json.Decoder(_Call)
_METADATA = msgspec.json.Decoder(_Metadata)
_TAGS = msgspec.json.Decoder(list[str])
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NO_METADATA = _Metadata()
_NO_USAGE = _Usage()
_NO_PROMPT = _PromptDetails()
_NO_COMPLETION = _CompletionDetails()
_NO_WRITTEN = _Written()
_NO_ERROR = _Error()
_FAILURE_CODES = frozenset(map(str, range(400, 600)))

_COLUMNS = (
    ("form", pa.int16()),
    ("identity", pa.string()),
    ("request_id", pa.string()),
    ("started_us", pa.int64()),
    ("started", pa.string()),
    ("ended_us", pa.int64()),
    ("ended", pa.string()),
    *((name, pa.string()) for name in ("account", "key", "key_name", "project", "project_name", "team", "team_name")),
    *((name, pa.string()) for name in ("user", "end_user", "upstream", "provider", "model", "status", "service_tier")),
    ("region", pa.string()),
    ("tags", pa.list_(pa.string())),
    *((name, pa.float64()) for name in ("input_tokens", "output_tokens", "cache_read_tokens")),
    *((name, pa.float64()) for name in ("cache_write_5m_tokens", "cache_write_1h_tokens", "audio_in_tokens")),
    *((name, pa.float64()) for name in ("image_in_tokens", "reasoning_out_tokens", "audio_out_tokens")),
    ("ip", pa.string()),
    ("user_agent", pa.string()),
    ("cost", pa.string()),
)


def decode(line: bytes) -> tuple[Any, ...]:
    """One record of either form, in the order of the source's columns; msgspec's own error where it is none."""
    call = _CALL.decode(line)
    meta = call.metadata
    if type(meta) is not _Metadata:
        meta = _METADATA.decode(meta) if isinstance(meta, str) and meta else _NO_METADATA
    usage = meta.usage_object or _NO_USAGE
    read = usage.prompt_tokens_details or _NO_PROMPT
    wrote = usage.completion_tokens_details or _NO_COMPLETION
    written_5m, written_1h = _cache_writes(usage, read)
    provider = call.custom_llm_provider or ""
    is_payload = call.id is not None and call.request_id is None
    start, end = call.startTime, call.endTime
    cost = call.response_cost if is_payload else call.spend
    # The organisation, else the team, owns the call; else whoever owns the gateway.
    org = meta.user_api_key_org_id or call.organization_id
    team = meta.user_api_key_team_id or call.team_id
    if call.cache_hit is True or call.cache_hit == "True":
        # LiteLLM's own cache answered: no provider was called, so no token was used.
        call.prompt_tokens = call.completion_tokens = 0
        usage, read, wrote, written_5m, written_1h = _NO_USAGE, _NO_PROMPT, _NO_COMPLETION, None, None
    status = _status(call, meta)
    # A caller may choose the call id (`x-litellm-call-id`), so what was served is told by the upstream's id, too; a
    # failure has none.
    call_id = call.litellm_call_id or meta.litellm_call_id or call.request_id or call.id
    return (
        0 if is_payload else 1,
        call_id if status.startswith(("4", "5", "f")) else f"{call_id}/{call.id or call.request_id}",
        call_id,
        _epoch_us(start),
        start if isinstance(start, str) else None,
        _epoch_us(end),
        end if isinstance(end, str) else None,
        org or team or None,
        meta.user_api_key_hash or meta.user_api_key or call.api_key,
        meta.user_api_key_alias,
        meta.user_api_key_project_id,
        meta.user_api_key_project_alias,
        team,
        meta.user_api_key_team_alias,
        meta.user_api_key_user_id or call.user,
        call.end_user or meta.user_api_key_end_user_id,
        _upstream(provider, call.api_base),
        provider,
        _provider_model(call.model or call.model_group, provider),
        status,
        usage.service_tier,
        usage.inference_geo,
        _tags(call.request_tags),
        _float(call.prompt_tokens),
        _float(call.completion_tokens),
        _float(usage.cache_read_input_tokens or read.cached_tokens),
        _float(written_5m),
        _float(written_1h),
        _float(read.audio_tokens),
        _float(read.image_tokens),
        _float(wrote.reasoning_tokens),
        _float(wrote.audio_tokens),
        call.requester_ip_address or meta.requester_ip_address,
        call.user_agent or meta.user_agent,
        None if cost is None else str(cost),
    )


def _cache_writes(usage: _Usage, read: _PromptDetails) -> tuple[_Count, _Count]:
    """Cache writes by lifetime; a total without the split is counted at five minutes, Anthropic's default."""
    split = usage.cache_creation or read.cache_creation_token_details or _NO_WRITTEN
    total = usage.cache_creation_input_tokens or read.cache_creation_tokens
    one_hour = split.ephemeral_1h_input_tokens
    if total is None:
        return split.ephemeral_5m_input_tokens, one_hour
    return total - (one_hour or 0), one_hour


def _status(call: _Call, meta: _Metadata) -> str:
    error = call.error_information or meta.error_information or _NO_ERROR
    if error.error_class in {"CancelledError", "ClientDisconnect", "ClientDisconnected"}:
        # A stream that its caller broke off is reported as a success, with LiteLLM's own estimate of its tokens.
        return "cancelled"
    if call.status == "success":
        return "200"
    code = str(error.error_code or "")
    return code if code in _FAILURE_CODES else (call.status or "failure")


def _float(count: _Count) -> float | None:
    """A count as the column takes it; one that no double holds becomes infinite, which the record's rules refuse."""
    try:
        return None if count is None else float(count)
    except OverflowError:
        return math.inf


def _epoch_us(moment: str | float | None) -> int | None:
    # A double holds epoch seconds to a quarter of a microsecond: rounding gives back what LiteLLM printed.
    return round(moment * 1_000_000) if isinstance(moment, int | float) and abs(moment) < 1e11 else None


def _provider_model(model: str | None, provider: str) -> str | None:
    """The provider's own name of the model: without the router's `provider/` in front."""
    return model.removeprefix(f"{provider}/") if model else model


def _upstream(provider: str, api_base: str | None) -> str | None:
    """Provider and host: what a connection is claimed by. Paths differ between the forms, and a URL may carry a key."""
    if not provider:
        return None
    host = (api_base or "").partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{provider}@{host}" if host else provider


def _tags(tags: str | list[str] | None) -> list[str] | None:
    """The caller's tags; LiteLLM adds the user agent as a tag, which is no name that somebody gave."""
    listed = _TAGS.decode(tags) if isinstance(tags, str) and tags else tags
    if not isinstance(listed, list):
        return None
    return [tag for tag in listed if not tag.startswith("User-Agent:")] or None


def meaning_sql(source: str) -> str:
    """A SELECT of the common record's columns over a relation of this source's columns."""
    started = "coalesce(make_timestamp(started_us), make_timestamp(epoch_us(try_cast(started AS TIMESTAMPTZ))))"
    ended = "coalesce(make_timestamp(ended_us), make_timestamp(epoch_us(try_cast(ended AS TIMESTAMPTZ))))"
    meaning = {
        "requested_at": started,
        "latency_ms": f"greatest(date_diff('millisecond', {started}, {ended}), 0)",
        "input_tokens": "coalesce(input_tokens, 0)",
        "output_tokens": "coalesce(output_tokens, 0)",
    }
    expressions = ((meaning.get(name) or f'"{name}"', name, kind) for name, kind in COLUMNS)
    selected = ", ".join(f'{expression}::{kind} AS "{name}"' for expression, name, kind in expressions)
    return f"SELECT {selected} FROM {source}"


def reduced(record: bytes) -> bytes:
    """A record of either form with nothing in it but what is read; one that is none stays one that is held back."""
    try:
        call = _CALL.decode(record)
        if isinstance(call.metadata, str):
            call.metadata = _METADATA.decode(call.metadata) if call.metadata else None
    except msgspec.ValidationError:
        return b"[]"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b"{"
    return _ENCODER.encode(call)


_KEYS, _META_KEYS = (tuple(field.name for field in msgspec.structs.fields(one)) for one in (_Call, _Metadata))
GATEWAY = Gateway(
    name="litellm",
    title="LiteLLM proxy",
    columns=pa.schema(list(_COLUMNS)),
    decode=decode,
    meaning_sql=meaning_sql,
    file_sql=litellm_file.FORMS,
    keys=frozenset(_KEYS),
    places=(litellm_objects.place(reduced), litellm_database.place(reduced, _KEYS, _META_KEYS)),
)
