"""The sensor of mails: asks a new version how far budgets and balances are used, members' notices with it, and sends.

A thin registry: what it does stands in budget_state, balance_state, member_notices and postman. It starts no run, and
any number of it may look at once.
"""

from datetime import UTC, datetime

import dagster as dg

from pipelines.alerts import balance_state, budget_state, member_notices, postman
from pipelines.errors import PipelineError
from warehouse import database
from warehouse.control import budget as budgets
from warehouse.errors import WarehouseError
from warehouse.home import Home


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def state(home: Home, now: datetime) -> str:
    """What an evaluation depends on: the newest version, the budgets in force, and the day."""
    with database.control(home) as control:
        versions = ",".join(f"{budget.budget_no}.{budget.version}" for budget in budgets.current(control))
    return f"{database.current_version(home)}/{now.date()}/{versions}"


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def budget_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Mail each budget's owner once when a threshold is reached; what the mail server does not take is tried again."""
    home = Home.own()
    now = _now()
    alerts = told = 0
    current = state(home, now)
    try:
        if current != context.cursor:
            alerts = budget_state.evaluate(home, now)
            context.update_cursor(current)
        told = member_notices.enqueue(home, now)
        # Balances move between versions, too, by payments; asking them costs a look at a small table.
        alerts += balance_state.evaluate(home, now)
        done = postman.deliver(home, _now)
    except (PipelineError, WarehouseError) as error:
        # The mails wait, for a mail server or the end of an erasure; `apiledger doctor` says the same.
        return dg.SkipReason(str(error))
    if done.unconfigured:
        return dg.SkipReason(f"mails wait for a mail server: set {postman.SETTING} or run `apiledger budget server`")
    return dg.SkipReason(
        f"{alerts + told} new mails; {done.sent} sent, {done.put_off} put off, "
        f"{done.given_up} given up, {done.withdrawn} withdrawn"
    )


SENSORS = (budget_alerts,)
