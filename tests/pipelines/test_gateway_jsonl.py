"""The contract's own log: real traces turned into it equal an oracle, and every line that is no call is held back."""

import csv
import gzip
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.gateways import record
from pipelines.gateways.reading import SHORT_ROAD_BYTES
from pipelines.providers import gateway_jsonl
from tests.pipelines.gateway_log import (
    CALL,
    NOW,
    SHORT_ROAD_PAD,
    call,
    facts,
    line,
    one,
    put,
    quarantine,
    query,
    rows,
    take_in,
    taken,
)
from warehouse.home import Home

# USD per million tokens, by hand: input, cache read, output.
PRICES = {
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.075"), Decimal("0.6")),
    "claude-sonnet-4-5": (Decimal(3), Decimal("0.3"), Decimal(15)),
}
SUMS = (
    "count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(list_cost_usd), sum(logged_cost_usd)"
)


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its key."""
    return master_key


def azure(shared: Path) -> list[dict[str, Any]]:
    """Azure's real hour of 19,366 conversations as calls of gpt-4o-mini, of yesterday."""
    with gzip.open(shared / "data/azure_llm_2023/AzureLLMInferenceTrace_conv.csv.gz", "rt") as handle:
        trace = list(csv.DictReader(handle))
    moved = datetime(2026, 11, 20) - datetime(2023, 11, 16)  # noqa: DTZ001 - the trace says naive UTC
    return [
        call(
            request_id=f"azure-{number}",
            ts=(datetime.fromisoformat(row["TIMESTAMP"]) + moved).isoformat() + "Z",
            account_id=f"account {number % 5}",
            project="web-app" if number % 3 else ...,
            model="gpt-4o-mini",
            input_tokens=int(row["ContextTokens"]),
            output_tokens=int(row["GeneratedTokens"]),
            latency_ms=50 + 20 * int(row["GeneratedTokens"]),
            cost=f"0.{number:08}",
            tags=["team:blue"] if number % 1000 == 0 else ...,
        )
        for number, row in enumerate(trace)
    ]


def mooncake(shared: Path) -> list[dict[str, Any]]:
    """Mooncake's 12,031 real requests with their cacheable prefixes as calls of Claude, over two days."""
    seen: set[int] = set()
    calls = []
    with gzip.open(shared / "data/mooncake/conversation_trace.jsonl.gz", "rt") as handle:
        for number, text in enumerate(handle):
            row = json.loads(text)
            cached = min(512 * sum(block in seen for block in row["hash_ids"]), row["input_length"])
            seen.update(row["hash_ids"])
            start = datetime(2026, 11, 19, 22, tzinfo=UTC) + timedelta(milliseconds=4 * row["timestamp"])
            calls.append(
                call(
                    request_id=f"moon-{number}",
                    ts=start.isoformat(),
                    provider="anthropic",
                    model="claude-sonnet-4-5",
                    input_tokens=row["input_length"],
                    cached_tokens=cached,
                    output_tokens=row["output_length"],
                    latency_ms=...,
                )
            )
    return calls


def told(calls: list[dict[str, Any]]) -> dict[str, tuple[object, ...]]:
    """Sum calls in plain Python by model."""
    sums: dict[str, list[Any]] = {}
    for each in calls:
        read, cache_read, write = PRICES[each["model"]]
        cached = each.get("cached_tokens", 0)
        cost = (
            (each["input_tokens"] - cached) * read + cached * cache_read + each["output_tokens"] * write
        ) / 1_000_000
        logged = Decimal(each["cost"]) if "cost" in each else None
        known = sums.setdefault(each["model"], [0, 0, 0, 0, Decimal(0), None])
        known[:5] = [
            old + new
            for old, new in zip(known, (1, each["input_tokens"], each["output_tokens"], cached, cost), strict=False)
        ]
        known[5] = known[5] if logged is None else (known[5] or 0) + logged
    return {model: tuple(known) for model, known in sums.items()}


def test_real_traces_equal_the_oracle_however_they_arrive(shared: Path, home: Home) -> None:
    """Azure's and Mooncake's 31,397 requests: the oracle's sums; the same tables shuffled, in ten files, twice."""
    calls = [*azure(shared), *mooncake(shared)]
    assert max(each["input_tokens"] for each in calls) < 200_000, "no long-context price is part of the oracle"
    lines = [json.dumps(each) for each in calls]
    path = put(home, "trace.jsonl", lines)
    assert path.stat().st_size > SHORT_ROAD_BYTES, "one file takes the short road, ten the careful one"
    take_in(home)
    assert quarantine(home) == []
    for table in ("requests", "usage_hourly", "usage_daily", "usage_monthly"):
        count = SUMS if table == "requests" else SUMS.replace("count(*)", "sum(requests)")
        stored = {
            model: sums for model, *sums in query(home, f"SELECT model, {count} FROM model.{table} GROUP BY model")
        }
        assert {model: list(sums) for model, sums in told(calls).items()} == stored, table
    dice = random.Random(11)  # noqa: S311 - a shuffle, no secret
    dice.shuffle(lines)
    split = Home(home.root.with_name("split")).make()
    for number in range(10):
        put(split, f"{number}.jsonl{'.gz' * (number % 2)}", lines[number::10])
    take_in(split)
    assert facts(split) == facts(home)
    before = rows(home, "model.requests")
    put(home, "again.jsonl.gz", lines)
    assert taken(take_in(home)).rows == len(lines), "the replay is read, not passed over"
    assert rows(home, "model.requests") == before


