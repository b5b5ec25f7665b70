"""allocation.toml and model.allocation_rule without the owner's rules that ask for what an erased account was called.

A rule goes as a whole: it fits nothing any more. What others are called as well says nothing of who is erased.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

import duckdb

from warehouse.allocation import CONDITIONS, Rules
from warehouse.allocation_tables import ALLOCATION_RULE, ALLOCATION_SHARE
from warehouse.control import erasure as erasures
from warehouse.control.erasure import Erasure
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_NAMED = " UNION ".join(f"SELECT account_no, label FROM model.{kind}" for kind in ("account", "project", "team", "key"))


def forget(
    home: Home,
    build: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    erasure: Erasure,
    accounts: list[int],
    now: datetime,
) -> dict[str, int]:
    """Take the rules out of the file and the build, while the build still knows the names; the rows that go, by place.

    `accounts` are the numbers that go. The caller holds the build. A file that is no set of rules stays as it is: what
    it says of anybody is found at the end.
    """
    if not accounts:
        return {}
    names = _names(build, control, erasure, accounts, now)
    with suppress(WarehouseError):
        rules = Rules.read(home.root)
        left = tuple(rule for rule in rules.rules if names.isdisjoint(getattr(rule, each) for each in CONDITIONS))
        if len(left) < len(rules.rules):
            Rules(left).write(home.root)
    asked = ", ".join("key_label" if each == "key" else each for each in CONDITIONS)
    only = f"list_has_any([{asked}], ?::VARCHAR[])"
    rows = build.execute(f"SELECT rule FROM {ALLOCATION_RULE.full_name} WHERE {only}", [sorted(names)]).fetchall()
    counts = {}
    for table in (ALLOCATION_SHARE, ALLOCATION_RULE):
        gone = build.execute(
            f"DELETE FROM {table.full_name} WHERE rule IN (SELECT unnest(?::VARCHAR[]))", [[rule for (rule,) in rows]]
        ).fetchall()
        counts[f"build.{table.full_name}"] = sum(count for (count,) in gone)
    return counts


def _names(
    build: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    erasure: Erasure,
    accounts: Iterable[int],
    now: datetime,
) -> set[str]:
    """What the accounts and what is theirs were called, and nobody else's is."""
    rows = build.execute(f"SELECT DISTINCT label, account_no IN (SELECT unnest(?)) FROM ({_NAMED})", [list(accounts)])
    told = rows.fetchall()
    mine = {label for label, is_gone in told if is_gone}
    mine |= {*erasures.needles(control, Vault(control, now), erasure.erasure_no)}
    mine -= {label for (label,) in control.execute("SELECT DISTINCT label FROM label")}
    return mine - {label for label, is_gone in told if not is_gone}
