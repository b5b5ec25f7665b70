"""A whole pass in a process group of its own, which can be killed: at a moment, or before its n-th step on the disk."""

import base64
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from warehouse.home import Home

NOW = datetime(2026, 11, 21, 12)  # noqa: DTZ001 (naive moments are UTC here)
BUSY = 75
_MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
# What changes files by Python's hand: dlt's folders, the inbox, versions and links are all moved by these.
_STEPS = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod", "os.utime", "shutil.rmtree"}
    | {"subprocess.Popen", "sqlite3.connect"}
)
_CONTEXT: list[ForkServerContext] = []


def start(
    home: Home,
    *,
    limit: Callable[[], None] | None = None,
    kill_at: int = 0,
    steps: Any = None,
    environment: Mapping[str, str] | None = None,
    what: Literal["pass", "pull"] = "pass",
) -> ForkServerProcess:
    """Start a pass over `home`, or only its pulls. `kill_at` kills it before that step on the disk.

    `steps` is told how many it took; `environment` is set in it.
    """
    if not _CONTEXT:
        context = multiprocessing.get_context("forkserver")
        # Seconds of imports, paid once.
        context.set_forkserver_preload(["pipelines.passage", "dlt.destinations", "polars", "genai_prices", "pyarrow"])
        _CONTEXT.append(context)
    process = _CONTEXT[0].Process(target=_run, args=(home.root, limit, kill_at, steps, dict(environment or {}), what))
    process.start()
    return process


def counter() -> Any:
    """A place for `start` to count steps in, shared with the child."""
    return multiprocessing.get_context("forkserver").Value("q", 0)


def killed(process: ForkServerProcess, after_s: float) -> bool:
    """Kill -9 the pass and all it started, `after_s` from now; False where it had ended by itself."""
    process.join(after_s)
    was_alive = process.is_alive()
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return was_alive


def ended(process: ForkServerProcess, limit_s: float = 120) -> int:
    """The exit code of a pass that ends by itself; what a killed one started is ended, too."""
    process.join(limit_s)
    assert process.exitcode is not None, "the pass hangs"
    if process.exitcode < 0:
        with suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
    return process.exitcode


def _run(
    root: Path,
    limit: Callable[[], None] | None,
    kill_at: int,
    steps: Any,
    environment: dict[str, str],
    what: str,
) -> None:
    os.setsid()
    os.environ.update(environment, APILEDGER_MASTER_KEY=_MASTER_KEY)
    from pipelines.bills.biller import billers
    from pipelines.bills.pull import is_connected, pull
    from pipelines.passage import run_pass
    from warehouse.errors import BusyError

    if limit is not None:
        limit()
    taken = 0

    def step(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in _STEPS or writes:
            taken += 1
            if taken == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(step)
    try:
        if what == "pass":
            run_pass(Home(root), NOW, lambda *_: None)
        else:
            for biller in billers().values():
                if is_connected(Home(root), biller):
                    pull(Home(root), biller, NOW, lambda *_: None)
    except BusyError:
        sys.exit(BUSY)
    if steps is not None:
        steps.value = taken


def timed(home: Home) -> float:
    """Run a pass to its end and tell how many seconds it took, the start of the process included."""
    began = time.monotonic()
    assert ended(start(home)) == 0
    return time.monotonic() - began
