"""A home served by this very process, as a container or another supervisor of services wants it.

`python -m pipelines.services.foreground` makes the home, APILEDGER_HOME, and becomes the supervisor: SIGTERM ends all
it started, and as a container's first process it takes away the dead. No link to sign in is printed, since what a
container prints is kept: `apiledger account link` gives one.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from types import FrameType

from pipelines import passage
from pipelines.errors import PipelineError
from pipelines.services import service
from retention.errors import RetentionError
from warehouse.errors import WarehouseError
from warehouse.home import PROJECT, Home

_ENDING = {signal.SIGTERM, signal.SIGINT}


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def serve(home: Home) -> None:
    """Make the home and become its supervisor; never returns. PipelineError for a sandbox, which `up` serves."""
    if home.is_sandbox:
        raise PipelineError(f"{home.root} is the sandbox: `apiledger up` serves it")
    # The kernel spares a container's first process every signal that it has no handler for.
    for number in _ENDING:
        signal.signal(number, _end)
    os.umask(0o077)
    passage.make_home(home, datetime.now(UTC).replace(tzinfo=None))
    service.link_settings(home)
    # Between here and the supervisor's own handlers a signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    os.chdir(PROJECT)
    command = [sys.executable, "-m", "pipelines.services.service", str(home.root)]
    command += [service.DEFINITIONS, service.DASHBOARD]
    os.execve(command[0], command, service.environment(home, os.environ))  # noqa: S606 - to become it is the point


def main() -> None:
    """Serve APILEDGER_HOME; what is wrong is one sentence on standard error, and the exit code is 1."""
    try:
        serve(Home.own())
    except (PipelineError, RetentionError, WarehouseError) as error:
        sys.exit(f"apiledger: {error}")


if __name__ == "__main__":
    main()
