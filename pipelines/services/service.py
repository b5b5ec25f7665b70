"""The services of a home: which processes serve it, started, asked and stopped as one.

Dagster's web UI and daemon share one code server over a Unix socket in the home (0700), so that definitions are loaded
once and no other user of the machine reaches it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import AlreadyRunningError, PipelineError
from pipelines.services.supervisor import Service, answers, dashboard_scheme, held, log_file, members, supervise
from warehouse.home import PROJECT, Home

DEFINITIONS = "pipelines.definitions"
HOST = "127.0.0.1"
WEB_UI_PORT = 3000
DASHBOARD_PORT = 8501
# Run by its own module: under a bare uvicorn Streamlit writes an access log, which names addresses.
DASHBOARD = "dashboards.app"
# A sensor that looks every five seconds would fill the log with what it did not find.
_SAY_LITTLE = ("--log-level", "warning")
SANDBOX_EVERY_S = 300.0
START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 15.0
# sun_path of a Unix socket: 104 bytes on macOS, 108 on Linux, the closing zero included.
_LONGEST_SOCKET_PATH = 100
_QUIET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "STREAMLIT_SERVER_ADDRESS": HOST,
    "STREAMLIT_SERVER_HEADLESS": "true",
}


@dataclass(frozen=True)
class Running:
    """A service as it runs now. `started_at` is UTC, ISO 8601; `pid` is None between a death and the restart."""

    name: str
    pid: int | None
    address: str | None
    started_at: str | None
    restarts: int
    # Between two turns of what is done now and then.
    rests: bool = False

    @property
    def well(self) -> bool:
        """Whether it lives or rests and, where it has an address, answers."""
        return self.rests or (self.pid is not None and (self.address is None or answers(self.address)))


def environment(home: Home, inherited: Mapping[str, str], dashboard_port: int = DASHBOARD_PORT) -> dict[str, str]:
    """Give the variables of every service: this home, the dashboard's port, and nobody's telemetry."""
    own = {
        "APILEDGER_HOME": str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "APILEDGER_DASHBOARD_PORT": str(dashboard_port),
    }
    return {**inherited, **_QUIET, **own}


def services(
    home: Home, definitions: str, dashboard: str, web_ui_port: int, dashboard_port: int, providers: str | None
) -> tuple[Service, ...]:
    """List the processes that serve a home as they start; writes the workspace file that two of them read.

    `providers` is where the sandbox's providers answer, None for a home that has none.
    """
    code = _socket(home)
    workspace = home.dagster / "workspace.yaml"
    # The location's name is part of every schedule's and sensor's identity, so it never depends on the socket.
    server = {"socket": str(code), "location_name": "apiledger"}
    _written(workspace, json.dumps({"load_from": [{"grpc_server": server}]}))
    ready = f"unix:{code}"
    python = sys.executable
    web_ui = f"http://{HOST}:{web_ui_port}/server_info"
    made_up = Service(
        "made-up-calls",
        (python, "-m", "pipelines.sandbox.sandbox_home", str(home.root)),
        after=ready,
        every_s=SANDBOX_EVERY_S,
    )
    billing = Service("made-up-bills", (python, "-m", "pipelines.sandbox.providers", str(home.root)), providers)
    return (
        Service(
            "code-server", (python, "-m", "dagster", "api", "grpc", "-m", definitions, "--socket", str(code)), ready
        ),
        Service(
            "web-ui",
            (python, "-m", "pipelines.services.web_ui", "--workspace", str(workspace), "--port", str(web_ui_port)),
            web_ui,
            after=ready,
            # The daemon may start a run before this service is up: only what is older was left behind.
            first=("--end-runs-before", datetime.now(UTC).isoformat()),
        ),
        # After the web UI: two processes that make Dagster's storage in a fresh home at once trip over each other.
        Service("daemon", (python, "-m", "dagster._daemon", "run", "-w", str(workspace), *_SAY_LITTLE), after=web_ui),
        Service(
            "dashboard",
            (python, "-m", dashboard),
            f"{dashboard_scheme()}://{HOST}:{dashboard_port}/_stcore/health",
        ),
        *((made_up,) if home.is_sandbox else ()),
        *((billing,) if providers else ()),
    )


def start(
    home: Home, say: Callable[[str], None], definitions: str = DEFINITIONS, dashboard: str = DASHBOARD
) -> list[Running]:
    """Start the services of a home in the background and wait until each answers.

    AlreadyRunningError where they run; PipelineError, with the log to read, where one does not come up. What is left of
    services whose supervisor died is ended first.
    """
    if is_running(home):
        if _alive(_state(home).get("supervisor")):
            raise AlreadyRunningError(f"services of {home.root} run already; `apiledger status` shows where")
        stop(home)
    home.make()
    link_settings(home)
    log = log_file(home, "supervisor")
    log.parent.mkdir(mode=0o700, exist_ok=True)
    made_up: dict[str, str] = {}
    if home.is_sandbox:
        # A real home does not even load them.
        from pipelines.sandbox import providers

        made_up = providers.drawn(home, free_port)
    # One process serves them all: where the first answers, all do.
    billing = [value for value in made_up.values() if value.startswith("http")][:1]
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.services.service", str(home.root), definitions, dashboard, *billing],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env=environment(home, {**os.environ, **made_up}),
            start_new_session=True,
        )
    try:
        return _come_up(home, process, say)
    finally:
        # It outlives its starter by design, and Popen warns of a child that nobody has waited for.
        process.returncode = process.returncode or 0


def _come_up(home: Home, process: subprocess.Popen[bytes], say: Callable[[str], None]) -> list[Running]:
    deadline = time.monotonic() + START_PATIENCE_S
    told: set[str] = set()
    while True:
        state = _state(home)
        if state.get("supervisor") == process.pid:
            found = running(home)
            for service in found:
                if service.name not in told and service.well:
                    told.add(service.name)
                    say(f"{service.name} is up")
            if len(told) == len(found):
                return found
        if process.poll() is not None:
            raise PipelineError(f"the supervisor ended at once; read {log_file(home, 'supervisor')}")
        if time.monotonic() > deadline:
            missing = next((name for name in state.get("services", {}) if name not in told), "supervisor")
            raise PipelineError(f"the {missing} does not answer yet; read {log_file(home, missing)}")
        time.sleep(0.2)


def stop(home: Home) -> bool:
    """End the services of a home and all they started; returns whether there was anything to end.

    PipelineError where something is still alive afterwards.
    """
    if not is_running(home):
        (home.root / "services.json").unlink(missing_ok=True)
        return False
    group = _state(home).get("supervisor")
    if not isinstance(group, int):
        raise PipelineError(
            f"{home.root}/services.json is missing while services run; end the process that holds the lock"
        )
    # While the lock is held a member of the group lives, so the number is no other process's.
    with suppress(ProcessLookupError):
        os.kill(group, signal.SIGTERM) if _alive(group) else os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while is_running(home) or members(group):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            time.sleep(1)
            if is_running(home) or members(group):
                raise PipelineError(f"process group {group} survives; end it with `kill -9 -- -{group}`")
        time.sleep(0.05)
    (home.root / "services.json").unlink(missing_ok=True)
    return True


def is_running(home: Home) -> bool:
    """Whether any service of the home lives: the kernel keeps the lock for as long as one does."""
    if not (home.dagster / "service.lock").exists():
        return False
    try:
        with held(home):
            return False
    except AlreadyRunningError:
        return True


def running(home: Home) -> list[Running]:
    """List the services of a home as its supervisor last told; none where nothing runs."""
    if not is_running(home):
        return []
    return [Running(name, **told) for name, told in _state(home).get("services", {}).items()]


def free_port(wanted: int, taken: frozenset[int] = frozenset()) -> int:
    """`wanted` where it is free on the loopback, else the next free port above it."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            # As the servers do: a port whose last connection is merely fading away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                if port not in taken:
                    return port
    raise PipelineError(f"no port from {wanted} to {wanted + 199} is free; close what listens there")


