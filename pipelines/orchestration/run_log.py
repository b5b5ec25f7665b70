"""What a run says of its progress: log lines, at most one every two seconds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg


def told(log: dg.DagsterLogManager) -> Callable[[str, int, int], None]:
    """Progress as log lines of the run: at most one every two seconds, so that a long load is seen to move."""
    last = datetime.min.replace(tzinfo=UTC)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        if (now := datetime.now(UTC)) - last >= timedelta(seconds=2) or done == total:
            last = now
            log.info("%s: %d of %d", what, done, total)

    return tell


def gave_way(context: dg.AssetExecutionContext, times: int) -> dict[str, int]:
    """Metadata that says how often a step let an erasure go first; the run is marked with it, and has not failed."""
    if times:
        context.instance.add_run_tags(context.run.run_id, {"gave_way_to": "erasure"})
        context.log.info("gave way to an erasure and went on after it: %d times", times)
    return {"gave_way_to_erasures": times}
