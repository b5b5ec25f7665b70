"""How Dagster's passes end, written down for /healthz and /metrics: a version that was looked after, or a step lost."""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from warehouse import database
from warehouse.control import pass_end
from warehouse.home import Home


def ended(home: Home, *, is_good: bool) -> None:
    """A pass of a home has ended."""
    with database.control(home) as control:
        pass_end.note(control, datetime.now(UTC).replace(tzinfo=None), is_good=is_good)


def failed(home: Home, but: Iterable[dg.AssetsDefinition] = ()) -> dg.HookDefinition:
    """Give the hook of a job whose steps are a pass: one that failed for good, after its retries.

    A step of `but` that failed is no lost pass: a provider that does not answer is said where its bill is.
    """
    apart = {one.op.name for one in but}

    @dg.failure_hook(name="pass_failed")
    def pass_failed(context: dg.HookContext) -> None:
        if context.op.name not in apart:
            ended(home, is_good=False)

    return pass_failed
