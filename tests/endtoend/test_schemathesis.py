"""Schemathesis on `/api`, against the dashboard served whole with a real token: no 5xx, no break of a schema."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dashboards.api import api_document, representation
from tests.conftest import MASTER_KEY
from tests.dashboards import machine_site, made_version
from tests.dashboards.people_site import now
from warehouse.control import token as tokens
from warehouse.home import PROJECT, Home

REQUIREMENT = "schemathesis==4.32.5"
# A query may be well formed and make no sense (422), or ask for a version that is not the newest (409).
_CONFIG = """
headers = { Authorization = "Bearer ${APILEDGER_TOKEN}" }
seed = 20261122
[generation]
max-examples = %d
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "409", "422"]
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3000)]


class Served(NamedTuple):
    """The dashboard of a home on a port, and a token of an account that has figures."""

    home: Home
    port: int
    token: str


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    """Schemathesis in a virtual environment of its own under build/, made once; its program."""
    folder = PROJECT / "build" / "schemathesis-venv"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bin" / "st").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", REQUIREMENT], check=True)
    return folder / "bin" / "st"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, whole_dashboard: int) -> Iterator[Served]:
    """The dashboard, whole, with ten weeks of figures up to this moment."""
    home = Home(tmp_path_factory.mktemp("schemathesis") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_HOME", str(home.root))
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        made_version.publish(home, 1, now().replace(microsecond=0))
        made = machine_site.people(home)
        yield Served(home, whole_dashboard, made.tokens["ada"])


def run(schemathesis: Path, site: Served, folder: Path, examples: int) -> subprocess.CompletedProcess[str]:
    """Every check on every route; the token is in its environment, where no list of processes shows it."""
    config = folder / "schemathesis.toml"
    config.write_text(_CONFIG % examples)
    address = f"http://127.0.0.1:{site.port}{api_document.PATH}"
    return subprocess.run(
        [schemathesis, "--no-color", "--config-file", config, "run", address, "--mode", "all"],
        env={**os.environ, "APILEDGER_TOKEN": site.token},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _of_the_home(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APILEDGER_HOME", str(site.home.root))
    monkeypatch.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
    # Each of eleven routes is asked with a wrong token, and the eleventh within a second of the tenth has to wait; that
    # has tests of its own, and here each wrong token has to get its own answer.
    monkeypatch.setattr(tokens, "_FREE_TRIES", 1000)


def test_schemathesis_finds_nothing(schemathesis: Path, site: Served, tmp_path: Path) -> None:
    """Each route with what its document allows and with what it does not, by every check there is."""
    done = run(schemathesis, site, tmp_path, 60)
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_schemathesis_would_have_found_a_fault(
    schemathesis: Path, site: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: an amount as a number is a break of the schema."""
    exact = representation.value_of
    monkeypatch.setattr(representation, "value_of", lambda value: 1.5 if str(value)[:1].isdigit() else exact(value))
    done = run(schemathesis, site, tmp_path, 5)
    assert done.returncode == 1
    assert "violates schema" in done.stdout
