"""The nightly expiry: sweep, seal, roll up, delete, write anew, publish, with a receipt for each clause.

Plain functions first, the asset and its schedule last. Killed anywhere, the next run goes on: each deletion is one
transaction with its proof in it, and the rewrite that removes the bytes is marked before the first of them.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from pipelines import erasing
from pipelines.backups import backup
from pipelines.backups.errors import BackupError
from pipelines.bills.biller import billers
from pipelines.errors import GaveWayError
from pipelines.materialization import landed
from pipelines.orchestration import run_history
from retention import audit_anchor, clock, edition, expire, expire_control, receipts, rewrite, stores
from retention.clock import Reading
from retention.policy import Policy, load
from retention.receipts import Expired
from retention.superseded import ReportTable
from warehouse import conservation, database, publication
from warehouse.control import audit, store_file
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Night:
    """What a run took, clause by clause, the version it published (None: nothing expired), and the bytes it saved."""

    expired: list[Expired] = field(default_factory=list)
    version: int | None = None
    saved_bytes: int = 0

    def by_clause(self) -> dict[str, int]:
        """Rows and files by clause."""
        counted: Counter[str] = Counter()
        for each in self.expired:
            counted[each.clause] += each.things
        return dict(counted)


def reading(now: datetime) -> Reading:
    """The machine's clock beside its uptime; where the system does not say which boot it is in, each run is its own."""
    boot = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else f"{os.getpid()}-{now.timestamp()}"
    return Reading(now, boot, time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


def policy_of(home: Home) -> Policy:
    """The shipped policy with the owner's days of the home in it."""
    return load(home.root / "policy.toml")


def report_tables() -> list[ReportTable]:
    """The raw tables of every provider that sends bills."""
    return [
        ReportTable(biller.name, report.name, report.table.full_name)
        for biller in billers().values()
        for report in biller.reports
    ]


def expire_home(home: Home, read: Reading, progress: Progress, *, clock_is_right: bool = False) -> Night:
    """Carry out every clause of a home once; ClockError where the clock is not to be believed, and nothing happened.

    An erasure that begins meanwhile goes first, between two clauses. BusyError where a pass is under way;
    ConservationError where a roll-up does not hold what its rows hold.
    """
    night, right = Night(), clock_is_right
    while True:
        erasing.resume(home, read.now, progress, restored=True)
        try:
            with database.held(home.inbox_lock), database.held(home.build_lock), database.control(home) as control:
                if not right:
                    clock.believe(control, read)
                # What the clock says was believed: an erasure that goes first makes it no other.
                right = True
                _expired(home, control, read.now, night, progress)
                _note(control, home, night, read.now)
                store_file.renew(control)
                clock.remember(control, read)
                progress("expired", 1, 1)
                return night
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)


def _expired(home: Home, control: sqlite3.Connection, now: datetime, night: Night, progress: Progress) -> None:
    """Carry out what is due, clause by clause; GaveWayError between two where an erasure waits, and what is done is.

    Whoever is erased is taken out of the build by one more rewrite, so an expiry that gives way leaves its own to that.
    """
    policy = policy_of(home)
    for clause, paths in stores.aged(home, policy, now):
        night.expired.append(receipts.write(control, stores.expired(home, clause, paths), now))
        progress("sweeping", 0, len(paths))
        stores.remove(paths)
        erasing.give_way(home, control)
    # What is published was compared when it was: of a file that nobody wrote to since, the rest is not read again.
    known = not rewrite.is_due(control) and publication.is_build(home)
    months: set[date] = set()
    with database.build(home, deletes=True) as connection:
        landed.hold(connection, control)
        waited = False
        for number, going in enumerate(expire.from_build(connection, control, policy, now, report_tables())):
            progress(f"expiring {going.table}", number, number + 1)
            if not rewrite.is_due(control) and expire.counted(connection, going) is not None:
                rewrite.mark(control)
            if taken := expire.carry_out(connection, control, going, now):
                night.expired.append(taken)
                months |= taken.months()
            if waited := erasing.is_waited_for(home, control):
                break
        if rewrite.is_due(control):
            # Also before an erasure publishes it.
            conservation.hold(connection, months if known else None)
        if waited:
            erasing.give_way(home, control)
    for taken in expire_control.from_control(control, policy, now):
        progress(f"expiring {taken.place}", 0, 1)
        night.expired.append(taken)
    if rewrite.is_due(control):
        erasing.give_way(home, control)
        progress("writing anew", 0, 1)
        night.saved_bytes += rewrite.rewrite(home)
        progress("publishing", 0, 1)
        night.version = rewrite.publish(home, control, now)


