"""retention/promises.toml, or the owner's in its place -> every promise of the policies: what shows it, what it lacks.

A promise is bound to clauses of policy.toml, to the tests that carry its id, and to checks that the self-audit makes of
a home each week. What is not kept yet is said so, with the reason; nobody has to find it out.
"""

import sqlite3
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retention.errors import PolicyError
from retention.policy import Policy

# What a self-audit looks at, by the name under which promises and results know it.
CHECKS = {
    "inventory": "every table, column, file and folder has a clause",
    "overdue": "nothing is older than its clause lets it be",
    "receipts": "the receipts of expiry and erasure follow from one another",
    "audit": "the audit chain is whole, and as long as its anchors outside the home say",
    "erasures": "whoever was erased is gone, and nobody waits",
    "modes": "files are 0600, folders 0700, and nobody else's",
    "sealed": "what is secret or personal is sealed, row by row",
    "key_age": "no key is older than it may be",
    "notice": "no text of the policy changed under its version or date, and members were told before it holds",
    "egress": "every address that is asked is one of the processors",
    "sums": "every roll-up holds what its rows hold",
    "passwords": "every password rests as an argon2id hash of today's cost",
    "agreed": "whoever signed up has accepted a dated policy and said that they are of age",
    "apart": "no key, project, team or connection stands under an account that is not its own",
    "withdrawn": "where consent was withdrawn no key is left",
    "answers": "no request about rights is past its day",
    "told": "no mail was given up",
}


class Promise(BaseModel):
    """A promise: its id in the policies, our own words, what carries it out and shows it; `lacks` where it is not kept.

    `tests` are files whose tests are marked with the id; `checks` are names of CHECKS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[A-Z]{2,8}-\d+\.\d+[a-z]?$")
    says: str = Field(min_length=1)
    kept: bool
    lacks: str | None = None
    clauses: list[str] = []
    tests: list[str] = []
    checks: list[str] = []


@cache
def _shipped() -> str:
    return resources.files("retention").joinpath("promises.toml").read_text(encoding="utf-8")


def load(policy: Policy, own: Path | None = None) -> list[Promise]:
    """Every promise, ours or the owner's instead; PolicyError names the promise that says what cannot be.

    `policy` is what they are carried out by.
    """
    if own is not None and own.exists():
        return parsed(own.read_text(encoding="utf-8"), str(own), policy)
    return parsed(_shipped(), "retention/promises.toml", policy)


def parsed(text: str, name: str, policy: Policy) -> list[Promise]:
    """Promises from TOML, each a [[promise]]."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name} is no TOML: {error}") from None
    if unknown := said.keys() - {"promise"}:
        raise PolicyError(f"{name}: {min(unknown)!r} is no [[promise]]")
    found: dict[str, Promise] = {}
    clauses = {clause.id for clause in policy.clauses}
    for number, entry in enumerate(said.get("promise", []), 1):
        called = f"{name}: promise {entry.get('id', f'number {number}')}"
        try:
            promise = Promise.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            raise PolicyError(f"{called}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if promise.id in found:
            raise PolicyError(f"{called} is there twice; take one of them out")
        if wrong := _wrong(promise, clauses):
            raise PolicyError(f"{called}: {wrong}")
        found[promise.id] = promise
    return list(found.values())


def _wrong(promise: Promise, clauses: set[str]) -> str | None:
    if unknown := set(promise.clauses) - clauses:
        return f"there is no clause {min(unknown)}"
    if unknown := set(promise.checks) - CHECKS.keys():
        return f"there is no check {min(unknown)}; there are {', '.join(CHECKS)}"
    if promise.kept and not promise.tests and not promise.checks:
        return "what is kept names the tests or the checks that show it"
    if promise.kept != (promise.lacks is None):
        return "`lacks` goes with kept = false"
    return None


def last_carried_out(control: sqlite3.Connection) -> dict[str, str]:
    """On which day (UTC, ISO) each clause last took something, by its receipts; one that never did is not in it."""
    rows = control.execute("SELECT clause, max(substr(ran_at, 1, 10)) FROM expiry GROUP BY clause").fetchall()
    rows += control.execute("SELECT 'K-erasures', max(substr(done_at, 1, 10)) FROM erasure").fetchall()
    return {clause: day for clause, day in rows if day is not None}
