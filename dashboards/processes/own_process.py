"""Work that outlives the page that asked for it: a process of its own, which goes on when the dashboard is stopped."""

import subprocess
import sys
import threading

from warehouse.home import PROJECT


def begin(module: str, *words: str) -> None:
    """Begin `python -m module words`; what it has to say is in the store, for nobody reads its output."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # A child that nobody waits for stays in the table of processes.
    threading.Thread(target=child.wait, daemon=True).start()