@pytest.mark.parametrize("road", ["careful", "short"])
def test_one_bad_line_among_ten_thousand_is_held_back(road: str, home: Home) -> None:
    """9,999 calls land by either road; quarantine says which line, how long and why, and never what it said."""
    bad = line(request_id="poison", input_tokens=-3, project="the-poisoned-project")
    pad = {"pad": "x" * 200} if road == "short" else {}
    lines = [line(request_id=f"call-{number}", **pad) for number in range(10_000)]
    lines[4_711] = bad
    path = put(home, "calls.jsonl" if road == "short" else "calls.jsonl.gz", lines)
    assert (path.stat().st_size > SHORT_ROAD_BYTES) == (road == "short")
    report = take_in(home)
    assert taken(report).quarantined == 1
    assert one(home, "SELECT count(*) FROM model.requests") == 9_999
    assert one(home, "SELECT sum(input_tokens) FROM model.usage_daily") == 99_990
    assert quarantine(home) == [(4_712, len(bad), "input_tokens is no count")]
    assert one(home, "SELECT quarantined_rows FROM mart.freshness") == 1


# What a line says that breaks each rule, and how quarantine names it.
BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("a field is longer than 8 KiB", {"user_agent": "u" * 8193}),
    ("a field is longer than 8 KiB", {"tags": ["t" * 5000, "u" * 5000]}),
    ("request_id is missing", {"request_id": ...}),
    ("request_id is missing", {"request_id": ""}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": "yesterday"}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": ...}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": "infinity"}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": "1970-01-01T00:00:00Z"}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": "290000-01-01T00:00:00Z"}),
    ("the start is no RFC 3339 time between 2015 and 2100", {"ts": 1795288717.9}),
    ("provider is missing", {"provider": ...}),
    ("model is missing", {"model": ""}),
    ("input_tokens is no count", {"input_tokens": ...}),
    ("input_tokens is no count", {"input_tokens": -3}),
    ("input_tokens is no count", {"input_tokens": 1.5}),
    ("input_tokens is no count", {"input_tokens": "NaN"}),
    ("input_tokens is no count", {"input_tokens": "-inf"}),
    ("input_tokens is no count", {"input_tokens": 1e300}),
    ("input_tokens is no count", {"input_tokens": 1e-7}),
    ("input_tokens is no count", {"input_tokens": 2**60 + 1}),
    ("output_tokens is no count", {"output_tokens": None}),
    ("output_tokens is no count", {"output_tokens": "0.1"}),
    ("cache_read_tokens is no count", {"cached_tokens": -1}),
    ("reasoning_out_tokens is no count", {"reasoning_tokens": 0.5}),
    ("cached, written, audio and image tokens exceed input_tokens", {"cached_tokens": 11}),
    ("reasoning and audio tokens exceed output_tokens", {"reasoning_tokens": 6}),
    ("status is neither ok, error, cancelled nor an HTTP status", {"status": "weird"}),
    ("status is neither ok, error, cancelled nor an HTTP status", {"status": 999}),
    ("status is neither ok, error, cancelled nor an HTTP status", {"status": ...}),
    ("latency_ms is no duration", {"latency_ms": -1}),
    ("latency_ms is no duration", {"latency_ms": 1e300}),
    ("latency_ms is no duration", {"latency_ms": "NaN"}),
    ("cost is no decimal number", {"cost": "NaN"}),
    ("cost is no decimal number", {"cost": "1e400000000"}),
    ("cost is no decimal number", {"cost": "free"}),
    ("a count or a duration is no number", {"input_tokens": "many"}),
    ("a count or a duration is no number", {"input_tokens": 10**400}),
    ("a field has the wrong type, or the line is no object", {"input_tokens": True}),
    ("a field has the wrong type, or the line is no object", {"input_tokens": {"count": 1}}),
    ("a field has the wrong type, or the line is no object", {"model": {"name": "gpt-4o"}}),
    ("a field has the wrong type, or the line is no object", {"model": ["gpt-4o"]}),
    ("a field has the wrong type, or the line is no object", {"cost": True}),
    ("a field has the wrong type, or the line is no object", {"tags": 1}),
    ("a field has the wrong type, or the line is no object", {"tags": [{"one": 1}]}),
]
NO_CALL = {
    "hello": "the line is no JSON",
    line()[:50]: "the line is no JSON",
    line().replace("10,", "NaN,"): "the line is no JSON",
    line() + line(): "the line is no JSON",
    line().replace("gpt-4o", "a\\ud800"): "the line is no JSON",
    "[1]": "a field has the wrong type, or the line is no object",
    "null": "a field has the wrong type, or the line is no object",
    line()[:-1] + ', "odd": ' + "[" * 200_000 + "]" * 200_000 + "}": "the line is nested too deeply",
}


