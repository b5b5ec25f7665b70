"""What a provider of the sandbox does wrong on demand: one fault a request, and days billed late or anew.

`<home>/providers/misbehave.json` holds what `apiledger sandbox misbehave` asked for. What is right does not belong here
(openai_api.py, anthropic_api.py).
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from warehouse.home import Home

Query = dict[str, list[str]]
FAULTS = {
    "retry-after": "429 with Retry-After: 7",
    "stall": "says nothing for a minute",
    "slow": "sends its body a byte now and then",
    "cut": "cuts the body, whole by its headers (cut:N at byte N)",
    "torn": "breaks off in the body, shorter than its headers promise (torn:N at byte N)",
    "drop": "drops the connection",
    "loop": "names a next page for ever",
    "repeat": "tells a page's first day twice",
    "gap": "leaves a day out",
    "shift": "gives half as many days a page",
    "early": "ends before the last page",
    "lost": "no longer knows its cursors",
}


@dataclass
class Misbehaviour:
    """What one provider does wrong: `faults` one a request; the newest `late_days` unbilled; days times a factor."""

    faults: list[str] = field(default_factory=list)
    late_days: int = 0
    restated: dict[str, str] = field(default_factory=dict)


def is_fault(word: str) -> bool:
    """Whether a word is a fault: a status from 300 on, one of FAULTS, or one of the two that take a number."""
    name, colon, number = word.partition(":")
    if colon:
        return name in {"cut", "torn"} and number.isascii() and number.isdigit()
    return word in FAULTS or (word.isascii() and word.isdigit() and 300 <= int(word) <= 599)


def asked(fault: str, query: Query) -> Query:
    """The query as the provider understands it."""
    if fault == "shift" and "limit" in query:
        return query | {"limit": [str(max(int(query["limit"][0]) // 2, 1))]}
    if fault == "lost" and "page" in query:
        return query | {"page": ["page_forgotten"]}
    return query


def told(fault: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer as the provider sends it."""
    # A provider without pages has none to repeat or leave out.
    days = answer.get("data", [])
    if fault == "loop":
        return answer | {"has_more": True, "next_page": "page_MjAwMC0wMS0wMQ=="}
    if fault == "repeat":
        return answer | {"data": [*days[:1], *days]}
    if fault == "gap":
        return answer | {"data": [*days[:1], *days[2:]]}
    if fault == "early":
        return answer | {"data": days[:-1], "has_more": False, "next_page": None}
    return answer


def cut(fault: str, body: bytes) -> bytes:
    """As much of the body as is sent."""
    name, _, number = fault.partition(":")
    if name not in {"cut", "torn"}:
        return body
    return body[: int(number) if number else len(body) * 2 // 3]


def read(home: Home) -> dict[str, Misbehaviour]:
    """What was asked of each provider of a sandbox home."""
    try:
        said = json.loads((home.root / "providers" / "misbehave.json").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return {provider: Misbehaviour(**what) for provider, what in said.items()}


@contextmanager
def changing(home: Home) -> Iterator[dict[str, Misbehaviour]]:
    """What was asked, to be changed; one process at a time, so that no fault is taken twice."""
    folder = home.root / "providers"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = read(home)
        before = _text(said)
        yield said
        if _text(said) != before:
            working = folder / ".misbehave.json.part"
            with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
                handle.write(_text(said))
            working.replace(folder / "misbehave.json")
    finally:
        os.close(lock)


def _text(said: dict[str, Misbehaviour]) -> str:
    return json.dumps({provider: asdict(what) for provider, what in said.items()}, indent=2)
