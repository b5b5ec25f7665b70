"""retention/privacy.toml and the owner's privacy.toml -> the notice that /privacy shows: what, why, how long, by whom.

Its hash is over every word that is shown, the days of the policy's clauses included, so that no change goes unnoticed.
"""

import datetime as dt
import hashlib
import json
import re
import sqlite3
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retention import policy, records
from retention.errors import PolicyError
from retention.records import Record
from warehouse.control import acceptance
from warehouse.control.acceptance import PolicyText
from warehouse.home import Home


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Processed(_Part):
    """What is processed, why, and until when: in words, or as the id of a clause of time, whose days are told."""

    what: str
    why: str
    until: str


class Processor(_Part):
    """Who else gets something: their name, what for, and where they are."""

    name: str
    why: str
    region: str


class Notice(_Part):
    """The notice as it is shown."""

    version: str = Field(pattern=r"^[\w.-]{1,32}$")
    in_force: dt.date
    # Members are told of a material change by mail, and it holds for nobody before so many days have passed.
    notice_days: int = Field(ge=1, le=365)
    changed: str
    material: bool
    name: str
    contact: str
    region: str
    processed: tuple[Processed, ...] = Field(strict=False)
    processor: tuple[Processor, ...] = Field(strict=False)
    # Made of policy.toml: which law asks for which financial records, as the owner states it.
    record: tuple[Record, ...] = Field(default=(), strict=False)

    @property
    def sha256(self) -> str:
        """The hash of what is shown; not of what only says how it differs from the text before."""
        said = self.model_dump(mode="json", exclude={"changed", "material", "version"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def file_of(home: Home) -> Path:
    """Where an owner's own words are."""
    return home.root / "privacy.toml"


def notice(home: Home) -> Notice:
    """The shipped notice with the owner's words in it; PolicyError names the file and what is wrong with it."""
    stamps = []
    for own in (file_of(home), home.root / "policy.toml"):
        try:
            stamps.append(own.stat().st_mtime_ns)
        except FileNotFoundError:
            stamps.append(0)
    return _read(home, *stamps)


@cache
def _read(home: Home, _words: int, _days: int) -> Notice:
    said = _toml(resources.files("retention").joinpath("privacy.toml").read_text(encoding="utf-8"), "privacy.toml")
    own = file_of(home)
    if own.exists():
        said |= _toml(own.read_text(encoding="utf-8"), str(own))
    days = policy.load(home.root / "policy.toml")
    try:
        found = Notice.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise PolicyError(f"{own}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    told = tuple(one.model_copy(update={"until": _until(days, one.until)}) for one in found.processed)
    return found.model_copy(update={"processed": told, "record": tuple(records.load(home.root / "policy.toml", days))})


def _until(days: policy.Policy, said: str) -> str:
    """A clause's days in words; what is no clause's id stays."""
    if re.fullmatch(r"R-[\w-]+", said) is None:
        return said
    kept = days.clause(said).kept_days or 0
    return f"{kept} days have passed" if kept < 730 else f"{kept // 365} years have passed"


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name} is no TOML: {error}") from None


def noted(home: Home, control: sqlite3.Connection, now: dt.datetime) -> PolicyText:
    """The newest text, written down where it is a new one, with the day from which it holds."""
    found = notice(home)
    return acceptance.note(
        control,
        found.version,
        found.sha256,
        is_material=found.material,
        changed=found.changed,
        in_force=found.in_force,
        notice_days=found.notice_days,
        now=now,
    )
