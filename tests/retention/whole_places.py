"""Every place in which something of an account may lie, and what of those who go is in each of them.

A table, a text column, a folder or a kind of file that is new, and that holds nothing of anybody in the world, is
missing from the lists here: it is added to the world, or to them with its reason.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from retention import people, policy
from tests.attacks.canary_accounts import moment
from tests.attacks.canary_fields import is_ours, numbers, of_control
from tests.retention.whole_world import World
from warehouse import database
from warehouse.control import credential
from warehouse.control.vault import Vault

# Tables in which no row is anybody's who has an account: of files, of the installation, of calendars, of what is gone.
_OF_NOBODY = frozenset({
    "control.audit", "control.bill_cursor", "control.bill_file", "control.closed_day", "control.credit_imbalance",
    "control.credit_zero", "control.erased_load", "control.erasure", "control.erasure_receipt", "control.expiry",
    "control.load", "control.load_day", "control.migration", "control.month_close", "control.odd_key",
    "control.pass_end", "control.pass_run", "control.policy_text", "control.quarantine", "control.reprice_wish",
    "control.self_audit", "control.setting", "control.sqlite_sequence", "control.tombstone", "control.watched",
    "main.mart_form", "main.migration",
    "mart.published", "model.audit_anchor", "model.built_load", "model.closed_day", "model.contract",
    "model.expired_before", "model.priced_with", "model.reprice", "model.revision", "model.sealed_load",
    "model.settlement_window", "model.source_state", "model.stale_allocation", "model.stale_day", "model.stale_month",
    "model.zone_day",
})  # fmt: skip
# An account's, by its number, and other tests have them: a hold's, which a day ends; a name put right; a key refused;
# spend that nobody claims, a balance read day by day, another price than the list's, payments that nobody claims.
_ELSEWHERE = frozenset({
    "control.held_entry", "control.held_request", "control.rectified", "control.refusal", "model.estimated_spend",
    "model.repriced_daily", "model.unclaimed_daily", "model.unclaimed_payment",
})  # fmt: skip
# Texts in which a provider's own words, or ours, stand; or that a gateway's contract does not tell.
_TEXTS_OF_NOBODY = frozenset({
    "control.connection.provider", "control.credential.provider", "control.credit_tx.model",
    "control.credit_tx.payment", "control.credit_tx.provider", "control.look.sealed_reason",
    "control.report_day.why", "control.told_apart.part", "model.charges.invoice", "model.charges.model",
    "model.charges.service", "model.charges.service_tier",
    "model.connection.provider", "model.credit_entry.model", "model.credit_entry.provider", "model.difference.model",
    "model.failure_daily.model", "model.failure_daily.provider", "model.upstream_claim.provider",
    "model.usage_reported.quantity_unit", "raw_litellm.calls.service_tier", "raw_otel.calls.provider",
    "raw_otel.calls.request_id", "raw_otel.calls.service_tier", "raw_otel.calls.tags",
})  # fmt: skip
# Kinds of files that hold no word of an account: folders, locks and marks; the owner's own settings; a service's; the
# same bytes as the build's; what is gone when its database is closed, or is there while something is written alone.
_FILES_OF_NOBODY = frozenset({
    "SANDBOX", "build", "build/inbox-lock", "build/lock", "build/pull-lock-*", "closes", "closes/*", "dagster",
    "dagster/history", "dagster/logs", "dagster/output", "dagster/schedules", "dagster/storage", "dlt", "exports",
    "inbox", "inbox/*", "prices", "published/*.tmp", "published/people/*.tmp", "tmp/ingest-*", "tmp/spill",
    "published", "published/current", "published/people", "published/withheld",
    "set-aside", "tmp", "branding.toml", "fx.csv", "logo.png", "logo.svg", "policy.toml", "prices.toml", "prices/*",
    "privacy.toml", "promises.toml", "services.json", "services.toml", "tiers.toml",
    # Made up, and in no home of real rows.
    "agents", "agents/**", "providers", "providers/**",
    "dagster/.logs_queue", "dagster/code-server.sock", "dagster/code-server.sock.lock", "dagster/dagster.yaml",
    "dagster/service.lock", "dagster/workspace.yaml", "published/warehouse-*.duckdb", "warehouse.duckdb",
    "build/warehouse.duckdb.wal", "control.sqlite-shm", "control.sqlite-wal", ".prices.toml.part", "backups/**",
})  # fmt: skip
# What a gateway is still writing is its only copy: no erasure takes it, and the receipt says where it lies.
_BEING_WRITTEN = frozenset({"inbox/*/*.part"})
# What Dagster and the services write of a run says nothing of anybody, before as after.
_OF_RUNS = frozenset({
    "dagster/.logs_queue/**", "dagster/history/**", "dagster/logs/**", "dagster/output/*.log",
    "dagster/output/*.log.1", "dagster/schedules/**", "dagster/storage/**",
})  # fmt: skip


def numbers_of(world: World) -> set[int]:
    """Our own numbers of those who go: accounts, what logs named of theirs, members, connections, addresses."""
    found: set[int] = set()
    with database.control(world.home) as control:
        vault = Vault(control, moment())
        for canary in world.gone:
            subject = people.of_account(control, vault, world.owner(canary).member.account_no)
            accounts = {*subject.numbers, subject.account_no}
            listed = ", ".join(map(str, accounts))
            for table, column in (("outside_id", "no"), ("member", "member_no"), ("client", "client_no"),
                                  ("connection", "connection_no")):  # fmt: skip
                rows = control.execute(f"SELECT {column} FROM {table} WHERE account_no IN ({listed})").fetchall()
                found |= {number for (number,) in rows}
            found |= {number for number in accounts if number is not None}
    return found


def rows(world: World, gone: Iterable[int]) -> dict[str, int]:
    """How many rows of each table of the control store and of the build have one of these numbers."""
    found: dict[str, int] = {}
    listed = sorted(gone)
    with database.control(world.home) as control:
        control.execute("CREATE TEMP TABLE gone (no INTEGER PRIMARY KEY)")
        control.executemany("INSERT INTO gone VALUES (?)", [(number,) for number in listed])
        for (table,) in control.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in control.execute(f"PRAGMA table_info({table})") if row[2] in {"INTEGER", ""}]
            only = " OR ".join(f'"{column}" IN (SELECT no FROM gone)' for column in columns) or "false"
            (found[f"control.{table}"],) = control.execute(f"SELECT count(*) FROM {table} WHERE {only}").fetchone()
        control.execute("DROP TABLE gone")
    with database.build(world.home) as build:
        build.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::BIGINT[]) AS no", [listed])
        for table, columns in _columns(build, "BIGINT"):
            only = " OR ".join(f'"{column}" IN (SELECT no FROM gone)' for column in columns) or "false"
            ((found[table],),) = build.execute(f"SELECT count(*) FROM {table} WHERE {only}").fetchall()
    return found


def texts(world: World) -> dict[str, set[int]]:
    """The accounts that have a word in each text column of the control store, as it is and opened, and of the build."""
    found: dict[str, set[int]] = {}
    with database.control(world.home) as control:
        vault = Vault(control, moment())
        for (table,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in control.execute(f"PRAGMA table_info({table})").fetchall():
                if kind in {"TEXT", "BLOB", ""}:
                    found[f"control.{table}.{column}"] = of_control(control, vault, table, column)
    with database.build(world.home) as build:
        for table, columns in _columns(build, "%VARCHAR%"):
            for column in columns:
                told = build.execute(f'SELECT DISTINCT "{column}"::VARCHAR FROM {table}').fetchall()
                found[f"{table}.{column}"] = numbers(text for (text,) in told)
    return found


def files(world: World) -> dict[str, set[str]]:
    """The files of each kind, by the policy's own patterns, that hold a word of those who go."""
    found: dict[str, set[str]] = {}
    # What was opened is told after a blank.
    met = {name.removeprefix(f"{world.home.root.name}/").partition(" ")[0] for name in world.found()}
    for clause in policy.load().clauses:
        if clause.store == "files":
            for pattern in clause.holds:
                one = clause.model_copy(update={"holds": (pattern,)})
                found[pattern] = {name for name in met if one.covers(name)}
    return found