def test_every_line_that_is_no_call_is_held_back_with_its_reason(home: Home) -> None:
    """Each rule and each broken form of a line, among good lines, by number, length and reason."""
    lines, expected = [], []
    cases = [(line(**fields), reason) for reason, fields in BROKEN] + list(NO_CALL.items())
    for number, (text, reason) in enumerate(cases):
        lines += [line(request_id=f"good-{number}"), text]
        expected.append((len(lines), len(text), reason))
    put(home, "calls.jsonl", lines)
    take_in(home)
    assert quarantine(home) == expected
    assert rows(home, "(SELECT request_id FROM model.requests)") == sorted((f"good-{n}",) for n in range(len(cases)))


def test_every_rule_that_a_line_of_the_contract_can_break_is_among_them() -> None:
    """The contract has no field for cache writes, audio and images; every other rule is broken above."""
    beyond = {
        f"{name}_tokens is no count"
        for name in ("cache_write_5m", "cache_write_1h", "audio_in", "image_in", "audio_out")
    }
    assert {reason for reason, _ in record.RULES} - beyond == {
        reason for reason, _ in BROKEN if reason in {rule for rule, _ in record.RULES}
    }


@pytest.mark.parametrize(
    ("reason", "fields"),
    [case for case in BROKEN if case[0] in {rule for rule, _ in record.RULES}][::12],
)
def test_the_short_road_holds_back_what_the_careful_one_does(reason: str, fields: dict[str, Any], home: Home) -> None:
    """A line that breaks a rule sends its whole file down the careful road, where it alone is held back."""
    bad = line(**fields)
    put(
        home, "calls.jsonl", [line(request_id="a"), line(request_id="b", pad=SHORT_ROAD_PAD), bad, line(request_id="c")]
    )
    take_in(home)
    assert quarantine(home) == [(3, len(bad), reason)]
    assert rows(home, "(SELECT request_id FROM model.requests)") == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    "fields",
    [
        {"input_tokens": True},
        {"model": {"name": "gpt-4o"}},
        *(
            pytest.param(fields, marks=pytest.mark.soak)
            for fields in ({"cached_tokens": False}, {"user_id": ["a"]}, {"tags": 1})
        ),
    ],
)
def test_what_the_short_road_could_take_for_another_type_is_held_back(fields: dict[str, Any], home: Home) -> None:
    """Deep in a file that DuckDB reads: `true` is no count, an object is no text."""
    bad = line(**fields)
    good = [line(request_id=f"good-{number}") for number in range(300)]
    put(home, "calls.jsonl", [*good, bad, line(request_id="last", pad=SHORT_ROAD_PAD)])
    take_in(home)
    assert quarantine(home) == [(301, len(bad), "a field has the wrong type, or the line is no object")]
    assert one(home, "SELECT count(*) FROM model.requests") == 301


def test_a_writer_of_last_commas_is_found_out_by_its_first_lines(home: Home) -> None:
    """DuckDB's reader would pass over the comma; a file of such lines is held back as by the careful road."""
    bad = line(request_id="bad")[:-1] + ",}"
    put(home, "calls.jsonl", [line(request_id="a"), bad, line(request_id="b", pad=SHORT_ROAD_PAD)])
    take_in(home)
    assert quarantine(home) == [(2, len(bad), "the line is no JSON")]


