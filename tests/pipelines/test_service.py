"""What `up` starts answers, comes back when it dies, and goes without a trace when it is stopped."""

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import AlreadyRunningError
from pipelines.services import service, supervisor
from warehouse.home import PROJECT, Home

HERE = Path(__file__).parent


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home whose services are stopped afterwards, whatever happened."""
    made = Home(tmp_path / "home").make()
    yield made
    service.stop(made)


def supervised(home: Home, *commands: tuple[str, str]) -> subprocess.Popen[bytes]:
    """Start a supervisor in the background over small services: (name, Python code)."""
    listed = ", ".join(f"Service({name!r}, (sys.executable, '-c', {code!r}))" for name, code in commands)
    code = (
        "import os, sys; from pathlib import Path; from warehouse.home import Home\n"
        "from pipelines.services.supervisor import Service, supervise\n"
        f"supervise(Home(Path({str(home.root)!r})), ({listed},), os.environ)"
    )
    output = (home.tmp / "supervisor.log").open("ab")
    with output:
        return subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=output, stderr=output)


def state(home: Home) -> Any:
    """Read services.json, empty while it is not there."""
    path = home.root / "services.json"
    return json.loads(path.read_bytes()) if path.exists() else {"services": {}}


def pid_of(home: Home, name: str) -> int | None:
    """Return a service's process, None between a death and the restart."""
    told = state(home)["services"].get(name, {}).get("pid")
    return None if told is None else int(told)


SLEEP = "import time; time.sleep(600)"


def test_a_service_that_is_killed_comes_back(home: Home) -> None:
    """After kill -9 there is another process, and services.json counts the restart."""
    with supervised(home, ("sleeper", SLEEP)) as process:
        first = wait_until(lambda: pid_of(home, "sleeper"))
        os.kill(first, signal.SIGKILL)
        second = wait_until(lambda: (pid := pid_of(home, "sleeper")) != first and pid)
        assert state(home)["services"]["sleeper"]["restarts"] == 1
        os.kill(second, 0)
        assert service.stop(home)
        process.wait(10)


def test_one_that_dies_at_once_is_restarted_ever_more_slowly(home: Home) -> None:
    """In six seconds a service that cannot live starts three times (after 1 s and 2 s), and its neighbour stays up."""
    mark = home.tmp / "starts"
    with supervised(home, ("broken", f"open({str(mark)!r}, 'a').write('x')"), ("sleeper", SLEEP)) as process:
        neighbour = wait_until(lambda: pid_of(home, "sleeper"))
        time.sleep(6)
        assert len(mark.read_text()) == 3
        assert pid_of(home, "sleeper") == neighbour
        service.stop(home)
        process.wait(10)


def test_stopping_ends_what_the_services_started_and_what_will_not_go(home: Home) -> None:
    """A grandchild that ignores SIGTERM is gone after stop, and so are services.json and the lock."""
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {stubborn!r}]); time.sleep(600)"
    with supervised(home, ("parent", parent)) as process:
        wait_until(lambda: len(supervisor.members(process.pid)) == 3)
        assert service.is_running(home)
        assert service.stop(home)
        process.wait(10)
    assert supervisor.members(process.pid) == set()
    assert not service.is_running(home)
    assert not (home.root / "services.json").exists()
    assert service.stop(home) is False


def test_services_are_found_and_stopped_after_their_supervisor_was_killed(home: Home) -> None:
    """The lock that services inherit says that something lives, so stop finds the group."""
    with supervised(home, ("sleeper", SLEEP)) as process:
        sleeper = wait_until(lambda: pid_of(home, "sleeper"))
        process.kill()
        process.wait(10)
    assert service.is_running(home)
    assert service.stop(home)
    assert sleeper not in supervisor.members(process.pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="who inherits the dead can be chosen on Linux")
def test_the_dead_that_others_leave_behind_are_taken_away(home: Home) -> None:
    """As a container's first process it inherits them; its own services keep their exit codes."""
    orphan = "import os, sys, time\nif os.fork() == 0:\n    os.fork()\n    sys.exit()\ntime.sleep(600)"
    broken = "import sys; sys.exit(7)"
    code = (
        "import ctypes, os, sys; from pathlib import Path; from warehouse.home import Home\n"
        "from pipelines.services.supervisor import Service, supervise\n"
        "assert ctypes.CDLL(None).prctl(36, 1) == 0  # PR_SET_CHILD_SUBREAPER\n"
        f"listed = [Service('orphan', (sys.executable, '-c', {orphan!r})), "
        f"Service('broken', (sys.executable, '-c', {broken!r}))]\n"
        f"supervise(Home(Path({str(home.root)!r})), listed, os.environ)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "broken ended with code 7" in process.stdout.readline()
        time.sleep(0.6)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children]
        assert "Z" not in states
        assert str(pid_of(home, "orphan")) in children
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_a_second_supervisor_of_a_home_gives_up(home: Home) -> None:
    """Two at once would start everything twice."""
    with supervised(home, ("sleeper", SLEEP)) as process:
        wait_until(lambda: pid_of(home, "sleeper"))
        with pytest.raises(AlreadyRunningError, match="run already"), supervisor.held(home):
            pass
        with supervised(home, ("sleeper", SLEEP)) as second:
            assert second.wait(20) == 1
        service.stop(home)
        process.wait(10)


