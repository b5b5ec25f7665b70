"""A home's proof: its audit of itself, kept, and the report that tells of policy, promises and the last result."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipelines.evidence import processors
from pipelines.orchestration import retain
from retention import edition, installation, promises, records, report, self_audit
from retention.evidence import Evidence
from retention.self_audit import Asked
from warehouse import database
from warehouse.home import Home


def found(home: Home, now: datetime) -> dict[str, list[str]]:
    """What is wrong, by check; `now` is naive UTC. BusyError where a pass is under way for long."""
    held = retain.policy_of(home)
    with database.held(home.build_lock):
        return self_audit.run(home, Asked(held, now, retain.report_tables(), processors.configured(home, now)))


def audited(home: Home, clock: Callable[[], datetime]) -> dict[str, list[str]]:
    """The same, with the results kept: how much was wrong, by check, and the act that vouches for it."""
    wrong = found(home, clock())
    self_audit.keep(home, wrong, clock())
    return wrong


def said(home: Home, now: datetime) -> dict[str, Any]:
    """The report's fields; two of the same home are the same."""
    held, promised = edition.in_force(home)
    with database.control(home) as control:
        last = promises.last_carried_out(control)
        known = Evidence.read(control)
    return report.fields(
        held,
        promised,
        installation.load(home.root / edition.POLICY_FILE),
        processors.configured(home, now),
        last,
        {promise.id: known.of(promise, held) for promise in promised},
        records.load(home.root / edition.POLICY_FILE, held),
        edition.digest(held, promised),
    )
