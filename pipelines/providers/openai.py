"""OpenAI's admin API -> raw_openai.costs, raw_openai.usage_*: dollars by line item, project and key, and what was used.

SOURCES: OpenAI's OpenAPI description 2.3.0, `/organization/costs` and `/organization/usage/*`. Costs are JSON numbers
of dollars; days are UTC. How long a day may still change is not documented: three days are read again. Costs by key are
known from 2025-12-06 on, and refused before: each side of that day is asked by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from pipelines.bills import dated, odd_row
from pipelines.bills.biller import Biller, Report
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import OddRowError, Told, count, count_if_told
from warehouse import money
from warehouse.bill_tables import AMOUNT, KEY, MODEL, PROJECT, PULL, REQUESTS, TIER
from warehouse.tables import MONEY, TOKEN_CLASSES, Column, Table

_QUANTITY = Column("quantity", MONEY, "How much of quantity_unit, where OpenAI says it.")
_QUANTITY_UNIT = Column("quantity_unit", "VARCHAR", "The unit of quantity.")
RAW_COSTS = Table(
    "raw_openai",
    "costs",
    "OpenAI: one row per day, project, key and line item of /organization/costs, per pull.",
    (
        *PULL,
        PROJECT,
        Column("line_item", "VARCHAR", "OpenAI's own words; no model is read out of them."),
        AMOUNT,
        _QUANTITY,
        _QUANTITY_UNIT,
        KEY,
    ),
)
RAW_USAGE = Table(
    "raw_openai",
    "usage_completions",
    "OpenAI: one row per day, model, project, key, batch and tier of /organization/usage/completions, per pull.",
    (*PULL, PROJECT, KEY, MODEL, TIER, REQUESTS, *TOKEN_CLASSES),
)
LOOKBACK_DAYS = 3
# 1764979200: the first day whose costs OpenAI tells by key.
KEYS_SINCE = date(2025, 12, 6)
# A day, and all up to the year 2100.
_DAY_S, _MOST_SECONDS = 86_400, 4_102_444_800
_COSTS, _USAGE = "/organization/costs", "/organization/usage/"
# The most buckets a page may have; more is refused, not cut.
_COSTS_LIMIT, _USAGE_LIMIT = 180, 31
_BY_MODEL, _BY_KEY, _BY_PROJECT = ("model", "project_id", "api_key_id"), ("project_id", "api_key_id"), ("project_id",)
# Endpoint, what was done, how it is grouped, the field that counts it and its unit. A tool is used within a call that
# is counted elsewhere, so it counts no calls of its own.
_OTHERS: tuple[tuple[str, str, Sequence[str], str | None, str | None], ...] = (
    ("embeddings", "embeddings", _BY_MODEL, None, None),
    ("moderations", "moderation", _BY_MODEL, None, None),
    ("images", "image_generation", _BY_MODEL, "images", "images"),
    ("audio_speeches", "speech", _BY_MODEL, "characters", "characters"),
    ("audio_transcriptions", "transcription", _BY_MODEL, "seconds", "seconds"),
    ("vector_stores", "vector_store", _BY_PROJECT, "usage_bytes", "bytes"),
    ("code_interpreter_sessions", "code_interpreter", _BY_PROJECT, "num_sessions", "sessions"),
    ("file_search_calls", "file_search", _BY_KEY, "num_requests", "calls"),
    ("web_search_calls", "web_search", _BY_MODEL, "num_requests", "calls"),
)
_TOOLS = ("vector_stores", "code_interpreter_sessions", "file_search_calls", "web_search_calls")
_Days = Iterator[tuple[date, list[Told]]]


def _buckets(
    api: BillingApi, path: str, groups: Sequence[str], limit: int, first: date, after: date
) -> Iterator[tuple[date, list[Any]]]:
    days = (after - first).days
    parameters = [
        ("start_time", str(_seconds(first))),
        ("end_time", str(_seconds(after))),
        ("bucket_width", "1d"),
        ("limit", str(min(limit, days))),
        *(("group_by", group) for group in groups),
    ]
    yield from dated.buckets(f"OpenAI {path}", api.buckets(path, parameters, days), _day, first, after)


def _day(bucket: dict[str, Any]) -> date:
    start = bucket["start_time"]
    if type(start) is not int or start % _DAY_S or not 0 <= start < _MOST_SECONDS:
        raise OddRowError("a bucket that is no UTC day")
    return datetime.fromtimestamp(start, UTC).date()


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _costs(api: BillingApi, first: date, after: date) -> _Days:
    turn = min(max(first, KEYS_SINCE), after)
    for since, until, groups in ((first, turn, _BY_PROJECT), (turn, after, _BY_KEY)):
        if since < until:
            for day, results in _buckets(api, _COSTS, ("line_item", *groups), _COSTS_LIMIT, since, until):
                yield day, odd_row.each(results, _charge)


def _charge(result: dict[str, Any]) -> dict[str, Any]:
    amount = result["amount"]
    if str(amount["currency"]).lower() != "usd":
        raise OddRowError("an amount that is not in US dollars")
    quantity = result.get("quantity")
    return {
        "project": result.get("project_id"),
        "key": result.get("api_key_id"),
        "line_item": result.get("line_item"),
        "amount_usd": _exact(amount["value"]),
        "quantity": None if quantity is None else _exact(quantity),
        "quantity_unit": result.get("quantity_unit"),
    }


def _exact(told: object) -> Decimal:
    """A number; some of OpenAI's answers write it as a decimal string."""
    return odd_row.literal(told) if isinstance(told, str) else odd_row.amount(told)


