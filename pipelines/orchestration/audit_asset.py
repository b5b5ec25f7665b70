"""The self-audit in Dagster: once a week the home is looked at; what is wrong fails the run and stands on the page.

A thin registry: what is looked at stands in retention/self_audit.py.
"""

from datetime import UTC, datetime

import dagster as dg

from pipelines.evidence import proof
from retention import self_audit
from retention.promises import CHECKS
from warehouse import database
from warehouse.control import self_audit as results
from warehouse.home import Home

HOME = Home.own()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dg.asset(
    key=["retention", "self_audit"],
    group_name="retention",
    description="Clauses, chains, modes, seals, keys and addresses: what is wrong, by check, with an act that vouches.",
    kinds={"sqlite"},
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60),
)
def self_audited(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Audit the home, keep the result, and warn of each check that found something; counts alone are told."""
    found = {name: len(wrong) for name, wrong in proof.audited(HOME, _now).items()}
    for name, wrong in found.items():
        if wrong:
            context.log.warning("%s: %d wrong; `apiledger policy verify` says what", CHECKS[name], wrong)
    return dg.MaterializeResult(metadata={"wrong": sum(found.values()), **found})


audit_job = dg.define_asset_job(
    "self_audit",
    selection=dg.AssetSelection.assets(self_audited),
    description="What `apiledger policy audit` does.",
    executor_def=dg.in_process_executor,
)


@dg.schedule(job=audit_job, cron_schedule="10 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def weekly() -> dg.RunRequest | dg.SkipReason:
    """Once a week; asked every night, so that a machine that slept on the day does it on the next."""
    if is_due(HOME, _now()):
        return dg.RunRequest()
    return dg.SkipReason("the last self-audit is of this week")


def is_due(home: Home, now: datetime) -> bool:
    """Whether the last self-audit is a week old, or there is none."""
    with database.control(home) as control:
        newest = max((one.ran_at for one in results.newest(control).values()), default=None)
    # Tonight's tick may come a moment earlier than last week's.
    return newest is None or now - newest >= self_audit.EVERY - self_audit.SLACK


ASSETS, JOBS, SCHEDULES = [self_audited], [audit_job], [weekly]
