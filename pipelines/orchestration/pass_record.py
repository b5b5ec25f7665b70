"""How Dagster's passes end, written down for /healthz and /metrics: a version that was looked after, or a step lost."""

from datetime import UTC, datetime

import dagster as dg

from warehouse import database
from warehouse.control import pass_end
from warehouse.home import Home


def ended(home: Home, *, is_good: bool) -> None:
    """A pass of a home has ended."""
    with database.control(home) as control:
        pass_end.note(control, datetime.now(UTC).replace(tzinfo=None), is_good=is_good)


def failed(home: Home) -> dg.HookDefinition:
    """Give the hook of a job whose steps are a pass: one that failed for good, after its retries."""

    @dg.failure_hook(name="pass_failed")
    def pass_failed(_: dg.HookContext) -> None:
        ended(home, is_good=False)

    return pass_failed
