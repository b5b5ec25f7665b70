"""The supervisor: one small process that starts the services of a home, restarts what dies and ends them together.

It imports nothing but the standard library, because it stays in memory for as long as anything runs. What the services
are does not belong here (pipelines/services/service.py).
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import AlreadyRunningError
from warehouse.home import PROJECT, Home

LOG_BYTES = 2_000_000
TICK_S = 0.25
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# Who lived this long was well: its next death starts again with the shortest pause.
WELL_AFTER_S = 60.0
STOP_PATIENCE_S = 8.0


@dataclass(frozen=True)
class Service:
    """A process to keep alive: its command, where it answers, and what has to answer before it starts."""

    name: str
    command: tuple[str, ...]
    # http://... or unix:/...; None where a process answers nobody.
    address: str | None = None
    after: str | None = None
    # Arguments of the very first start alone, while nothing else of the home runs.
    first: tuple[str, ...] = ()
    # It does its work and ends; started again this long after it ended well.
    every_s: float | None = None


def dashboard_scheme() -> str:
    """How the dashboard answers on loopback: by TLS where it has a certificate of its own."""
    return "https" if os.environ.get("APILEDGER_TLS_CERT", "").strip() else "http"


def answers(address: str) -> bool:
    """Whether somebody listens at a unix: address, or answers an http: one without an error of its own."""
    if address.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(1)
            client.connect(address.removeprefix("unix:"))
            return True
        return False
    try:
        # No proxy of the environment stands between two processes of one machine.
        # A certificate is made out to another name than loopback's, and nothing but a sign of life is asked for.
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with opener.open(address, timeout=5) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False


def log_file(home: Home, name: str) -> Path:
    """Where a service's output goes; beside it `.1` holds what came before the last LOG_BYTES."""
    return home.dagster / "output" / f"{name}.log"


@contextmanager
def held(home: Home, patience_s: float = 0.0) -> Iterator[int]:
    """Hold the home's service lock; yields its descriptor, which children inherit, so that it is held while one lives.

    AlreadyRunningError where somebody else has it after `patience_s`. A lock cannot go stale as a process id can.
    """
    home.dagster.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home.dagster / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise AlreadyRunningError(f"services of {home.root} run already; see `apiledger status`") from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class _Child:
    service: Service
    home: Home
    environment: Mapping[str, str]
    lock: int
    process: subprocess.Popen[bytes] | None = None
    started_at: str | None = None
    started_s: float = 0.0
    not_before_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S / 2
    starts: int = 0
    ended_well: int = 0

    def tick(self) -> bool:
        """Start or restart what is due and bound the log; returns whether anything changed."""
        self._bound_log()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return False
            self.process = None
            if code == 0 and self.service.every_s is not None:
                self.not_before_s = time.monotonic() + self.service.every_s
                self.pause_s = FIRST_PAUSE_S / 2
                self.ended_well += 1
                return True
            lived_s = time.monotonic() - self.started_s
            self.pause_s = FIRST_PAUSE_S if lived_s >= WELL_AFTER_S else min(self.pause_s * 2, LONGEST_PAUSE_S)
            self.not_before_s = time.monotonic() + self.pause_s
            _say(f"{self.service.name} ended with code {code} after {lived_s:.0f} s; again in {self.pause_s:.0f} s")
            return True
        if time.monotonic() < self.not_before_s or (self.service.after and not answers(self.service.after)):
            return False
        self._start()
        return True

    def _start(self) -> None:
        path = log_file(self.home, self.service.name)
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.process = subprocess.Popen(
                [*self.service.command, *(self.service.first if self.starts == 0 else ())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                env=dict(self.environment),
                pass_fds=(self.lock,),
            )
        except OSError as error:
            _say(f"{self.service.name} cannot be started: {error.strerror}")
            self.not_before_s = time.monotonic() + LONGEST_PAUSE_S
            return
        finally:
            os.close(output)
        self.starts += 1
        self.started_s = time.monotonic()
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")

    def _bound_log(self) -> None:
        """Keep two files of LOG_BYTES: what is appended after the cut lands at the start of the same file."""
        path = log_file(self.home, self.service.name)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)

    def told(self) -> dict[str, Any]:
        """Tell what services.json says of it."""
        return {
            "pid": self.process.pid if self.process else None,
            "address": self.service.address,
            "started_at": self.started_at if self.process else None,
            "restarts": max(self.starts - self.ended_well - 1, 0),
            "rests": self.process is None and self.ended_well > 0 and self.pause_s < FIRST_PAUSE_S,
        }


@dataclass
class _Stop:
    asked: bool = field(default=False)

    def __call__(self, _number: int, _frame: object) -> None:
        self.asked = True


def supervise(home: Home, services: Sequence[Service], environment: Mapping[str, str]) -> None:
    """Keep the services running until SIGTERM or SIGINT; then end them and everything they started.

    Leads a process group of its own, so that ending the group ends the runs as well. `<home>/services.json` (0600)
    tells what runs for as long as it runs. AlreadyRunningError where another supervisor has the home.
    """
    os.umask(0o077)
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    stop = _Stop()
    # A handler, not SIG_IGN, which children would inherit from a shell's `&`: Dagster maps SIGTERM to what SIGINT does.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # Whoever became this process may have kept them back until somebody listens.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    with held(home, patience_s=5) as lock:
        log_file(home, "supervisor").parent.mkdir(mode=0o700, exist_ok=True)
        children = [_Child(service, home, environment, lock) for service in services]
        since = datetime.now(UTC).isoformat(timespec="seconds")
        _write_state(home, since, children)
        while not stop.asked:
            if sum(child.tick() for child in children):
                _write_state(home, since, children)
            _collect({child.process.pid for child in children if child.process})
            time.sleep(TICK_S)
        _end(home, children)


def _collect(own: set[int]) -> None:
    """Take away the dead that others left to this process, which as a container's first inherits them all."""
    while hasattr(os, "waitid"):
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        # One of our own is asked for its exit code by who started it; the next turn looks again.
        if dead is None or dead.si_pid in own:
            return
        os.waitpid(dead.si_pid, 0)


def _end(home: Home, children: list[_Child]) -> None:
    """SIGTERM to the whole group, patience, then SIGKILL to it: this process goes with it as the last act."""
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while time.monotonic() < deadline:
        ended = all(child.process is None or child.process.poll() is not None for child in children)
        if ended and not members(os.getpid()) - {os.getpid()}:
            break
        time.sleep(0.05)
    (home.root / "services.json").unlink(missing_ok=True)
    _say("stopped")
    os.killpg(0, signal.SIGKILL)


def members(group: int) -> set[int]:
    """Find the living processes of a group where /proc tells (Linux); an empty set elsewhere."""
    found = set()
    for entry in os.listdir("/proc") if Path("/proc").is_dir() else ():  # noqa: PTH208  # Path.glob leaks when one ends
        if entry.isdigit():
            with suppress(OSError):
                # The name in brackets may hold anything, so read from behind it: state, parent, group.
                state, _, process_group = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:3]
                if int(process_group) == group and state not in "ZX":
                    found.add(int(entry))
    return found


def _write_state(home: Home, since: str, children: list[_Child]) -> None:
    state = {
        "supervisor": os.getpid(),
        "started_at": since,
        "services": {child.service.name: child.told() for child in children},
    }
    working = home.root / ".services.json.part"
    with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(state, handle, indent=2)
    working.replace(home.root / "services.json")


def _say(line: str) -> None:
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}", flush=True)  # noqa: T201  # its output is its log
