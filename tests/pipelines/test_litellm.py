"""985 real LiteLLM calls, in either form, in both, in any order and split: one table, equal to an oracle in Decimal."""

import gzip
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from tests.pipelines.gateway_log import (
    FAILURES,
    NOW,
    PAYLOADS,
    SPEND_LOGS,
    facts,
    lines_of,
    one,
    put,
    quarantine,
    query,
    rows,
    take_in,
    taken,
)
from warehouse.home import Home

# USD per million tokens on 2026-11-21: input, cache read, output; typed by hand.
PRICES = {
    "gpt-4o": (Decimal("2.5"), Decimal("1.25"), Decimal(10)),
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.075"), Decimal("0.6")),
    "claude-sonnet-4-5": (Decimal(3), Decimal("0.3"), Decimal(15)),
    "deepseek-chat": (Decimal("0.28"), Decimal("0.028"), Decimal("0.42")),
}
PROVIDERS = {"gpt-4o": "openai", "gpt-4o-mini": "openai", "claude-sonnet-4-5": "anthropic", "deepseek-chat": "deepseek"}
MODELS = ("requests", "usage_hourly", "usage_daily", "usage_monthly", "latency_hourly", "request_tag")


@dataclass
class Told:
    """What an oracle sums of a log: calls, tokens and money by model."""

    calls: set[str]
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    logged: Decimal = Decimal(0)
    listed: Decimal = Decimal(0)


def oracle(lines: list[str]) -> dict[str, Told]:
    """Sum real records in plain Python, each call once, by the model's own name."""
    told: dict[str, Told] = defaultdict(lambda: Told(set()))
    seen = set()
    for text in lines:
        record: dict[str, Any] = json.loads(text, parse_float=Decimal)
        meta = record["metadata"]
        meta = json.loads(meta, parse_float=Decimal) if isinstance(meta, str) else meta
        call_id = record.get("litellm_call_id") or meta["litellm_call_id"]
        if call_id in seen:
            continue
        seen.add(call_id)
        model = record["model"].split("/")[-1]
        usage = meta["usage_object"] or {}
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        cost = record["spend"] if "spend" in record else record["response_cost"]
        sums = told[model]
        sums.calls.add(call_id)
        sums.input_tokens += record["prompt_tokens"]
        sums.output_tokens += record["completion_tokens"]
        sums.cache_read_tokens += cached
        # LiteLLM adds floats: what it prints has noise beyond the twelve places an amount has.
        sums.logged += Decimal(cost).quantize(Decimal("1e-12"))
        read, cache_read, write = PRICES[model]
        uncached = record["prompt_tokens"] - cached
        sums.listed += (uncached * read + cached * cache_read + record["completion_tokens"] * write) / 1_000_000
    return dict(told)


def assert_equal_to_oracle(home: Home, lines: list[str]) -> None:
    """Hold calls, hours, days and months against the oracle, to the token and the pico-dollar."""
    told = oracle(lines)
    sums = "sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(logged_cost_usd), sum(list_cost_usd)"
    roll_ups = ("usage_hourly", "usage_daily", "usage_monthly")
    for table, count in {"requests": "count(*)", **dict.fromkeys(roll_ups, "sum(requests)")}.items():
        stored = {
            model: (provider, *rest)
            for model, provider, *rest in query(
                home, f"SELECT model, provider, {count}, {sums} FROM model.{table} GROUP BY ALL"
            )
        }
        expected = {
            model: (
                PROVIDERS[model],
                len(each.calls),
                each.input_tokens,
                each.output_tokens,
                each.cache_read_tokens,
                each.logged,
                each.listed,
            )
            for model, each in told.items()
        }
        assert stored == expected, table


@pytest.fixture(scope="module")
def payloads(shared: Path) -> list[str]:
    """985 real StandardLoggingPayload objects."""
    return lines_of(shared / PAYLOADS)


@pytest.fixture(scope="module")
def spend_logs(shared: Path) -> list[str]:
    """The same 985 calls as SpendLogs rows."""
    return lines_of(shared / SPEND_LOGS)


@pytest.fixture
def gateway_home(home: Home, master_key: str) -> Home:
    """A home with its key."""
    assert master_key
    return home


@pytest.mark.parametrize("model", [model for model in PRICES if model != "deepseek-chat"])
def test_the_oracles_prices_are_those_of_the_day(model: str) -> None:
    """The prices typed by hand are the ones genai-prices has for 2026-11-21; DeepSeek's there is a year old."""
    usage = genai_prices.Usage(input_tokens=3_000, cache_read_tokens=1_000, output_tokens=1_000)
    known = genai_prices.calc_price(
        usage, model, provider_id=PROVIDERS[model], genai_request_timestamp=datetime(2026, 11, 21, 19, tzinfo=UTC)
    )
    read, cache_read, write = PRICES[model]
    assert known.total_price * 1_000 == 2 * read + cache_read + write


@pytest.mark.parametrize("model", PRICES)
def test_the_oracles_prices_are_those_of_litellms_sheet(model: str, shared: Path) -> None:
    """They are the ones of LiteLLM's price sheet of that week, too."""
    with gzip.open(shared / "data/litellm_model_prices/model_prices_and_context_window.json.gz") as sheet:
        listed = json.load(sheet, parse_float=Decimal)[model]
    names = ("input_cost_per_token", "cache_read_input_token_cost", "output_cost_per_token")
    assert tuple(listed[name] * 1_000_000 for name in names) == PRICES[model]


