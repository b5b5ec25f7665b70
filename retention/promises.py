"""retention/promises.toml -> what is promised and carried out, in our own words, with the check and its last result."""

import sqlite3
import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

from warehouse import database


@dataclass(frozen=True)
class Promise:
    """A promise: its id, our words for it, the clauses that carry it out, the tests that hold it; whole or in part."""

    id: str
    says: str
    clauses: tuple[str, ...]
    tests: tuple[str, ...]
    whole: bool


@cache
def promises() -> tuple[Promise, ...]:
    """All of them, in the file's order."""
    text = resources.files("retention").joinpath("promises.toml").read_text(encoding="utf-8")
    return tuple(
        Promise(one["id"], one["says"], tuple(one["clauses"]), tuple(one["tests"]), one["whole"])
        for one in tomllib.loads(text)["promise"]
    )


def last_carried_out(control: sqlite3.Connection) -> dict[str, datetime]:
    """When each clause last took something, by its receipts; clauses that never did are not in it."""
    rows = control.execute("SELECT clause, max(ran_at) FROM expiry GROUP BY clause").fetchall()
    rows += control.execute("SELECT 'K-erasures', max(done_at) FROM erasure HAVING max(done_at) NOT NULL").fetchall()
    return {clause: database.moment(when) for clause, when in rows}