def _usage(
    api: BillingApi,
    first: date,
    after: date,
    path: str,
    groups: Sequence[str],
    counted: Callable[[dict[str, Any]], dict[str, Any]],
) -> _Days:
    for day, results in _buckets(api, path, groups, _USAGE_LIMIT, first, after):
        rows = odd_row.each(results, counted)
        if sum(row.pop("is_unsplit", False) for row in rows if isinstance(row, dict)):
            api.notes[f"classes of {day:%Y-%m}"] = (
                f"OpenAI's usage of {day:%Y-%m}, last on {day}, tells more of some classes of tokens than of all: such"
                " rows are counted whole, as uncached input or text output, so what they cost at list price may be less"
            )
        yield day, rows


def _completions(result: dict[str, Any]) -> dict[str, Any]:
    """One row of completions in disjoint classes that add up to its tokens.

    OpenAI's input holds what was read from the cache and written to it, its output the reasoning. What it tells apart
    beyond that sum cannot be told apart (`is_unsplit`).
    """
    classes, of_output = _input(result), _output(result)
    row = {
        **_grouped(result),
        # A batch has its own price whatever tier it names.
        "service_tier": "batch" if result.get("batch") else result.get("service_tier"),
        "requests": count(result, "num_model_requests"),
        **(classes or {"uncached_tokens": count(result, "input_tokens")}),
        **(of_output or {"text_out_tokens": count(result, "output_tokens")}),
    }
    return row if classes and of_output else row | {"is_unsplit": True}


def _input(result: dict[str, Any]) -> dict[str, int] | None:
    """The classes of input, None where they do not add up to it."""
    total, cached = count(result, "input_tokens"), count_if_told(result, "input_cached_tokens")
    fresh = total - cached
    if result.get("input_cache_write_tokens") is not None:
        written = count_if_told(result, "input_cache_write_tokens")
    elif result.get("input_uncached_tokens") is not None:
        written = fresh - count_if_told(result, "input_uncached_tokens")
    else:
        written = 0
    uncached = fresh - written
    is_told = result.get("input_uncached_tokens") is not None
    if min(written, uncached) < 0 or (is_told and count_if_told(result, "input_uncached_tokens") != uncached):
        return None
    audio, image = count_if_told(result, "input_audio_tokens"), count_if_told(result, "input_image_tokens")
    if audio + image > uncached:
        # Once they held what of them was read from the cache, too.
        audio -= count_if_told(result, "input_cached_audio_tokens")
        image -= count_if_told(result, "input_cached_image_tokens")
    if min(audio, image, uncached - audio - image) < 0:
        return None
    return {
        "uncached_tokens": uncached - audio - image,
        "cache_read_tokens": cached,
        "cache_write_5m_tokens": written,
        "audio_in_tokens": audio,
        "image_in_tokens": image,
    }


