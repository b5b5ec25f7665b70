"""What every test stands on: a home of its own, a made-up master key, and a guard around the machine.

The guard is one audit hook: no connection leaves loopback, no name is looked up, and nobody's real home or key is
opened. What it refuses fails the test even where a library swallows the error.
"""

import base64
import gc
import ipaddress
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from retention import tested
from tests.asvs_marks import AsvsMarks
from tests.clause_marks import ClauseMarks
from tests.templates import Templates, stores
from warehouse.home import PROJECT, Home

# Before any library is imported: some read these only once.
os.environ.update(
    DAGSTER_DISABLE_TELEMETRY="yes",
    DO_NOT_TRACK="1",
    GX_ANALYTICS_ENABLED="false",
    RUNTIME__DLTHUB_TELEMETRY="false",
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
)

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SHARED = PROJECT.parent / "shared"
_REAL = tuple(
    str(path)
    for path in (
        *(PROJECT / folder for folder in ("data", "sandbox")),
        *(Path.home() / folder for folder in (".config/apiledger", ".claude", ".codex", ".gemini")),
    )
)
_FILE_EVENTS = frozenset({"open", "sqlite3.connect", "os.mkdir", "os.remove", "os.rename", "os.listdir", "os.scandir"})
_KEYS = ("_ADMIN_KEY", "_API_KEY", "_MANAGEMENT_KEY", "_RESTRICTED_KEY")
_CONNECT_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


class Guard:
    """The audit hook and what it has refused since the test began."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse what reaches beyond the test; OSError, as a machine without network or rights would say."""
        if event in _CONNECT_EVENTS:
            address = arguments[1]
            if isinstance(address, tuple) and address and not _is_loopback(address[0]):
                self._refuse(f"{event} to {address[0]}")
        elif event == "socket.getaddrinfo":
            if not _is_loopback(arguments[0]):
                self._refuse(f"{event} of {arguments[0]}")
        elif event in _FILE_EVENTS and isinstance(arguments[0], (str, bytes, os.PathLike)):
            # Homes are always absolute; a relative name may be meant against a folder's descriptor, as in rmtree.
            path = os.fsdecode(arguments[0])
            if any(path == real or path.startswith(real + os.sep) for real in _REAL):
                self._refuse(f"{event} of {path}")

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        raise OSError(f"refused in tests: {what}; give the test a home and a server of its own")


_GUARD = Guard()
sys.addaudithook(_GUARD)
_MAIN = sys.modules["__main__"]


def pytest_configure(config: pytest.Config) -> None:
    """Every run notes which promises its tests carry, and which requirements."""
    config.pluginmanager.register(ClauseMarks())
    config.pluginmanager.register(AsvsMarks())


def pytest_collection_finish() -> None:
    """What is imported by now stays: it is not looked through again each time that garbage is; 3 % of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than cores: browsers and killed processes are waited for, and meanwhile others have the core."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores + 2


@pytest.fixture(autouse=True)
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """The guard; afterwards, nothing may have been refused. Homes and key file point into the test's own folder."""
    monkeypatch.setenv("APILEDGER_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("APILEDGER_SANDBOX_HOME", str(tmp_path / "sandbox"))
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(tmp_path / "key"))
    # A developer's own keys would make a pass ask the providers, or a program judge each month that is closed.
    bills = ("APILEDGER_FOCUS", "APILEDGER_GOOGLE", "APILEDGER_GOOGLE_TABLE", "APILEDGER_CONSOLE")
    for name in (
        "APILEDGER_MASTER_KEY",
        "APILEDGER_FOCUS_VALIDATOR",
        *bills,
        *(name for name in os.environ if name.endswith(_KEYS)),
    ):
        monkeypatch.delenv(name, raising=False)
    # Nor does a run before this one tell of itself.
    monkeypatch.setattr(tested, "PLACE", tmp_path / "promises.json")
    # Nor is a developer's own machine watched.
    watched = ("APILEDGER_CLAUDE", "APILEDGER_CODEX", "APILEDGER_GEMINI", "APILEDGER_LITELLM", "GEMINI_CLI_HOME")
    for name in [name for name in os.environ if name.startswith(watched)]:
        monkeypatch.delenv(name)
    _GUARD.refused.clear()
    yield _GUARD
    # Streamlit leaves the last page it ran here, and a process that a later test starts would run it again.
    sys.modules["__main__"] = _MAIN
    assert not _GUARD.refused, "the test reached beyond itself"


@pytest.fixture
def home(tmp_path: Path, templates: Templates) -> Home:
    """A home of real rows that has its stores and no row; the same one that APILEDGER_HOME names."""
    return templates.once(Home(tmp_path / "own").make(), stores)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Homes that are filled once and copied."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def master_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A made-up master key, base64 of 32 bytes, in the environment."""
    monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
    return MASTER_KEY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real logs and references beside the checkout; a test without it is skipped."""
    if not _SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout: its real logs are not part of the project")
    return _SHARED


@pytest.fixture(scope="session")
def served_dashboard() -> Iterator[tuple[int, object]]:
    """The dashboard, served whole in this process, once: its port, and its Streamlit, which is not begun again."""
    from streamlit.runtime import Runtime

    from dashboards import app
    from tests.dashboards.people_site import served

    with served(app.app) as port:
        yield port, Runtime.instance()


@pytest.fixture(scope="module")
def whole_dashboard(served_dashboard: tuple[int, object]) -> int:
    """The port of the dashboard; it shows the home of the test that asks.

    Streamlit's own tester of a page leaves a process without a Streamlit: pages of the one there is are drawn no more.
    """
    from streamlit.runtime import Runtime

    port, runtime = served_dashboard
    Runtime._instance = runtime  # type: ignore[assignment] # nothing else puts it back
    return port


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """The path of the machine's Chromium for Playwright's `executable_path`; None means Playwright's own."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sandbox home with one published version, made by the real line from a week of 500 calls and their bills."""
    from pipelines.passage import run_pass
    from pipelines.sandbox import bill_file, gateway, providers
    from pipelines.sandbox.company import GATEWAY
    from pipelines.sandbox.ground_truth import GroundTruth

    now = datetime(2026, 6, 30, 12, tzinfo=UTC)
    sandbox = Home(tmp_path_factory.mktemp("published") / "sandbox").make((GATEWAY,), sandbox=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        truth = GroundTruth.make(seed=1, month_ends=now, days=7, calls=500)
        bill_file.add(sandbox, truth, ("openai", "anthropic"))
        gateway.write_logs(truth, sandbox, until=now)
        with providers.connected(sandbox):
            run_pass(sandbox, now, lambda *_: None)
    return sandbox