def without(world: World) -> set[str]:
    """Tables, text columns and kinds of files in which nobody who goes has anything, and should: the guard."""
    gone = {canary.number for canary in world.gone}
    held, told = rows(world, numbers_of(world)), texts(world)
    unheld = {table for table, count in held.items() if not count and not _words_of(told, table) & gone}
    unsaid = {
        place
        for place, whose in told.items()
        if not whose & gone and place.rpartition(".")[0] not in unheld and not is_ours(place.rpartition(".")[2])
    }
    unseen = {pattern for pattern, names in files(world).items() if not names}
    lists = (_OF_NOBODY, _ELSEWHERE, _TEXTS_OF_NOBODY, _FILES_OF_NOBODY, _BEING_WRITTEN, _OF_RUNS)
    dlt = {table for table in unheld if table.rpartition(".")[2] in {"_dlt_loads", "_dlt_version"}}
    return (unheld | unsaid | unseen) - dlt.union(*lists)


def _words_of(told: dict[str, set[int]], table: str) -> set[int]:
    return set().union(*(whose for place, whose in told.items() if place.rpartition(".")[0] == table))


def keys(world: World) -> set[int]:
    """The accounts whose provider's key can be opened."""
    with database.control(world.home) as control:
        vault = Vault(control, moment())
        every = control.execute("SELECT connection_no FROM credential WHERE sealed_key NOT NULL").fetchall()
        opened = [credential.opened(control, vault, number) for (number,) in every]
    return numbers(found[1] for found in opened if found is not None)


def _columns(build: duckdb.DuckDBPyConnection, kind: str) -> Iterator[tuple[str, list[Any]]]:
    listed = build.execute(
        """SELECT '"' || schema_name || '"."' || table_name || '"', schema_name || '.' || table_name,
             coalesce(list(column_name) FILTER (data_type LIKE ?), [])
           FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name)
           WHERE NOT duckdb_tables.temporary GROUP BY ALL ORDER BY ALL""",
        [kind],
    ).fetchall()
    for _, name, columns in listed:
        yield name, columns