def _output(result: dict[str, Any]) -> dict[str, int] | None:
    """The classes of output, None where they do not add up to it."""
    total, audio = count(result, "output_tokens"), count_if_told(result, "output_audio_tokens")
    return None if audio > total else {"text_out_tokens": total - audio, "audio_out_tokens": audio}


def _grouped(result: dict[str, Any]) -> dict[str, Any]:
    return {"project": result.get("project_id"), "key": result.get("api_key_id"), "model": result.get("model")}


def _other(result: dict[str, Any], endpoint: str, field: str | None, unit: str | None) -> dict[str, Any]:
    """One row of any other endpoint: tokens where it counts tokens, else how much of its own unit."""
    row = _grouped(result)
    if endpoint not in _TOOLS:
        row["requests"] = count(result, "num_model_requests")
    if field is None:
        return {**row, "uncached_tokens": count(result, "input_tokens")}
    return {**row, "quantity": money.usd(count(result, field)), "quantity_unit": unit}


def _report(endpoint: str, operation: str, groups: Sequence[str], field: str | None, unit: str | None) -> Report:
    counts = (_QUANTITY, _QUANTITY_UNIT) if field else (TOKEN_CLASSES[0],)
    table = Table(
        "raw_openai",
        f"usage_{endpoint}",
        f"OpenAI: one row per day and {', '.join(groups)} of {_USAGE}{endpoint}, per pull.",
        (*PULL, PROJECT, KEY, MODEL, REQUESTS, *counts),
    )
    counted = partial(_other, endpoint=endpoint, field=field, unit=unit)
    read = partial(_usage, path=f"{_USAGE}{endpoint}", groups=groups, counted=counted)
    return Report(f"usage_{endpoint}", "usage", table, read, {"operation": f"'{operation}'"})


def _beyond(api: BillingApi) -> str | None:
    """What other doors the key opens: calling models costs money, and whoever lists admin keys may make some."""
    if api.may_read("/models"):
        return "it may call models, which costs money; one with Usage: read alone cannot"
    if api.may_read("/organization/admin_api_keys", [("limit", "1")]):
        return "it may manage members and keys of the organisation; one with Usage: read alone cannot"
    return None


BILLER = Biller(
    name="openai",
    title="OpenAI",
    address="https://api.openai.com/v1",
    key_variable="OPENAI_ADMIN_KEY",
    address_variable="APILEDGER_OPENAI_API",
    headers=lambda key: {"Authorization": f"Bearer {key}"},
    lookback_days=LOOKBACK_DAYS,
    reports=(
        Report("costs", "costs", RAW_COSTS, _costs, {"line": "line_item"}),
        Report(
            "usage",
            "usage",
            RAW_USAGE,
            partial(
                _usage,
                path=f"{_USAGE}completions",
                groups=(*_BY_MODEL, "batch", "service_tier"),
                counted=_completions,
            ),
        ),
        *(_report(*other) for other in _OTHERS),
    ),
    key_prefix="sk-admin-",
    organisation_header="openai-organization",
    other_keys={
        "sk-proj-": "an OpenAI project key",
        "sk-svcacct-": "an OpenAI service account's key",
        "sk-None-": "an OpenAI user key",
    },
    key_help="an owner makes an admin key with Usage: read at platform.openai.com/settings/organization/admin-keys",
    policy_url="https://openai.com/policies/privacy-policy",
    beyond=_beyond,
)
