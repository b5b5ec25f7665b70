"""A bundle -> a fresh installation: the same numbers, names, roll-ups, bills, budgets and members, with equal totals.

The calls are told as sealed: nothing but the bundle says them any more, and its file stands as their load. What proves
who somebody is was not in the bundle: members set a password by a new link, keys of providers are entered anew, and
raw rows of bills come with the next pull.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from retention import bundle, held_data, portability
from retention.bundle import Opened
from retention.errors import RetentionError
from warehouse import conservation, database, publication, sealing, tables, zone_days
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.sealing_tables import CLOSED_DAY, SEALED_LOAD
from warehouse.tables import USAGE_DAILY

# Each after what it refers to; sessions, links, tokens, notices and holds are of the other installation.
_LEFT = frozenset({"session", "ticket", "token", "notice", "told", "hold_account", "held_entry", "held_request"})
# What claims fit is looked at anew; theirs may be the other installation's.
_LEFT |= {"upstream_fit", "upstream_seen"}
_FIRST = ("account", "member", "outside_id", "connection", "pull", "budget", "mail")
_BEFORE_LOGS = "UPDATE restriction SET load_no = (SELECT coalesce(max(load_no), 0) FROM load)"


def take_in(home: Home, path: Path, now: datetime) -> dict[str, list[str]]:
    """Take a bundle in; gives the totals, which are those of its manifest. The home was made and never used.

    RetentionError where the home holds something, the bundle is not whole, or what was taken in is not what it says:
    then nothing is kept. BusyError where a pass is under way.
    """
    with (
        bundle.opened(path) as opened,
        database.held(home.inbox_lock),
        database.held(home.build_lock),
        database.build(home) as build,
        database.control(home) as control,
    ):
        if "account_numbers" not in opened.manifest:
            raise RetentionError("this is the copy of one person: an account's bundle is what another home takes in")
        _hold_fresh(build, control)
        with database.transaction(control), _all_or_nothing(build):
            control.execute("PRAGMA defer_foreign_keys = ON")
            _into_control(control, Vault(control, now), opened, now)
            _into_build(build, opened)
            _loads(build, control, opened, now)
            control.execute(_BEFORE_LOGS)
            publication.changed(build)
            conservation.hold(build)
            found = _totals(build, control, opened)
        # The bundle tells which zone is whose, not when its days begin.
        zone_days.build(build, control)
        publication.publish(home, build, now)
    return found


@contextmanager
def _all_or_nothing(build: duckdb.DuckDBPyConnection) -> Iterator[None]:
    # Ended before the store's: a build whose store knows nothing of it is not fresh, and is refused.
    build.execute("BEGIN")
    try:
        yield
    except BaseException:
        build.execute("ROLLBACK")
        raise
    build.execute("COMMIT")


def _hold_fresh(build: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> None:
    there = [build.execute(f"SELECT 1 FROM {USAGE_DAILY.full_name} LIMIT 1").fetchone()]
    there += [control.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in ("outside_id", "member", "load")]
    if any(there):
        raise RetentionError("this home holds something already: import into a new one, named with --home")


def _into_control(control: sqlite3.Connection, vault: Vault, opened: Opened, now: datetime) -> None:
    # What a bundle may tell is what this program would: a made-up one reaches no setting and no key.
    tables = {name: types for name, types in held_data.told_by_control(control).items() if name not in _LEFT}
    for table, columns in sorted(tables.items(), key=lambda item: _FIRST.index(item[0]) if item[0] in _FIRST else 99):
        if f"control.{table}" not in opened.names:
            continue
        for told in opened.table(f"control.{table}").to_pylist():
            row = {column: _value(vault, table, column, kind, told) for column, kind in columns.items()}
            row |= _found_by(vault, table, told)
            if table == "outside_id" and told["text"] is None:
                # Its key was gone; its number stays, and no log finds it.
                row["sealed"] = vault.seal(int(told["account_no"]), "outside_id.sealed", "")
            if table == "mail" and row["state"] in {"queued", "sending"}:
                row |= {"state": "withdrawn", "ended_at": database.stamp(now)}
            if table == "credential":
                # A bundle tells no key: it is entered anew under the name that is there.
                row |= {"state": "removed", "hint": None, "beyond": None}
            if table == "opening" and row["member_no"] is None:
                row["member_no"] = 0
            control.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
            )


def _value(vault: Vault, table: str, column: str, kind: str, told: dict[str, Any]) -> object:
    """A value as the store keeps it: sealed again, or bytes again; None where the bundle does not tell it."""
    value = told.get(held_data.plain_name(column))
    if value is None:
        return None
    if held_data.is_sealed(column):
        return vault.seal(int(told["account_no"]), f"{table}.{column}", str(value))
    return bytes.fromhex(str(value)) if kind == "BLOB" else value


def _found_by(vault: Vault, table: str, told: dict[str, Any]) -> dict[str, bytes]:
    """The keyed hash that this installation finds a row by."""
    if table == "outside_id":
        owner = "0" if told["kind"] in {"account", "customer"} else str(told["account_no"])
        text = told["text"] if told["text"] is not None else f"\x00{told['no']}"
        return {"lookup": vault.lookup(told["kind"], told["gateway"], owner, text)}
    if table == "client":
        parts = (told["day"], str(told["account_no"]), told["ip"] or "", told["user_agent"] or "")
        return {"lookup": vault.lookup("client", *parts)}
    if table == "member" and told["email"] is not None:
        return {"lookup": vault.lookup("member", told["email"].casefold())}
    return {}


def _into_build(build: duckdb.DuckDBPyConnection, opened: Opened) -> None:
    for name, known in held_data.told_by_version(build).items():
        if name not in opened.names:
            continue
        told = [column["name"] for column in opened.schema[name]["columns"]]
        # Calls once had a column for what paid, which nothing ever filled.
        told = [column for column in told if column != "connection_no" or column in known]
        if odd := set(told) - known:
            raise RetentionError(f"{name} has a column that this program does not know, {min(odd)!r}: update it first")
        # Registered under a name of its own: DuckDB looks a name up among Python's variables, too.
        build.register(
            "bundle_rows", pa.RecordBatchReader.from_batches(opened.arrow_schema(name), opened.batches(name))
        )
        columns = ", ".join(map(held_data.name_of, told))
        build.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM bundle_rows")
        build.unregister("bundle_rows")


def _loads(build: duckdb.DuckDBPyConnection, control: sqlite3.Connection, opened: Opened, now: datetime) -> None:
    """A receipt a gateway for its calls, the bundle's file as what was landed.

    Nothing of its days lands again but of the last: a call's number is keyed by the installation, so that a log which
    the other one has read would count anew.
    """
    days = build.execute(
        """SELECT gateway, requested_at::DATE, count(*), sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT,
             coalesce(sum(logged_cost_usd), 0), min(requested_at), max(requested_at)
           FROM model.requests GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    digest = opened.digest(tables.REQUESTS.full_name)
    for gateway in sorted({row[0] for row in days}):
        mine = [row for row in days if row[0] == gateway]
        made = control.execute(
            """INSERT INTO load (gateway, file_sha256, file_bytes, state, begun_at, landed_at, rows, quarantined,
                 first_at, last_at, input_tokens, output_tokens, logged_cost_usd)
               VALUES (?, ?, 0, 'landed', ?, ?, ?, 0, ?, ?, ?, ?, ?)""",
            (
                gateway,
                digest,
                database.stamp(now),
                database.stamp(now),
                sum(row[2] for row in mine),
                database.stamp(min(row[6] for row in mine)),
                database.stamp(max(row[7] for row in mine)),
                sum(row[3] or 0 for row in mine),
                sum(row[4] or 0 for row in mine),
                str(sum(row[5] for row in mine)),
            ),
        )
        for _, day, rows, *_ in mine:
            control.execute("INSERT INTO load_day VALUES (?, ?, ?)", (made.lastrowid, day.isoformat(), rows))
            build.execute(
                f"INSERT INTO {SEALED_LOAD.full_name} VALUES (?, ?, ?, ?)", [day, gateway, made.lastrowid, rows]
            )
            build.execute(f"INSERT INTO {tables.BUILT_LOAD.full_name} VALUES (?, ?, ?)", [day, gateway, made.lastrowid])
    as_of = database.moment(opened.manifest["as_of"]).date()
    closed: list[tuple[date, str]] = build.execute(f"SELECT day, gateway FROM {CLOSED_DAY.full_name}").fetchall()
    sealing.close(control, [*closed, *((row[1], row[0]) for row in days if row[1] < as_of)], now)


def _totals(build: duckdb.DuckDBPyConnection, control: sqlite3.Connection, opened: Opened) -> dict[str, list[str]]:
    numbers = tuple(opened.manifest["account_numbers"])
    connections = tuple(number for (number,) in control.execute("SELECT connection_no FROM connection"))
    found = portability.totals(build, numbers, connections)
    if wrong := [table for table, sums in opened.manifest["totals"].items() if found.get(table) != sums]:
        raise RetentionError(f"{wrong[0]} has other totals than the bundle says: nothing was taken in")
    return found
