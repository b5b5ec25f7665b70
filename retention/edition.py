"""Which edition of the policy is in force: a hash of its clauses and promises, and the day on which it changed."""

import hashlib
import json
import sqlite3
from datetime import datetime

from retention import policy, promises
from retention.policy import Policy
from retention.promises import Promise
from warehouse.control import audit
from warehouse.home import Home

POLICY_FILE = "policy.toml"
PROMISES_FILE = "promises.toml"


def in_force(home: Home) -> tuple[Policy, list[Promise]]:
    """The policy and the promises of a home: the owner's where there are some, else ours."""
    held = policy.load(home.root / POLICY_FILE)
    return held, promises.load(held, home.root / PROMISES_FILE)


def digest(held: Policy, promised: list[Promise]) -> str:
    """A hash of what is said, whatever way it is written."""
    said = [held.model_dump(), [promise.model_dump() for promise in promised]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def note(control: sqlite3.Connection, home: Home, now: datetime) -> str:
    """Write down that the policy is another than the last one that was; returns its hash."""
    edition = digest(*in_force(home))
    before = audit.last(control, "policy.changed")
    if before is None or before.detail != f"sha256={edition}":
        audit.note(control, "policy.changed", now, detail=f"sha256={edition}")
    return edition
