"""The last whole run of the program's tests in this checkout: how many tests of each promise passed, and how many not.

Written by the run itself (tests/clause_marks.py). One of another program than this tells nothing, so it counts no more
as soon as a file of the program is another; nor does one that is not there, as where only the program was installed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from warehouse import database
from warehouse.home import PROJECT

PLACE = PROJECT / ".venv" / "promises.json"
_PACKAGES = ("pipelines", "warehouse", "dashboards", "retention")
_KINDS = frozenset({".py", ".sql", ".toml"})


@dataclass(frozen=True)
class Run:
    """A whole run: when it ended (UTC), what passed and failed by promise, and the hash of the record."""

    ran_at: datetime
    passed: dict[str, int]
    failed: dict[str, int]
    sha256: str


@cache
def program() -> str:
    """The hash of every file of the program that is run or read, by name and content."""
    found = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((PROJECT / package).rglob("*")):
            if path.suffix in _KINDS and path.is_file():
                found.update(f"{path.relative_to(PROJECT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def write(passed: Mapping[str, int], failed: Mapping[str, int], now: datetime, place: Path | None = None) -> None:
    """Write a run's results down, by promise; nothing where there is no folder for it."""
    place = place or PLACE
    if not place.parent.is_dir():
        return
    said = {"program": program(), "ran_at": database.stamp(now), "passed": dict(passed), "failed": dict(failed)}
    part = place.with_suffix(".part")
    part.write_text(json.dumps(said, sort_keys=True, indent=1), encoding="utf-8")
    part.replace(place)


def read(place: Path | None = None) -> Run | None:
    """The record of this very program; None where there is none."""
    try:
        text = (place or PLACE).read_text(encoding="utf-8")
        said = json.loads(text)
        if said["program"] != program():
            return None
        passed, failed = (
            {str(name): int(count) for name, count in said[what].items()} for what in ("passed", "failed")
        )
        return Run(database.moment(said["ran_at"]), passed, failed, hashlib.sha256(text.encode()).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
