"""retention/policy.toml and the owner's policy.toml -> the policy: clauses, read strictly, frozen.

What a clause does is carried out by seal, expire and stores; here it is only read and held against itself.
"""

import datetime as dt
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retention.errors import PolicyError

Store = Literal["build", "control", "files"]
# Accounts that nobody uses; retention/idle.py carries it out.
IDLE = "R-idle"
SHORTEST_IDLE_DAYS = 60
# What rolls into what: a finer grain never outlives its rows' road into the coarser one.
_ORDER = ("R-raw", "R-requests", "R-hourly", "R-daily")


class Clause(BaseModel):
    """A clause: what it holds, how long, what then, and why that is right."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    # R: by time. E: with its subject. K: kept. S: working state of a tool.
    kind: Literal["R", "E", "K", "S"]
    title: str
    # Ids of the published policies' promises, as in promises.toml.
    promises: list[str] = []
    store: Store
    # Tables as schema.name, or paths below the home; a * stands within one part, a path's /** for all below a folder.
    holds: list[str] = Field(min_length=1)
    columns: list[str] = []
    date: str | None = None
    kept_days: int | None = Field(default=None, ge=0, le=36_500)
    then: Literal["delete", "roll_up", "blank"] | None = None
    rolls_into: str | None = None
    basis: str

    def covers(self, place: str) -> bool:
        """Whether a table or a path is one that the clause holds."""
        return any(_is_held(place, held, "/" if self.store == "files" else ".") for held in self.holds)

    def cutoff(self, today: dt.date) -> dt.date:
        """What is dated before this day goes today; PolicyError where the clause is not one of time."""
        if self.kept_days is None:
            raise PolicyError(f"clause {self.id} says no kept_days: nothing of it expires by time")
        return today - dt.timedelta(days=self.kept_days)


class Policy(BaseModel):
    """All clauses, in the order in which they are carried out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clauses: list[Clause]

    def clause(self, clause_id: str) -> Clause:
        """The clause of an id; PolicyError where there is none."""
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        raise PolicyError(f"clause {clause_id}: there is none; the policy has {', '.join(c.id for c in self.clauses)}")

    def of(self, store: Store, place: str) -> list[Clause]:
        """The clauses that hold a table or a path of a store."""
        return [clause for clause in self.clauses if clause.store == store and clause.covers(place)]


def _is_held(place: str, held: str, separator: str) -> bool:
    if held.endswith("/**"):
        return place.startswith(held.removesuffix("**"))
    parts, patterns = place.split(separator), held.split(separator)
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


@cache
def _shipped() -> Policy:
    text = resources.files("retention").joinpath("policy.toml").read_text(encoding="utf-8")
    return parsed(text, "retention/policy.toml")


def load(own: Path | None = None) -> Policy:
    """The shipped policy with the owner's days in it, a table [kept_days] of clause ids; or the owner's own instead.

    A policy of the owner's own has every clause that the program carries out, with its own days, and any others.
    PolicyError names the clause and the fix.
    """
    policy = _shipped()
    if own is None or not own.exists():
        return policy
    said = toml_of(own.read_text(encoding="utf-8"), str(own))
    # Read by retention/installation.py and retention/records.py.
    said.pop("installation", None)
    said.pop("records", None)
    if said.keys() & {"clause", "columns"}:
        return _owned(parsed(own.read_text(encoding="utf-8"), str(own)), policy, str(own))
    if said.keys() - {"kept_days"} or not isinstance(said.get("kept_days", {}), dict):
        raise PolicyError(f"{own}: it may hold one table, [kept_days], such as R-client = 14, or clauses of its own")
    clauses = list(policy.clauses)
    for clause_id, days in said.get("kept_days", {}).items():
        clause = policy.clause(clause_id)
        if clause.kept_days is None:
            raise PolicyError(f"{own}: clause {clause_id} is not one of time; take it out of [kept_days]")
        try:
            clauses[clauses.index(clause)] = Clause.model_validate({**clause.model_dump(), "kept_days": days})
        except ValidationError as error:
            raise PolicyError(f"{own}: clause {clause_id}: {_first(error)}") from None
    return _consistent(Policy(clauses=clauses), str(own))


