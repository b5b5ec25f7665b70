"""The sensor of watched logs: each minute a look at folders; every five a visit to what only a visit can tell of."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from pipelines.gateways import watch
from warehouse.home import Home

VISIT_EVERY = timedelta(minutes=5)


def watched(home: Home, a_pass: Any, under_way: Callable[[dg.DagsterInstance, str], bool]) -> dg.SensorDefinition:
    """Give the sensor; the pass that it starts makes the visit. Its cursor is the last visit to a remote place."""

    @dg.sensor(name="watched", job=a_pass, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not watch.switched_on(home):
            return dg.SkipReason("nothing is watched")
        if under_way(context.instance, a_pass.name):
            return dg.SkipReason("a pass is under way")
        now = datetime.now(UTC).replace(tzinfo=None)
        if watch.is_remote_on(home) and now - _last_visit(context.cursor) >= VISIT_EVERY:
            context.update_cursor(now.isoformat())
            return dg.RunRequest(tags={"watched": "remote"})
        if watch.has_news(home, now):
            return dg.RunRequest(tags={"watched": "folders"})
        return dg.SkipReason("nothing new")

    return look


def _last_visit(cursor: str | None) -> datetime:
    return datetime.fromisoformat(cursor) if cursor else datetime.min  # noqa: DTZ901 (only compared with naive UTC)
