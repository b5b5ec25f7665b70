"""The installation audits itself: each check of promises.CHECKS looks at a home and says what is wrong, no more.

Results are kept as counts; what is wrong is said to who asks, and stands nowhere.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from retention import audit_anchor, control_audit, edition, erase, hunter, installation, receipts, stores
from retention.installation import Processor
from retention.policy import Policy
from retention.superseded import ReportTable
from warehouse import database
from warehouse.control import acceptance, connection, self_audit
from warehouse.home import Home

EVERY = timedelta(days=7)
SLACK = timedelta(hours=1)
# A week and a day: later, it was missed.
STALE_AFTER = timedelta(days=8)
KEY_OLD_AFTER = timedelta(days=365)
_SEALED = "v1."


@dataclass(frozen=True)
class Asked:
    """What an audit is told: the clauses, the time (UTC, naive), the bills' raw tables, and who is asked."""

    policy: Policy
    now: datetime
    reports: Sequence[ReportTable] = ()
    processors: Sequence[Processor] = ()


def run(home: Home, asked: Asked) -> dict[str, list[str]]:
    """What is wrong, by check; the caller holds the build's lock and no connection to the build."""
    found = {
        "inventory": [
            f"no clause holds {name}: add it to retention/policy.toml" for name in hunter.offences(home, asked.policy)
        ]
    }
    with database.build(home) as build, database.control(home) as control:
        looks: dict[str, Callable[[], list[str]]] = {
            "overdue": lambda: _overdue(home, build, control, asked),
            "receipts": lambda: [
                f"receipt {number} was changed, or one before it" for number in receipts.broken(control)
            ],
            "audit": lambda: audit_anchor.wrong(home, control),
            "erasures": lambda: erase.wrong(build, control),
            "modes": lambda: (
                [f"others may look into {place}" for place in open_to_others(home)]
                + [f"another user owns {place}" for place in foreign(home)]
            ),
            "sealed": lambda: unsealed(control),
            "key_age": lambda: _old_keys(control, asked.now),
            "notice": lambda: [
                *acceptance.changed_unseen(control),
                *acceptance.untold(control, asked.now.date()),
            ],
            "egress": lambda: _egress(home, asked.processors),
            "sums": lambda: control_audit.sums(build),
            "passwords": lambda: control_audit.passwords(control),
            "agreed": lambda: control_audit.agreed(control),
            "apart": lambda: control_audit.apart(build, control),
            "withdrawn": lambda: control_audit.withdrawn(control),
            "answers": lambda: control_audit.answers(control, asked.now.date()),
            "told": lambda: control_audit.told(control),
        }
        return found | {name: look() for name, look in looks.items()}


def keep(home: Home, found: dict[str, list[str]], now: datetime) -> None:
    """Keep the counts of an audit, with the act that vouches for them, also outside; note a policy that has changed."""
    with database.control(home) as control:
        edition.note(control, home, now)
        self_audit.write(control, {name: len(wrong) for name, wrong in found.items()}, now)
        audit_anchor.keep(home, control, now, always=True)


def missed(control: sqlite3.Connection, now: datetime) -> str | None:
    """Since when no self-audit was made, where it is too long; a home of less than eight days has time."""
    kept = self_audit.newest(control).values()
    (first,) = control.execute("SELECT min(at) FROM audit").fetchone()
    since = max((one.ran_at for one in kept), default=database.moment(first) if first else now)
    if now - since <= STALE_AFTER:
        return None
    return f"no self-audit since {since:%Y-%m-%d}: run `apiledger policy audit`, and look why Dagster does not"


def _overdue(home: Home, build: duckdb.DuckDBPyConnection, control: sqlite3.Connection, asked: Asked) -> list[str]:
    late = asked.now - timedelta(days=1)
    said = hunter.overdue(build, control, asked.policy, asked.now, asked.reports)
    said += [
        f"{clause.id}: {path.relative_to(home.root)}"
        for clause, paths in stores.aged(home, asked.policy, late)
        for path in paths
    ]
    return [f"overdue under {each}; run `apiledger policy expire`" for each in said]


def sealed_columns(control: sqlite3.Connection) -> list[tuple[str, str]]:
    """Tables and columns of what must be sealed: called so, or a wrapped key."""
    tables = [name for (name,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [
        (table, row[1])
        for table in tables
        for row in control.execute(f"PRAGMA table_info({table})")
        if row[1] == "wrapped" or row[1] == "sealed" or row[1].startswith("sealed_")
    ]


def unsealed(control: sqlite3.Connection) -> list[str]:
    """How many rows of which column hold what is not sealed."""
    said = []
    for table, column in sealed_columns(control):
        query = f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND substr({column}, 1, 3) <> '{_SEALED}'"
        ((count,),) = control.execute(query).fetchall()
        if count:
            said.append(f"{table}.{column}: {count} rows are not sealed")
    return said


def _entries(home: Home) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in (home.root, *sorted(home.root.rglob("*"))):
        try:
            found.append((path, path.lstat()))
        except FileNotFoundError:
            continue
    return found


def open_to_others(home: Home) -> list[Path]:
    """Files and folders that somebody else may read."""
    return [path for path, status in _entries(home) if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077]


def foreign(home: Home) -> list[Path]:
    """Files and folders that are another user's."""
    return [path for path, status in _entries(home) if status.st_uid != os.geteuid()]


def _old_keys(control: sqlite3.Connection, now: datetime) -> list[str]:
    return [
        f"the key of {one.source} has been the same for {(now - one.used_since).days} days: make another"
        for one in connection.health(control)
        if one.used_since is not None and now - one.used_since > KEY_OLD_AFTER
    ]


def _egress(home: Home, processors: Sequence[Processor]) -> list[str]:
    known = installation.load(home.root / edition.POLICY_FILE)
    return [said for processor in processors if (said := processor.wrong(known))]