def _socket(home: Home) -> Path:
    path = home.dagster / "code-server.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="apiledger-")) / path.name


def link_settings(home: Home) -> None:
    """DAGSTER_HOME's dagster.yaml is the project's: one file to read and to change."""
    link, settings = home.dagster / "dagster.yaml", PROJECT / "dagster.yaml"
    if not link.is_symlink() or link.readlink() != settings:
        link.unlink(missing_ok=True)
        link.symlink_to(settings)


def _written(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)


def _state(home: Home) -> dict[str, Any]:
    try:
        state = json.loads((home.root / "services.json").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state if isinstance(state, dict) else {}


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A dead one that nobody has collected still has its number; only /proc tells.
    return not Path("/proc/self").exists() or pid in members(pid)


def main() -> None:
    """Supervise the services of the home named on the command line; `start` runs this in the background."""
    home, definitions, dashboard, *providers = Home(Path(sys.argv[1])), *sys.argv[2:]
    web_ui_port = free_port(WEB_UI_PORT)
    dashboard_port = free_port(DASHBOARD_PORT, frozenset({web_ui_port}))
    listed = services(home, definitions, dashboard, web_ui_port, dashboard_port, next(iter(providers), None))
    supervise(home, listed, environment(home, os.environ, dashboard_port))


if __name__ == "__main__":
    main()
