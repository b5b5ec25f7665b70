"""GenAI spans of the collector's files: old and new names, each call once, and not a word of what was said."""

import json
import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import PipelineError
from pipelines.providers import otel
from tests.pipelines.gateway_log import facts, one, put, quarantine, query, take_in
from tests.pipelines.otel_spans import NEW, START_NS, TRACE, attributes, line, span
from tests.pipelines.test_boundary import found
from warehouse.home import Home

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/otel/collector.jsonl"
OLD = dict.fromkeys(NEW, ...) | {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 20,
}
TOKENS = "input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, reasoning_out_tokens"


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key


def test_one_line_of_many_spans_is_many_calls(home: Home) -> None:
    """Spans of databases and web servers in the same request are no calls; the others are one each."""
    web = {"traceId": TRACE, "spanId": "ff", "kind": 2, "name": "GET /", "attributes": attributes({"url.path": "/"})}
    put(home, "spans.jsonl", [line(*(span(n) for n in range(5)), web), line(*(span(n) for n in range(5, 8)))], "otel")
    take_in(home)
    assert query(home, "SELECT count(*), sum(input_tokens), min(requested_at) FROM model.requests") == [
        (8, 800, datetime(2026, 11, 21, 10))  # noqa: DTZ001 (naive UTC, as the warehouse keeps it)
    ]
    assert quarantine(home) == []


@pytest.mark.parametrize("names", [NEW, OLD], ids=["new", "old"])
def test_old_and_new_names_tell_the_same_call(names: dict[str, Any], home: Home) -> None:
    """The attributes that were renamed in 2025 give the same row, with project and team of the resource."""
    put(home, "spans.jsonl", [line(span(1, told=names))], "otel")
    take_in(home)
    assert query(home, f"SELECT provider, model, outcome, latency_ms, {TOKENS}, list_cost_usd FROM model.requests") == [
        ("openai", "gpt-4o", "ok", 250, 100, 20, 0, 0, 0, Decimal("0.00045"))
    ]
    assert query(home, "SELECT account, project, team FROM mart.spend_daily") == [("own", "shop", "blue")]


def test_every_class_of_tokens_is_told_apart(home: Home) -> None:
    """Cache reads, cache writes and reasoning are parts of the totals; a client that counts apart is seen through."""
    cached = {"gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.cache_creation.input_tokens": 30}
    thought = {"gen_ai.usage.reasoning.output_tokens": 12}
    apart = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 3}
    spans = [span(1, told=cached | thought), span(2, told=cached | thought | apart)]
    put(home, "spans.jsonl", [line(*spans)], "otel")
    take_in(home)
    assert query(home, f"SELECT {TOKENS} FROM model.requests ORDER BY requested_at") == [
        (100, 20, 60, 30, 12),
        (95, 15, 60, 30, 12),
    ]


