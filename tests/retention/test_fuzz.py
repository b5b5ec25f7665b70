"""Fuzzed records of every gateway with a prompt in each of 30 places and more, and passes killed in the middle."""

import json
import random

import pytest

from retention import self_scan
from tests.faults import whole_pass
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.planted_records import NEEDLE, SOURCES, fuzzed
from warehouse.home import Home

_OTHERS = ("rows", "payloads", "spans")


def _put(home: Home, source: str, name: str, first: int, count: int) -> None:
    put(home, f"{source}-{name}", fuzzed(source, first, count), SOURCES[source][0])


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


@pytest.mark.parametrize("source", SOURCES)
def test_the_places_are_thirty_and_more_and_the_scanner_sees_them(home: Home, source: str) -> None:
    """The control: each place carries the prompt, and in an inbox it is found."""
    gateway, made, places = SOURCES[source]
    assert len(places) >= 30
    assert [place for place, other in places.items() if NEEDLE not in json.dumps(other(made(1)))] == []
    _put(home, source, "calls.jsonl.gz", 0, 40)
    assert [path.parent for path in self_scan.scan(home, [NEEDLE]).found] == [home.inbox / gateway]


@pytest.mark.clause("VA-3.1")
@pytest.mark.usefixtures("plain_bytes")
def test_no_prompt_of_two_thousand_fuzzed_records_is_stored(home: Home, master_key: str) -> None:
    """In no byte and in no table, of any gateway, after a pass that was killed and after one that was not."""
    assert master_key
    _put(home, "contract", "calls.jsonl", 0, 1_250)
    for source in _OTHERS:
        _put(home, source, "calls.jsonl", 0, 250)
    assert _killed(home, random.Random(2)) == []  # noqa: S311 (repeatable)
    take_in(home)
    assert _held(home) == []
    assert byte_scan.found(home.root, NEEDLE.encode()) == {}
    landed = dict(query(home, "SELECT gateway, count(*) FROM model.requests GROUP BY 1"))
    assert landed["gateway_jsonl"] > 430
    assert min(landed["litellm"], landed["otel"]) > 100


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.clause("VA-3.1")
@pytest.mark.parametrize("sources", [("contract",), _OTHERS])
def test_no_prompt_of_a_million_fuzzed_records_is_stored(
    home: Home, master_key: str, request: pytest.FixtureRequest, sources: tuple[str, ...]
) -> None:
    """Forty files of 25,000, every other one packed, every fourth pass killed; half of the files uncompressed."""
    assert master_key
    dice, crashes, each = random.Random(3), 0, 25_000  # noqa: S311 (repeatable)
    for number in range(40):
        if number == 20:
            request.getfixturevalue("plain_bytes")
        _put(home, sources[number % len(sources)], f"{number}.jsonl{'.gz' if number % 2 else ''}", number * each, each)
        if number % 4 == 0:
            assert _killed(home, dice) == []
            crashes += 1
        take_in(home)
        if number % 5 == 4:
            assert _held(home) == []
    landed = dict(query(home, "SELECT gateway, count(*) FROM model.requests GROUP BY 1"))
    print(f"{40 * each:,} records of {', '.join(sources)}, landed {landed}, {crashes} passes killed, 0 prompts stored")
    assert sum(landed.values()) > 300_000