def _note(control: sqlite3.Connection, home: Home, night: Night, now: datetime) -> None:
    """Write down that the policy ran, and first, if it is another than last time, that it was changed."""
    edition.note(control, home, now)
    detail = f"clauses={len(night.by_clause())} things={sum(night.by_clause().values())}"
    audit.note(control, "retention.run", now, detail=detail)


def expire_backups(home: Home, now: datetime) -> Expired | None:
    """Delete the backups that are too old, with a receipt; BackupError where their place cannot be reached."""
    gone = backup.expire(home, now)
    if not gone:
        return None
    days = [each.made_at.date() for each in gone]
    names = receipts.digest(each.name for each in gone)
    with database.control(home) as control:
        taken = Expired(backup.CLAUSE, "backups", len(gone), min(days), max(days), names)
        return receipts.write(control, taken, now)


def plan(home: Home, now: datetime) -> Iterator[Expired]:
    """What would go tonight, under which clause, as things stand: later steps may find more once earlier ones ran."""
    policy = policy_of(home)
    with database.held(home.build_lock), database.control(home) as control:
        for clause, paths in stores.aged(home, policy, now):
            yield stores.expired(home, clause, paths)
        with database.build(home) as connection:
            for going in expire.from_build(connection, control, policy, now, report_tables()):
                if found := expire.counted(connection, going):
                    yield found
        yield from expire_control.from_control(control, policy, now, only_plan=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


HOME = Home.own()


@dg.asset(
    key=["retention", "expired"],
    group_name="retention",
    description="What has expired is rolled up, deleted and gone to the last byte; a receipt for each clause.",
    kinds={"duckdb", "sqlite"},
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60),
)
def expired(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Carry out the policy once; what it deleted stands under each clause's id."""

    def tell(what: str, done: int, total: int) -> None:
        context.log.info("%s: %d of %d", what, done, total)

    night = expire_home(HOME, reading(_now()), tell)
    with database.control(HOME) as control:
        for swept in run_history.sweep(context.instance, HOME, policy_of(HOME).clause("S-runs"), _now()):
            night.expired.append(receipts.write(control, swept, _now()))
    try:
        night.expired += filter(None, [expire_backups(HOME, _now())])
    except BackupError as error:
        context.log.warning("backups: %s", error)
    with database.control(HOME) as control:
        if not audit_anchor.keep(HOME, control, _now()):
            context.log.warning("the audit chain's end is not anchored outside; `apiledger doctor` says why")
    policy = policy_of(HOME)
    counted = night.by_clause()
    table = "\n".join(
        ["| clause | what | where | days | rows and files |", "| --- | --- | --- | --- | --- |"]
        + [
            f"| {each.clause} | {policy.clause(each.clause).title} | {each.place} | {each.days()} | {each.things:,} |"
            for each in night.expired
        ]
    )
    return dg.MaterializeResult(
        metadata={
            "deleted": dg.MetadataValue.md(table),
            **{f"deleted/{clause}": things for clause, things in counted.items()},
            "version": night.version or 0,
            "saved_bytes": night.saved_bytes,
        }
    )


expiry = dg.define_asset_job(
    "expiry",
    selection=dg.AssetSelection.assets(expired, ["retention", "idle_accounts"]),
    description="What `apiledger policy expire` does.",
    executor_def=dg.in_process_executor,
)


@dg.schedule(job=expiry, cron_schedule="40 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly() -> dg.RunRequest:
    """Once a night, UTC; nights missed while the machine slept are one run."""
    return dg.RunRequest()


ASSETS, JOBS, SCHEDULES = [expired], [expiry], [nightly]
