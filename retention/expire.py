"""What goes tonight from the build, and its going: one transaction a clause, its proof in it.

A plan and its execution ask the same questions; `Going` is what a clause takes from one table.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

import duckdb

from retention import holds, receipts, seal, superseded
from retention.policy import Clause, Policy
from retention.receipts import Expired
from retention.superseded import ReportTable
from warehouse import conservation, publication, restricting, sealing, tables
from warehouse.allocation_tables import USAGE_TAG_DAILY
from warehouse.failure_tables import FAILURE_DAILY
from warehouse.models import usage_tag_daily
from warehouse.sealing_tables import CLOSED_DAY, EXPIRED_BEFORE, SEALED_LOAD
from warehouse.settlement_tables import CHANGE
from warehouse.spend_tables import SPEND_LOCAL_DAILY, SPEND_SUMMARY_HOURLY
from warehouse.zone import UTC_NAME

_Bound = dict[str, object]


@dataclass(frozen=True)
class Going:
    """Rows of a table that a clause takes: where they stand, what is done before, what is done in their place."""

    clause: str
    table: str
    when: str
    only: str
    bound: _Bound
    before: Callable[[], None] = lambda: None
    instead: Callable[[], None] | None = None


def from_build(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    policy: Policy,
    now: datetime,
    reports: Sequence[ReportTable],
) -> Iterator[Going]:
    """What goes from the build, finest grain first: each step sees what the one before it left.

    `reports` are the raw tables of the providers that send bills. Made one after the other, so that the proof of each
    is looked for when its turn comes.
    """
    today, clause = now.date(), policy.clause(seal.CLAUSE)

    @cache
    def held() -> seal.Days:
        # Asked for once and only where something waits: it reads every call. No step before the last that asks
        # changes a call or an hour.
        return conservation.hours_hold_calls(connection, clause.cutoff(today))

    for gateway in seal.sources(connection):
        ready = seal.ready(connection, clause, today, gateway, held)
        waits = restricting.waiting_days(connection, control, gateway) if ready else set()
        if days := [day for day in ready if day not in waits]:
            yield Going(
                clause.id,
                f"raw_{gateway}.calls",
                "requested_at",
                "requested_at::DATE IN (SELECT unnest($days))",
                {"days": days},
                before=lambda gateway=gateway, days=days: seal.note(connection, gateway, days),  # type: ignore[misc] # bound now
            )
    yield from _calls(connection, control, policy.clause("R-requests"), now, held)
    yield from _hours(connection, policy.clause("R-hourly"), today)
    yield from _people(connection, policy.clause("R-people"), today)
    yield from _days(connection, control, policy.clause("R-daily"), today)
    cutoff = policy.clause("R-changes").cutoff(today)
    # What moved in a day goes with the day at the latest.
    bound: _Bound = {"cutoff": cutoff, "days": policy.clause("R-daily").cutoff(today)}
    yield Going("R-changes", CHANGE.full_name, "changed_at", "changed_at < $cutoff OR day < $days", bound)
    pulls = policy.clause(superseded.CLAUSE)
    for table, keys in superseded.ready(connection, control, pulls, today, reports):
        only = "connection_no || '/' || day::VARCHAR || '/' || pull_no IN (SELECT unnest($keys))"
        yield Going(pulls.id, table, "day", only, {"keys": keys})
    cutoff = policy.clause("R-loads").cutoff(today)
    for source in seal.sources(connection, "_dlt_loads"):
        yield Going("R-loads", f"raw_{source}._dlt_loads", "inserted_at", "inserted_at < $cutoff", {"cutoff": cutoff})


def _calls(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    clause: Clause,
    now: datetime,
    proved: Callable[[], seal.Days],
) -> Iterator[Going]:
    cutoff = clause.cutoff(now.date())
    query = f"SELECT 1 FROM {tables.REQUESTS.full_name} WHERE requested_at < ? LIMIT 1"
    if connection.execute(query, [cutoff]).fetchone() is None:
        return
    held = {(day, gateway) for day, gateway in proved() if day < cutoff}
    for gateway in seal.sources(connection):
        # A call that its gateway repeated after midnight would be new if its first telling were gone.
        query = f"SELECT DISTINCT requested_at::DATE FROM raw_{gateway}.calls WHERE requested_at < ?"
        held -= {(day, gateway) for (day,) in connection.execute(query, [cutoff]).fetchall()}
    if not held:
        return
    keys = [f"{day}/{gateway}" for day, gateway in sorted(held)]
    listed = "(requested_at::DATE)::VARCHAR || '/' || gateway IN (SELECT unnest($keys))"

    def close() -> None:
        holds.keep_disputed(connection, control, now.date(), cutoff)
        sealing.close(control, sorted(held), now)
        connection.executemany(f"INSERT INTO {CLOSED_DAY.full_name} VALUES (?, ?)", sorted(held))
        for table in (SEALED_LOAD, tables.BUILT_LOAD):
            query = f"DELETE FROM {table.full_name} WHERE day::VARCHAR || '/' || gateway IN (SELECT unnest(?))"
            connection.execute(query, [keys])

    bound: _Bound = {"cutoff": cutoff, "keys": keys}
    tagged = (
        f"request_no IN (SELECT request_no FROM {tables.REQUESTS.full_name} WHERE requested_at < $cutoff AND {listed})"
    )
    yield Going(clause.id, tables.REQUEST_TAG.full_name, "day", tagged, bound)
    only = f"requested_at < $cutoff AND {listed}"
    yield Going(clause.id, tables.REQUESTS.full_name, "requested_at", only, bound, before=close)


def _hours(connection: duckdb.DuckDBPyConnection, clause: Clause, today: date) -> Iterator[Going]:
    cutoff = clause.cutoff(today)
    query = f"SELECT min(requested_at)::DATE FROM {tables.REQUESTS.full_name}"
    ((first_call,),) = connection.execute(query).fetchall()
    held = conservation.days_hold_hours(connection, cutoff)
    hours = f"SELECT DISTINCT hour::DATE, gateway FROM {tables.USAGE_HOURLY.full_name} WHERE hour < ? ORDER BY 1"
    there = connection.execute(hours, [cutoff]).fetchall()
    # Up to the first day that differs: what is whole begins with it.
    wrong = [day for day, gateway in there if (day, gateway) not in held or (first_call and day >= first_call)]
    before = min([cutoff, *wrong])
    bound: _Bound = {"cutoff": before}

    def note() -> None:
        name = tables.USAGE_HOURLY.name
        connection.execute(f"DELETE FROM {EXPIRED_BEFORE.full_name} WHERE table_name = ?", [name])
        connection.execute(f"INSERT INTO {EXPIRED_BEFORE.full_name} VALUES (?, ?)", [name, before])

    yield Going(clause.id, tables.USAGE_HOURLY.full_name, "hour", "hour < $cutoff", bound, before=note)
    for name in (tables.LATENCY_HOURLY.full_name, SPEND_SUMMARY_HOURLY.full_name):
        yield Going(clause.id, name, "hour", "hour < $cutoff", bound)


def _people(connection: duckdb.DuckDBPyConnection, clause: Clause, today: date) -> Iterator[Going]:
    """Days without key and user: the same sums in fewer rows."""
    table = tables.USAGE_DAILY
    cutoff = clause.cutoff(today)
    only = "day < $cutoff AND (key_no IS NOT NULL OR user_no IS NOT NULL)"
    measures = [column.name for column in tables.MEASURES]
    kept = [n for n in table.column_names if n not in {*measures, "key_no", "user_no"}]
    gone = {"key_no": "NULL", "user_no": "NULL"} | {n: f"sum({n})" for n in measures}
    types = {column.name: column.type for column in table.columns}
    columns = ", ".join(f'{gone.get(n, n)}::{types[n]} AS "{n}"' for n in table.column_names)

    def grouped() -> None:
        connection.execute(
            f"""CREATE TEMP TABLE grouped AS SELECT {columns} FROM {table.full_name}
                WHERE {only} GROUP BY {", ".join(kept)}""",
            {"cutoff": cutoff},
        )

    def put_back(name: str) -> None:
        connection.execute(f"INSERT INTO {name} FROM grouped")
        connection.execute("DROP TABLE grouped")

    def noted() -> None:
        usage_tag_daily.keep(connection, cutoff)
        grouped()

    bound: _Bound = {"cutoff": cutoff}
    yield Going(clause.id, table.full_name, "day", only, bound, before=noted, instead=lambda: put_back(table.full_name))
    tagged = USAGE_TAG_DAILY.full_name
    yield Going(
        clause.id,
        tagged,
        "day",
        "day < $cutoff AND key_no IS NOT NULL",
        bound,
        before=lambda: _ran(connection, f"CREATE TEMP TABLE grouped AS {usage_tag_daily.without_keys()}", cutoff),
        instead=lambda: put_back(tagged),
    )


def _ran(connection: duckdb.DuckDBPyConnection, query: str, before: date) -> None:
    connection.execute(query, {"before": before})


def _days(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, clause: Clause, today: date
) -> Iterator[Going]:
    """Whole months only: a month is made of its days, and would be made anew from the rest of them."""
    cutoff: date = clause.cutoff(today).replace(day=1)
    query = f"SELECT 1 FROM {tables.USAGE_DAILY.full_name} WHERE day < ? LIMIT 1"
    if connection.execute(query, [cutoff]).fetchone() is None:
        return
    wrong = [each for each in conservation.differences(connection) if each.table == tables.USAGE_MONTHLY.full_name]
    stale = connection.execute(f"SELECT 1 FROM {tables.STALE_MONTH.full_name} WHERE month < ?", [cutoff]).fetchone()
    if wrong or stale:
        return

    def note() -> None:
        holds.keep(connection, control, today, before=cutoff)
        sealing.refuse_before(control, cutoff)
        name = tables.USAGE_DAILY.name
        connection.execute(f"DELETE FROM {EXPIRED_BEFORE.full_name} WHERE table_name = ?", [name])
        connection.execute(f"INSERT INTO {EXPIRED_BEFORE.full_name} VALUES (?, ?)", [name, cutoff])
        connection.execute(f"DELETE FROM {CLOSED_DAY.full_name} WHERE day < ?", [cutoff])

    for name in (tables.LATENCY_DAILY.full_name, USAGE_TAG_DAILY.full_name, FAILURE_DAILY.full_name):
        yield Going(clause.id, name, "day", "day < $cutoff", {"cutoff": cutoff})
    yield Going(clause.id, tables.USAGE_DAILY.full_name, "day", "day < $cutoff", {"cutoff": cutoff}, before=note)


def counted(connection: duckdb.DuckDBPyConnection, going: Going) -> Expired | None:
    """What a clause takes, before it is taken; None where nothing is there to take."""
    row = connection.execute(
        f"""SELECT count(*), min({going.when})::DATE, max({going.when})::DATE,
              coalesce(bit_xor(hash(t)), 0)::VARCHAR FROM {going.table} AS t WHERE {going.only}""",
        going.bound,
    ).fetchone()
    if row is None or not row[0]:
        return None
    return Expired(going.clause, going.table, row[0], row[1], row[2], row[3])


def carry_out(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, going: Going, now: datetime
) -> Expired | None:
    """Take what a clause takes, with its receipt; None where there was nothing."""
    expired = counted(connection, going)
    if expired is None:
        return None
    # Spend is added up of these alone; of calls that go their days tell, and of hours that were a zone's.
    days: Collection[date] = ()
    if going.table == tables.USAGE_DAILY.full_name:
        found = connection.execute(f"SELECT DISTINCT day FROM {going.table} WHERE {going.only}", going.bound).fetchall()
        days = {day for (day,) in found}
    elif going.table == tables.USAGE_HOURLY.full_name:
        local = f"SELECT DISTINCT utc_day FROM {SPEND_LOCAL_DAILY.full_name} WHERE utc_day < $cutoff AND zone <> $utc"
        found = connection.execute(local, {**going.bound, "utc": UTC_NAME}).fetchall()
        days = {day for (day,) in found}
    connection.execute("BEGIN")
    try:
        going.before()
        connection.execute(f"DELETE FROM {going.table} WHERE {going.only}", going.bound)
        if going.instead is not None:
            going.instead()
        publication.changed(connection, days)
        receipts.write(control, expired, now)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return expired