def _owned(own: Policy, shipped: Policy, name: str) -> Policy:
    """The owner's policy, where nothing that the program carries out by its id is missing or means something else."""
    there = {clause.id: clause for clause in own.clauses}
    for ours in shipped.clauses:
        if ours.kept_days is None:
            continue
        if ours.id not in there:
            raise PolicyError(f"{name}: clause {ours.id} is missing: the program carries it out, so say how long")
        mine = there[ours.id]
        for field in ("kind", "store", "date", "then", "rolls_into"):
            if getattr(mine, field) != getattr(ours, field):
                raise PolicyError(
                    f"{name}: clause {ours.id}: {field} is {getattr(ours, field)!r}; change kept_days alone"
                )
    return own


def parsed(text: str, name: str) -> Policy:
    """A policy from TOML: [columns] names groups of columns, [[clause]] is a clause; PolicyError names the clause."""
    said = toml_of(text, name)
    if unknown := said.keys() - {"columns", "clause", "installation", "records"}:
        raise PolicyError(f"{name}: {min(unknown)!r} is neither [columns] nor [[clause]]")
    groups, entries = said.get("columns", {}), said.get("clause", [])
    if not isinstance(entries, list):
        raise PolicyError(f"{name}: write each clause as [[clause]]")
    clauses = []
    for number, entry in enumerate(entries, 1):
        clause_id = entry.get("id", f"number {number}")
        columns: list[str] = []
        for column in entry.get("columns", []):
            if column.startswith("@") and column[1:] not in groups:
                raise PolicyError(f"{name}: clause {clause_id}: there is no group of columns {column!r} in [columns]")
            columns += groups[column[1:]] if column.startswith("@") else [column]
        try:
            clauses.append(Clause.model_validate({**entry, "columns": columns}))
        except ValidationError as error:
            raise PolicyError(f"{name}: clause {clause_id}: {_first(error)}") from None
    return _consistent(Policy(clauses=clauses), name)


def _consistent(policy: Policy, name: str) -> Policy:
    ids = [clause.id for clause in policy.clauses]
    held = {place for clause in policy.clauses for place in clause.holds}
    for clause in policy.clauses:
        if ids.count(clause.id) > 1:
            raise PolicyError(f"{name}: clause {clause.id} is there twice; give one of them another id")
        if wrong := _wrong(clause):
            raise PolicyError(f"{name}: clause {clause.id}: {wrong}")
        if clause.rolls_into is not None and clause.rolls_into not in held:
            raise PolicyError(f"{name}: clause {clause.id}: rolls_into {clause.rolls_into}, which no clause holds")
        if clause.id == IDLE and (clause.kept_days or 0) < SHORTEST_IDLE_DAYS:
            raise PolicyError(f"{name}: clause {IDLE}: at least {SHORTEST_IDLE_DAYS} days, so that who is told can act")
    days = [(c, policy.clause(c).kept_days or 0) for c in _ORDER if c in ids]
    for (finer, short), (coarser, long) in pairwise(days):
        if short > long:
            raise PolicyError(f"{name}: clause {finer}: {short} days, longer than {coarser} with {long}; shorten it")
    return policy


def _wrong(clause: Clause) -> str | None:
    """What a clause says against itself, with the fix."""
    by_time = clause.kept_days is not None or clause.then is not None
    if not clause.id.startswith(f"{clause.kind}-"):
        return f"an id of kind {clause.kind} begins with {clause.kind}-"
    if clause.kind == "R" and None in {clause.kept_days, clause.then, clause.date}:
        return "a clause of time says date, kept_days and then"
    if clause.kind in {"K", "E"} and by_time:
        return "what is kept has no kept_days and no then; make it a clause of kind R"
    if clause.store != "files" and not clause.columns:
        return "name the columns it holds"
    if (clause.then == "roll_up") != (clause.rolls_into is not None):
        return "rolls_into goes with then = 'roll_up'"
    return None


def toml_of(text: str, name: str) -> dict[str, Any]:
    """TOML as a mapping; PolicyError where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name} is no TOML: {error}") from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
