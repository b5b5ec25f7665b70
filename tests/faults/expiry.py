"""`python -m tests.faults.expiry HOME NOW STEP`: an expiry that kills itself at its STEP-th step, -1 for none.

A step is what the expiry tells of and every name that is made, moved or removed in the home meanwhile.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.orchestration import retain
from retention.clock import Reading
from warehouse.home import Home

_EVENTS = frozenset({"os.rename", "os.remove", "os.truncate", "os.symlink", "sqlite3.connect", "subprocess.Popen"})


def main() -> None:
    """Run it, counting steps; prints how many there were."""
    home, now, last = Home(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            step()

    sys.addaudithook(watched)
    retain.expire_home(home, Reading(now, "one", now.timestamp()), step, clock_is_right=True)
    print(steps)


if __name__ == "__main__":
    main()
