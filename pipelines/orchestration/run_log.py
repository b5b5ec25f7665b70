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
