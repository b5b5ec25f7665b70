"""`python -m tests.faults.restoring HOME TARGET NOW STEP`: a restore killed at its STEP-th step, -1: none.

STEP may also be the name of a file or folder: it is killed as that is about to be renamed.

A step is every name that is made, moved or removed in the home or beside it meanwhile.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.backups import restore
from warehouse.home import Home

_EVENTS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.truncate", "os.symlink", "os.mkdir", "shutil.rmtree"})


def main() -> None:
    """Run it, counting steps; prints how many there were."""
    home, target, now, last = (
        Home(Path(sys.argv[1])),
        sys.argv[2],
        datetime.fromisoformat(sys.argv[3]),
        sys.argv[4],
    )
    steps = 0

    def watched(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in _EVENTS and str(home.root.parent) in str(arguments[0]):
            steps += 1
            if last in {str(steps), Path(str(arguments[0])).name if event == "os.rename" else ""}:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watched)
    restore.restore(home, target, None, now, lambda *_: None)
    print(steps)


if __name__ == "__main__":
    main()