@pytest.mark.soak
@pytest.mark.parametrize("form", ["payloads", "spend_logs"])
def test_each_form_by_itself_equals_the_oracle(
    form: str, payloads: list[str], spend_logs: list[str], gateway_home: Home
) -> None:
    """985 calls in either form, though LiteLLM's request_id has 981 different values."""
    lines = payloads if form == "payloads" else spend_logs
    put(gateway_home, "calls.jsonl", lines, "litellm")
    take_in(gateway_home)
    assert one(gateway_home, "SELECT count(*) FROM model.requests") == 985
    assert quarantine(gateway_home) == []
    assert_equal_to_oracle(gateway_home, lines)


def test_the_forms_upstream_ids_do_repeat(spend_logs: list[str]) -> None:
    """The trap is there: four calls would be lost if request_id were what a call is."""
    assert len({json.loads(text)["request_id"] for text in spend_logs}) == 981


@pytest.mark.parametrize("payloads_first", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_both_forms_in_two_passes_are_one_call_each(
    payloads_first: bool, payloads: list[str], spend_logs: list[str], gateway_home: Home
) -> None:
    """985 calls, not 1,970, whichever form arrives first; the fuller form is the one that stays."""
    first, second = (payloads, spend_logs) if payloads_first else (spend_logs, payloads)
    put(gateway_home, "first.jsonl", first, "litellm")
    take_in(gateway_home)
    put(gateway_home, "second.jsonl", second, "litellm")
    take_in(gateway_home)
    assert one(gateway_home, "SELECT count(*) FROM model.requests") == 985
    assert_equal_to_oracle(gateway_home, [*payloads, *spend_logs])
    alone = Home(gateway_home.root.with_name("alone")).make()
    put(alone, "calls.jsonl", payloads, "litellm")
    take_in(alone)
    assert facts(alone) == facts(gateway_home)


def test_the_twenty_failures_are_errors_without_tokens(
    shared: Path, payloads: list[str], spend_logs: list[str], gateway_home: Home
) -> None:
    """Both forms and the failures together are 1,005 calls, 20 of them errors that cost nothing."""
    failures = lines_of(shared / FAILURES)
    put(gateway_home, "a.jsonl.gz", [*payloads, *failures], "litellm")
    put(gateway_home, "b.jsonl", spend_logs, "litellm")
    take_in(gateway_home)
    assert query(gateway_home, "SELECT outcome, count(*) FROM model.requests GROUP BY ALL ORDER BY ALL") == [
        ("error", 20),
        ("ok", 985),
    ]
    failed = "SELECT count(*), sum(input_tokens + output_tokens), sum(list_cost_usd), min(http_status) >= 400"
    assert query(gateway_home, f"{failed} FROM model.requests WHERE outcome = 'error'") == [(20, 0, Decimal(0), True)]
    assert one(gateway_home, "SELECT sum(error_requests) FROM model.usage_daily") == 20
    assert one(gateway_home, "SELECT sum(unpriced_requests) FROM model.usage_daily") == 0
    assert_equal_to_oracle(gateway_home, [*payloads, *failures])


@pytest.mark.soak
def test_shuffled_split_packed_and_twice_is_the_same_table(
    payloads: list[str], spend_logs: list[str], gateway_home: Home
) -> None:
    """Ten files of shuffled lines, some packed, give the tables of one file; again, and not a row moves."""
    put(gateway_home, "all.jsonl", [*payloads, *spend_logs], "litellm")
    take_in(gateway_home)
    dice = random.Random(7)  # noqa: S311 - a shuffle, no secret
    shuffled = [*payloads, *spend_logs]
    dice.shuffle(shuffled)
    split = Home(gateway_home.root.with_name("split")).make()
    for number in range(10):
        put(split, f"{number}.jsonl{'.gz' * (number % 2)}", shuffled[number::10], "litellm")
        if number in {2, 6}:
            take_in(split)
    take_in(split)
    assert facts(split) == facts(gateway_home)
    before = {table: rows(gateway_home, f"model.{table}") for table in MODELS}
    dice.shuffle(shuffled)
    put(gateway_home, "again.jsonl.gz", shuffled, "litellm")
    report = take_in(gateway_home, NOW.replace(hour=23))
    assert taken(report, "litellm").rows == 1970, "the replay was read, not passed over as a file known already"
    assert {table: rows(gateway_home, f"model.{table}") for table in MODELS} == before


def test_a_cache_hit_of_litellms_own_costs_no_tokens(payloads: list[str], gateway_home: Home) -> None:
    """What LiteLLM's own cache answered was never asked of a provider: a call, no token, no dollar at list price."""
    record = json.loads(payloads[0])
    put(gateway_home, "hit.jsonl", [json.dumps({**record, "cache_hit": True})], "litellm")
    take_in(gateway_home)
    found = "SELECT count(*), sum(input_tokens), sum(output_tokens), sum(list_cost_usd) FROM model.requests"
    assert query(gateway_home, found) == [(1, 0, 0, Decimal(0))]