def test_logs_are_private_and_bounded(home: Home) -> None:
    """A service that writes 30 MB leaves two files of a few MB, which only their owner reads."""
    flood = "import time\nfor _ in range(300):\n  print('x' * 100_000, flush=True); time.sleep(0.01)\ntime.sleep(600)"
    with supervised(home, ("flood", flood)) as process:
        log = supervisor.log_file(home, "flood")
        wait_until(lambda: log.with_name("flood.log.1").exists())
        time.sleep(5)
        files = list(log.parent.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert sum(file.stat().st_size for file in files) < 12_000_000
        assert stat.S_IMODE((home.root / "services.json").stat().st_mode) == 0o600
        service.stop(home)
        process.wait(10)


def test_a_taken_port_is_passed_over() -> None:
    """The next free port is taken, and never one that a neighbour was given."""
    import socket

    with socket.socket() as taken:
        taken.bind((service.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = service.free_port(port)
        assert found > port
        assert service.free_port(port, frozenset({found})) > found


def graphql(home: Home, query: str) -> Any:
    """Ask the home's web UI as a local script does."""
    address = state(home)["services"]["web-ui"]["address"].replace("/server_info", "/graphql")
    host, _, path = address.removeprefix("http://").partition("/")
    with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        connection.request("POST", f"/{path}", json.dumps({"query": query}), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())["data"]


def launch(home: Home, seconds: int) -> str:
    """Start a run that waits; returns its id once it is under way."""
    config = f"{{ops: {{wait: {{config: {{seconds: {seconds}}}}}}}}}"
    query = (
        'mutation{launchRun(executionParams:{selector:{repositoryLocationName:"apiledger",jobName:"tiny",'
        f'repositoryName:"__repository__"}},mode:"default",runConfigData:"{config}"'
        "}){__typename ... on LaunchRunSuccess{run{runId}}}}"
    )
    return str(wait_until(lambda: graphql(home, query)["launchRun"].get("run"))["runId"])


def run_status(home: Home, run: str) -> str:
    """Return the status of a run, in Dagster's words."""
    return str(graphql(home, f'{{runOrError(runId:"{run}"){{... on Run{{status}}}}}}')["runOrError"]["status"])


def test_the_real_services_start_heal_and_stop(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster and a dashboard answer; no kill of the code server, a run or everything stands in the way of a run."""
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}:{HERE}")
    said: list[str] = []
    found = service.start(home, said.append, "tiny_definitions", "tiny_dashboard")
    assert {one.name for one in found} == {"code-server", "web-ui", "daemon", "dashboard"}
    assert all(one.well for one in found)
    assert len(said) == 4
    with pytest.raises(AlreadyRunningError):
        service.start(home, said.append, "tiny_definitions", "tiny_dashboard")

    run = launch(home, seconds=0)
    wait_until(lambda: run_status(home, run) == "SUCCESS")
    code_server = pid_of(home, "code-server")
    assert code_server is not None
    os.kill(code_server, signal.SIGKILL)
    wait_until(lambda: pid_of(home, "code-server") not in {None, code_server})
    run = launch(home, seconds=0)
    wait_until(lambda: run_status(home, run) == "SUCCESS")

    group = state(home)["supervisor"]
    run = launch(home, seconds=600)
    wait_until(lambda: run_status(home, run) == "STARTED")
    for pid in supervisor.members(group) - {group} - {one.pid for one in service.running(home)}:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: run_status(home, run) == "FAILURE")

    run = launch(home, seconds=600)
    wait_until(lambda: run_status(home, run) == "STARTED")
    os.killpg(group, signal.SIGKILL)
    wait_until(lambda: not service.is_running(home))
    service.start(home, said.append, "tiny_definitions", "tiny_dashboard")
    assert run_status(home, run) == "FAILURE"

    files = [path for path in home.root.rglob("*") if not path.is_symlink()]
    assert [path for path in files if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    assert not list(home.dagster.rglob("*.out")) + list(home.dagster.rglob("*.err"))
    group = state(home)["supervisor"]
    assert service.stop(home)
    assert supervisor.members(group) == set()
