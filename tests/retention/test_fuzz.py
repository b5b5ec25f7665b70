"""Fuzzed records with a prompt in each of 33 places, and passes killed in the middle: the prompt is in no file."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from retention import self_scan
from tests.faults import whole_pass
from tests.pipelines.gateway_log import call, put, query, take_in
from tests.retention import byte_scan
from warehouse.home import Home

# What a person wrote is no name: the words are told by the comma before and the mark after them, whatever is cut off.
NEEDLE = "zanzibar merger closes"
PROMPT = f"Dear diary, the {NEEDLE} on Friday!"
TEXTS = (
    "request_id", "account_id", "key_id", "upstream", "project", "team", "user_id", "end_user_id", "provider", "model",
    "service_tier", "ip", "user_agent",
)  # fmt: skip
NUMBERS = (
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "latency_ms", "cost", "status", "ts",
)  # fmt: skip


def _in_field(name: str, record: dict[str, Any]) -> dict[str, Any]:
    return record | {name: PROMPT}


PLACES: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{f"text {name}": partial(_in_field, name) for name in TEXTS},
    **{f"number {name}": partial(_in_field, name) for name in NUMBERS},
    "a tag": lambda record: record | {"tags": [PROMPT, "team:blue"]},
    "a tag's value": lambda record: record | {"tags": [f"note:{PROMPT}"]},
    "tags": lambda record: record | {"tags": PROMPT},
    "a key": lambda record: record | {PROMPT: 1},
    "messages": lambda record: record | {"messages": [{"role": "user", "content": PROMPT}]},
    "an answer": lambda record: record | {"response": {"choices": [{"message": {"content": PROMPT}}]}},
    "deep": lambda record: record | {"metadata": {"a": [{PROMPT: [PROMPT]}]}},
    "a header": lambda record: record | {"headers": {"x-note": PROMPT}},
    "an error": lambda record: record | {"error_str": f"refused: {PROMPT}", "status": "error"},
    "a model's fields": lambda record: record | {"model": {"name": PROMPT}},
    "a list": lambda record: [record, PROMPT],
    "no record": lambda _: PROMPT,
}


def fuzzed(seed: int, count: int) -> Iterator[bytes]:
    """Records with the prompt in one place each; one in three with bytes changed, put in, cut off, or doubled."""
    dice, places = random.Random(seed), list(PLACES.values())  # noqa: S311 (repeatable, not secret)
    for number in range(count):
        record = call(request_id=f"{seed}-{number}", ts=f"2026-11-{1 + number % 20:02}T10:00:00Z")
        line = json.dumps(places[number % len(places)](record), ensure_ascii=dice.random() < 0.5).encode()
        kind = dice.random()
        if kind < 0.1:
            at = dice.randrange(len(line))
            line = line[:at] + bytes([dice.randrange(256)]) + line[at + 1 :]
        elif kind < 0.2:
            at = dice.randrange(len(line))
            line = line[:at] + dice.choice([b'"', b"\\", b"{", b"\x00", b"\xff", b"\n", b'","model":"x"']) + line[at:]
        elif kind < 0.27:
            line = line[: dice.randrange(len(line))]
        elif kind < 0.33:
            line = line + dice.choice([b"", b" ", b","]) + line
        yield line


def _held(home: Home) -> list[str]:
    """Files of the home that hold the prompt, but for logs that wait to be read or were set aside."""
    found = [path for path in self_scan.scan(home, [NEEDLE]).found if not path.is_relative_to(home.inbox)]
    return sorted(str(path.relative_to(home.root)) for path in found)


def _killed(home: Home, dice: random.Random) -> list[str]:
    """What is found after a pass that was killed before one of its steps on the disk, and then after one that ends."""
    process = whole_pass.start(home, kill_at=dice.randint(5, 40))
    process.join()
    assert process.exitcode == -9, "the pass ended before that step"
    return _held(home)


def test_the_places_are_thirty_and_more_and_the_scanner_sees_them(home: Home) -> None:
    """The control: each place carries the prompt, and in an inbox it is found."""
    assert len(PLACES) >= 30
    assert [place for place, made in PLACES.items() if NEEDLE not in json.dumps(made(call()))] == []
    put(home, "calls.jsonl.gz", fuzzed(1, 40))
    assert [path.parent for path in self_scan.scan(home, [NEEDLE]).found] == [home.inbox / "gateway_jsonl"]


@pytest.mark.clause("VA-3.1")
@pytest.mark.usefixtures("plain_bytes")
def test_no_prompt_of_two_thousand_fuzzed_records_is_stored(home: Home, master_key: str) -> None:
    """In no byte and in no table, after a pass that was killed and after one that was not."""
    assert master_key
    put(home, "calls.jsonl", fuzzed(2, 2_000))
    assert _killed(home, random.Random(2)) == []  # noqa: S311 (repeatable)
    take_in(home)
    assert _held(home) == []
    assert byte_scan.found(home.root, NEEDLE.encode()) == {}
    ((calls,),) = query(home, "SELECT count(*) FROM model.requests")
    assert calls > 700


@pytest.mark.soak
@pytest.mark.clause("VA-3.1")
def test_no_prompt_of_a_million_fuzzed_records_is_stored(
    home: Home, master_key: str, request: pytest.FixtureRequest
) -> None:
    """Forty files of 25,000, every other one packed, every fourth pass killed; half of the files uncompressed."""
    assert master_key
    dice, crashes = random.Random(3), 0  # noqa: S311 (repeatable)
    for number in range(40):
        if number == 20:
            request.getfixturevalue("plain_bytes")
        put(home, f"{number}.jsonl{'.gz' if number % 2 else ''}", fuzzed(100 + number, 25_000))
        if number % 4 == 0:
            assert _killed(home, dice) == []
            crashes += 1
        take_in(home)
        if number % 5 == 4:
            assert _held(home) == []
    ((calls,),) = query(home, "SELECT count(*) FROM model.requests")
    print(f"{40 * 25_000:,} records, {calls:,} landed, {crashes} passes killed, 0 prompts stored")
    assert calls > 300_000
