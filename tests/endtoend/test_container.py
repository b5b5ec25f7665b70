"""The container file, carried out and started: no root, nothing written but its volumes, reached on one port, ended."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest

from tests.endtoend import container_root
from tests.endtoend.container_root import BRIDGE, FOLDER, PYTHON, Container

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        os.geteuid() != 0
        or not Path(PYTHON).exists()
        or not all(map(which, ("unshare", "nsenter", "setpriv", "chroot", "ip"))),
        reason="namespaces are root's to make, and a Debian with its Python stands in for the base image",
    ),
]
_ASK = (
    "import http.client, sys\n"
    "asked = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)\n"
    "asked.request('GET', sys.argv[3], headers={'Host': sys.argv[4]})\n"
    "print(asked.getresponse().status)"
)
_CALL = {
    "request_id": "r-1",
    "ts": "2026-11-21T09:30:00Z",
    "account_id": "acme",
    "key_id": "ci",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 1200,
    "output_tokens": 300,
    "status": 200,
    "latency_ms": 850,
}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The image, built once and started as compose.yaml starts it, with its page up."""
    folder = tmp_path_factory.mktemp("container")
    # Whoever is not root in it has to get through.
    for above in (folder, *folder.parents[:2]):
        above.chmod(above.stat().st_mode & 0o7777 | 0o755)
    image = container_root.build(folder / "image", (FOLDER / "Containerfile").read_text())
    settings = {"APILEDGER_DASHBOARD_ADDRESS": "0.0.0.0", "APILEDGER_PUBLISHED_ON": "127.0.0.1"}  # noqa: S104 - its own
    with container_root.running(image, **settings) as started:
        _until(lambda: _ask(started, BRIDGE, 8501, "127.0.0.1:8501") == "200")
        yield started


def _until(holds: Callable[[], bool], patience_s: float = 300) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


def _ask(container: Container, host: str, port: int, name: str) -> str:
    """The status of a page at an address of the container, asked for under a name; empty where nobody listens."""
    return container.does("python", "-c", _ASK, host, str(port), "/sign-in", name).stdout.strip()


def test_it_is_reached_under_loopbacks_name_and_dagster_is_not(container: Container) -> None:
    """What the host publishes on loopback is answered; another name is not, and Dagster is on its loopback alone."""
    assert _ask(container, BRIDGE, 8501, "localhost:8501") == "200"
    assert _ask(container, BRIDGE, 8501, "192.0.2.5:8501") == "400"
    _until(lambda: _ask(container, "127.0.0.1", 3000, "127.0.0.1:3000") == "200")
    assert _ask(container, BRIDGE, 3000, "127.0.0.1:3000") == ""
    assert container.does(*container.image.health).returncode == 0


def test_it_is_nobody_and_writes_to_its_volumes_alone(container: Container) -> None:
    """Every process is user 10001 without a capability; the program cannot be changed; no tool of tests is in it."""
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "CapEff:\t0000000000000000" in status
    for place in ("/app", "/etc", "/opt/venv/bin", "/usr/local"):
        assert "Read-only" in container.does("touch", f"{place}/x", root=True).stderr
    site = container.image.root / "opt/venv/lib/python3.11/site-packages"
    assert (site / "streamlit").exists()
    assert [name for name in ("pip", "pytest", "mypy", "moto", "playwright", "ruff") if (site / name).exists()] == []
    assert list((container.image.root / "app").glob("**/.env*")) == []


def test_a_call_becomes_a_figure_and_nothing_is_wrong(container: Container) -> None:
    """A log in the inbox's volume is published by itself; the doctor is content; the key is outside the home."""
    part = "/data/inbox/gateway_jsonl/a.jsonl.part"
    written = container.does(
        "sh", "-c", f"umask 077; printf %s '{json.dumps(_CALL)}' > {part} && mv {part} {part[:-5]}"
    )
    assert written.returncode == 0
    asked = ("apiledger", "sql", "SELECT sum(requests)::INT AS n FROM mart.spend_daily", "--format", "csv")
    _until(lambda: container.does(*asked).stdout.split() == ["n", "1"])
    found = container.does("apiledger", "doctor")
    assert found.returncode == 0, found.stdout
    assert (container.image.root / "key" / "master").stat().st_mode & 0o777 == 0o600
    assert container.does("apiledger", "account", "link").stdout.startswith("http://127.0.0.1:8501/link#")


def test_a_signal_ends_all_of_it(container: Container) -> None:
    """No zombie while it runs; SIGTERM to its first process ends it within the compose file's patience, exit code 0."""
    _until(lambda: "not answering" not in container.does("apiledger", "status").stdout)
    states = container.does("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null").stdout.splitlines()
    assert len(states) >= 5
    assert [line for line in states if line.rpartition(")")[2].split()[0] == "Z"] == []
    assert container_root.stopped(container) == 0