@pytest.mark.parametrize("road", ["careful", "short"])
def test_what_is_a_call_lands_as_it_was_said(road: str, home: Home) -> None:
    """Numbers as strings, exponents, missing options, offsets and every word for a status, by either road."""
    said: dict[str, tuple[dict[str, Any], str, object]] = {
        "text-count": ({"input_tokens": "12"}, "input_tokens", 12),
        "whole-double": ({"input_tokens": 12.0}, "input_tokens", 12),
        "exponent": ({"cost": 1e-7}, "logged_cost_usd", Decimal("0.0000001")),
        "decimal-text": ({"cost": "0.1"}, "logged_cost_usd", Decimal("0.1")),
        "twelve-places": ({"cost": "1.123456789012"}, "logged_cost_usd", Decimal("1.123456789012")),
        "half-a-pico": ({"cost": "0.0000000000005"}, "logged_cost_usd", Decimal("0.000000000001")),
        "a-million": ({"cost": "1000000.5"}, "logged_cost_usd", Decimal("1000000.5")),
        "long-million": ({"cost": "999999.9999999999995"}, "logged_cost_usd", Decimal(1000000)),
        "long-exponent": ({"cost": "16754.6997706477096976665e1"}, "logged_cost_usd", Decimal("167546.997706477097")),
        "null-cost": ({"cost": None}, "logged_cost_usd", None),
        "no-cost": ({}, "logged_cost_usd", None),
        "no-latency": ({"latency_ms": None}, "latency_ms", None),
        "half-ms": ({"latency_ms": 12.4}, "latency_ms", 12),
        "offset": ({"ts": "2026-11-20T10:00:00+05:30"}, "requested_at", datetime(2026, 11, 20, 4, 30)),  # noqa: DTZ001
        "seven-digits": ({"ts": "2026-11-20T10:00:00.1234567Z"}, "microsecond(requested_at)", 123456),
        "code": ({"status": 429}, "outcome || ' ' || http_status", "error 429"),
        "code-text": ({"status": "200"}, "outcome || ' ' || http_status", "ok 200"),
        "gone": ({"status": 499}, "outcome", "cancelled"),
        "word": ({"status": "OK"}, "outcome", "ok"),
        "number-id": ({"request_id": 5}, "request_id", "5"),
        "cached": ({"cached_tokens": 4}, "uncached_tokens * 100 + cache_read_tokens", 604),
        "reasoning": ({"reasoning_tokens": 2}, "text_out_tokens * 100 + reasoning_out_tokens", 302),
        "tier": ({"service_tier": "on_demand"}, "service_tier", "standard"),
        "batch": ({"service_tier": "Batch"}, "service_tier", "batch"),
    }
    lines = [line(**{"request_id": name, **fields}) for name, (fields, _, _) in said.items()]
    if road == "short":
        lines[0] = lines[0][:-1] + f', "pad": "{SHORT_ROAD_PAD}"}}'
    put(home, "calls.jsonl", lines)
    take_in(home)
    assert quarantine(home) == []
    landed = {
        name: one(home, f"SELECT {column} FROM model.requests WHERE request_id = '{fields.get('request_id', name)}'")
        for name, (fields, column, _) in said.items()
    }
    assert landed == {name: value for name, (_, _, value) in said.items()}


@pytest.mark.soak
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_machines_zone_moves_no_call(zone: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start is its own offset's moment wherever the machine stands."""
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        put(home, "calls.jsonl", [line(), line(request_id="b", ts="2026-11-20T23:30:00-01:00")])
        take_in(home)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert query(home, "SELECT strftime(requested_at, '%d %H:%M') FROM model.requests ORDER BY ALL") == [
        ("20 10:00",),
        ("21 00:30",),
    ]


def test_only_the_contracts_keys_are_counted_by_name(home: Home) -> None:
    """Of keys that no contract knows, known suspects are counted by name, all others without: a key can be a prompt."""
    from warehouse import database

    put(home, "calls.jsonl", [line(messages="x", **{"tell me a secret": 1}), line(request_id="b", prompt="y")])
    take_in(home)
    with database.control(home) as control:
        counted = Counter(dict(control.execute("SELECT name, lines FROM odd_key").fetchall()))
    assert counted == {"messages": 1, "prompt": 1, "(another name)": 1}


def test_the_contract_needs_no_more_than_it_says(home: Home) -> None:
    """The ten keys of CALL are enough for a call; the optional ones are NULL, never 0 or empty."""
    put(home, "calls.jsonl", [json.dumps(CALL)])
    take_in(home, NOW)
    optional = (
        "project_no, team_no, user_no, end_user_no, client_no, service_tier, region, logged_cost_usd, http_status"
    )
    assert query(home, f"SELECT {optional} FROM model.requests") == [(None,) * 9]


@pytest.mark.parametrize(
    ("tags", "kept"),
    [("blue", ["blue"]), ({"team": "blue", "tier": 1}, ["team:blue", "tier:1"]), (["blue", None, 2], ["blue", "2"])],
)
def test_tags_may_be_one_text_a_mapping_or_a_list(tags: object, kept: list[str]) -> None:
    """Gateways write tags in three ways; each is read, none costs the line."""
    line = {"request_id": "r", "tags": tags}
    assert gateway_jsonl.decode(json.dumps(line).encode())[-1] == kept
