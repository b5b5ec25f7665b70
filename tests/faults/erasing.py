"""`python -m tests.faults.erasing HOME NOW STEP NAME...`: an erasure killed at its STEP-th step, -1: none.

An address is a member's, anything else an account's.

A step is what the erasure tells of and every name that is made, moved or removed in the home meanwhile.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from retention import erase, people
from warehouse import database
from warehouse.control.vault import Vault
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
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
        for name in sys.argv[4:]:
            kind = "member" if "@" in name else "account"
            erase.begin(home, control, people.find(control, vault, kind, name), now)
            step()
    erase.carry_out(home, now, step)
    print(steps)


if __name__ == "__main__":
    main()