@pytest.mark.parametrize(
    ("told", "fields", "expected"),
    [
        ({}, {"status": {"code": 1}}, ("ok", None)),
        ({}, {"status": {"code": 2}}, ("error", None)),
        pytest.param({}, {"status": {"code": "STATUS_CODE_ERROR"}}, ("error", None), marks=pytest.mark.soak),
        ({"error.type": "429"}, {}, ("error", 429)),
        pytest.param(
            {"error.type": "RateLimitError", "http.response.status_code": 429},
            {},
            ("error", 429),
            marks=pytest.mark.soak,
        ),
        pytest.param({"error.type": "timeout"}, {}, ("error", None), marks=pytest.mark.soak),
        ({"error.type": "asyncio.CancelledError"}, {"status": {"code": 2}}, ("cancelled", None)),
    ],
)
def test_status_and_error_type_say_how_it_ended(
    told: dict[str, Any], fields: dict[str, Any], expected: tuple[str, int | None], home: Home
) -> None:
    """A failed span without tokens is an error that cost nothing."""
    gone = {"gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...} if expected[0] == "error" else {}
    put(home, "spans.jsonl", [line(span(1, told=told | gone, **fields))], "otel")
    take_in(home)
    assert query(home, "SELECT outcome, http_status FROM model.requests") == [expected]


def test_agents_and_tools_are_not_counted_beside_the_calls_in_them(home: Home) -> None:
    """An agent that sums its calls up, a framework's chat around the client's, a raw request without tokens."""
    agent = span(1, told={"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 200})
    framework = span(2, parent=1, kind=1)
    between = {"traceId": TRACE, "spanId": f"{3:016x}", "parentSpanId": f"{2:016x}", "attributes": []}
    client = span(4, parent=3)
    bare = {"gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...}
    raw = span(5, parent=4, told=bare)
    tool = span(6, parent=1, told={"gen_ai.operation.name": "execute_tool"})
    served = span(7, kind="SPAN_KIND_SERVER")
    put(home, "spans.jsonl", [line(raw, tool, agent, client, served, framework, between)], "otel")
    take_in(home)
    assert query(home, "SELECT request_id, input_tokens FROM model.requests") == [(f"{TRACE}/{4:016x}", 100)]
    assert quarantine(home) == []


@pytest.mark.soak
def test_a_call_told_by_two_layers_in_two_files_is_one(home: Home) -> None:
    """What ties a framework's span to its client's across files is the response's id within the trace."""
    told = {"gen_ai.response.id": "chatcmpl-1"}
    put(home, "a.jsonl", [line(span(1, told=told))], "otel")
    take_in(home)
    put(
        home,
        "b.jsonl",
        [line(span(2, parent=1, told=told), span(3, told={"gen_ai.response.id": "chatcmpl-2"}))],
        "otel",
    )
    take_in(home)
    ids = query(home, "SELECT request_id FROM model.requests ORDER BY 1")
    assert ids == [("chatcmpl-1",), ("chatcmpl-2",)]
    other = span(4, told=told)
    other["traceId"] = TRACE[::-1]
    put(home, "c.jsonl", [line(other)], "otel")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 3


def test_a_span_without_tokens_is_held_back_and_its_neighbours_land(home: Home) -> None:
    """Three spans of one line that cannot be taken, by number and reason, among two that can."""
    bare = {"gen_ai.usage.input_tokens": ..., "gen_ai.usage.output_tokens": ...}
    wrong = span(3)
    wrong["attributes"] = "gen_ai.system"
    nameless = span(4, told={"gen_ai.usage.input_tokens": "many"})
    lines = [line(span(1), span(2, told=bare)), line(wrong, span(5)), line(nameless), "{", line(span(6, traceId=""))]
    put(home, "spans.jsonl", lines, "otel")
    report = take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 2
    assert [(number, reason) for number, _, reason in quarantine(home)] == [
        (1, "a span tells of a call and not of its tokens"),
        (2, "a span has a field of the wrong type"),
        (3, "input_tokens is no count"),
        (4, "the line is no JSON"),
        (5, "a span has no trace id and span id"),
    ]
    assert sum(taken.quarantined for taken in report.ingested) == 5


@pytest.mark.soak
def test_shuffled_split_packed_and_twice_is_the_same_table(home: Home) -> None:
    """Forty lines in one file, and in five shuffled, packed and repeated ones."""
    lines = [line(*(span(40 * n + m) for m in range(3))) for n in range(40)]
    put(home, "all.jsonl", lines, "otel")
    take_in(home)
    shuffled = [*lines, *lines[::3]]
    random.Random(3).shuffle(shuffled)  # noqa: S311 (a shuffle, no secret)
    split = Home(home.root.with_name("split")).make()
    for number in range(5):
        put(split, f"{number}.jsonl{'.gz' * (number % 2)}", shuffled[number::5], "otel")
        if number == 2:
            take_in(split)
    take_in(split)
    assert facts(split) == facts(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 120


@pytest.mark.soak
def test_the_owner_says_which_attributes_name_whom(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting's names come before ours; a setting that is none stops the pass and loses no file."""
    monkeypatch.setenv(otel.SETTING, "account=tenant.id, project=app,key=api.key.name")
    resource = {"service.name": "shop", "tenant.id": "acme"}
    put(home, "a.jsonl", [line(span(1, told={"app": "till", "api.key.name": "key one"}), resource=resource)], "otel")
    take_in(home)
    assert query(home, "SELECT account, project, key_no IS NOT NULL FROM mart.spend_daily, model.requests") == [
        ("acme", "till", True)
    ]
    monkeypatch.setenv(otel.SETTING, "ip=client.address")
    path = put(home, "b.jsonl", [line(span(2))], "otel")
    with pytest.raises(PipelineError, match=otel.SETTING):
        take_in(home)
    assert path.exists()


def test_what_was_said_is_in_no_file(home: Home) -> None:
    """Prompts and answers in attributes, events, names, status messages and unknown fields: not a byte anywhere."""
    canaries = {
        name: f"canary {name} 7Zq81LmNw45Xy" for name in ("prompt", "answer", "event", "message", "tool", "name")
    }
    told = {
        "gen_ai.prompt": canaries["prompt"],
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": canaries["prompt"]}]),
        "gen_ai.output.messages": canaries["answer"],
        "gen_ai.completion.0.content": canaries["answer"],
        "gen_ai.system_instructions": [canaries["prompt"]],
        "gen_ai.tool.call.arguments": canaries["tool"],
        "metadata.requester_metadata": canaries["prompt"],
    }
    event = {"name": "gen_ai.content.prompt", "attributes": attributes({"gen_ai.prompt": canaries["event"]})}
    fields: dict[str, Any] = {
        "events": [event],
        "status": {"code": 2, "message": canaries["message"]},
        "name": canaries["name"],
    }
    lines = [line(span(1, told=told, **fields)), line(span(2, told={**told, "gen_ai.usage.input_tokens": "many"}))]
    put(home, "spans.jsonl", [*lines, lines[0][:-9]], "otel")
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 1
    assert len(quarantine(home)) == 2
    assert found(home.root, canaries) == set()


def test_the_fixture_is_what_it_says(home: Home) -> None:
    """Two requests as a collector wrote them: an agent with two calls, an embedding, a refused call, a web span."""
    put(home, "collector.jsonl", FIXTURE.read_text().splitlines(), "otel")
    take_in(home)
    assert quarantine(home) == []
    assert query(
        home, f"SELECT provider, model, outcome, http_status, {TOKENS} FROM model.requests ORDER BY requested_at"
    ) == [
        ("anthropic", "claude-sonnet-4-5-20250929", "ok", None, 1200, 310, 1024, 0, 0),
        ("anthropic", "claude-sonnet-4-5-20250929", "ok", None, 1600, 95, 1024, 256, 0),
        ("openai", "text-embedding-3-small", "ok", None, 48, 0, 0, 0, 0),
        ("openai", "gpt-4o-mini", "error", 429, 0, 0, 0, 0, 0),
    ]


def test_litellms_own_spans_are_its_calls(shared: Path, home: Home) -> None:
    """The 15 real spans of a LiteLLM proxy hold one call, with its key and its cost, to the literal."""
    seen = json.loads((shared / "data/otel_genai/litellm_otel_console_spans.json").read_text())
    spans = [
        {
            "traceId": one_span["context"]["trace_id"].removeprefix("0x"),
            "spanId": one_span["context"]["span_id"].removeprefix("0x"),
            "parentSpanId": (one_span["parent_id"] or "").removeprefix("0x"),
            "kind": f"SPAN_KIND_{one_span['kind'].rpartition('.')[2]}",
            "startTimeUnixNano": START_NS,
            "endTimeUnixNano": START_NS + 1,
            "attributes": attributes(one_span["attributes"]),
            "status": {},
        }
        for one_span in seen
    ]
    put(home, "spans.jsonl", [line(*spans, resource=seen[0]["resource"]["attributes"])], "otel")
    take_in(home)
    calls = [one_span for one_span in seen if one_span["name"] == "litellm_request"]
    assert len(calls) == 1
    told = (
        "SELECT provider, model, input_tokens, output_tokens, logged_cost_usd, key_no IS NOT NULL FROM model.requests"
    )
    assert query(home, told) == [("anthropic", "claude-sonnet-4-5", 10, 20, Decimal("0.00033"), True)]


def test_the_names_that_are_read_are_the_conventions(shared: Path) -> None:
    """Every `gen_ai.` name of ours is in the convention, or is one that a named client is known to add."""
    convention = set(json.loads((shared / "data/otel_genai/gen_ai_names.json").read_text())["attributes"])
    ours = {key for keys in (*otel._TEXTS.values(), *otel._COUNTS.values()) for key in keys if key[:7] == "gen_ai."}
    added = {
        "gen_ai.cost.total_cost",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.reasoning_tokens",
    }
    assert ours - convention == added
