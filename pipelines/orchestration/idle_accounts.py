"""Accounts that nobody uses, each night: their owners are told, and a month later they are erased.

Plain functions first, the asset last; it runs with the nightly expiry, after it, under the same belief in the clock.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from pipelines import erasing
from pipelines.orchestration import retain
from retention import clock, idle
from retention.clock import Reading
from retention.idle import Idle
from warehouse import database
from warehouse.home import Home

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Looked:
    """What a night did: accounts whose owners are told, erasures that were begun and done, and who stays and why."""

    told: list[int]
    erased: list[int]
    staying: list[Idle]


def carry_out(home: Home, read: Reading, progress: Progress, *, clock_is_right: bool = False) -> Looked:
    """Carry out clause R-idle once; ClockError where the clock is not to be believed, and nothing happened."""
    policy, today = retain.policy_of(home), read.now.date()
    with ExitStack() as stack:
        stack.enter_context(database.held(home.build_lock))
        control = stack.enter_context(database.control(home))
        if not clock_is_right:
            clock.believe(control, read)
        clock.remember(control, read)
        build = stack.enter_context(database.build(home)) if home.build_file.exists() else None
        idle.note_use(control, build, policy, today)
    with database.control(home) as control:
        told = idle.tell(control, policy, read.now)
        there = idle.listed(control, policy, today)
        begun = idle.begin(home, control, [one for one in there if one.is_due(today)], read.now)
    if begun:
        erasing.resume(home, read.now, progress)
    with database.control(home) as control:
        return Looked(told, begun, idle.listed(control, policy, today))


HOME = Home.own()


@dg.asset(
    key=["retention", "idle_accounts"],
    group_name="retention",
    deps=[["retention", "expired"]],
    description="Whoever uses their account no more is told, and a month later erased like anybody who asks for it.",
    kinds={"duckdb", "sqlite"},
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60),
)
def idle_accounts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Carry out clause R-idle once; accounts are told by number alone."""

    def tell(what: str, done: int, total: int) -> None:
        context.log.info("%s: %d of %d", what, done, total)

    looked = carry_out(HOME, retain.reading(datetime.now(UTC).replace(tzinfo=None)), tell)
    table = ["| account | last used | told on | last day | stays because |", "| --- | --- | --- | --- | --- |"]
    table += [
        f"| {one.account_no} | {one.used_on} | {one.told_at.date() if one.told_at else ''} | {one.last_day} | "
        f"{one.kept_by or ''} |"
        for one in looked.staying
    ]
    return dg.MaterializeResult(
        metadata={
            "told": len(looked.told),
            "erased": len(looked.erased),
            "staying": len(looked.staying),
            "accounts": dg.MetadataValue.md("\n".join(table)),
        }
    )


ASSETS = [idle_accounts]
