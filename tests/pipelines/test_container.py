"""The container file and the compose file, read: what they name exists, nothing runs as root, one port is published."""

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # Dagster's, which ships no types

from pipelines.services.container import spare_packages
from tests.endtoend.container_root import FOLDER, instructions
from warehouse.home import PROJECT

FILE = FOLDER / "Containerfile"
FOUND = instructions(FILE.read_text())
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
_SETTING = re.compile(r"\bAPILEDGER_[A-Z0-9_]+\b")


def last_stage() -> list[tuple[str, str]]:
    """The instructions of the image that is kept."""
    return FOUND[max(at for at, (word, _) in enumerate(FOUND) if word == "FROM") :]


def settings() -> set[str]:
    """Every setting that the program's own text names as a whole word in quotes."""
    files = [
        file
        for package in ("pipelines", "warehouse", "retention", "dashboards")
        for file in PROJECT.glob(f"{package}/**/*.py")
    ]
    return {found for file in files for found in re.findall(r'"(APILEDGER_[A-Z0-9_]+)"', file.read_text())}


def test_what_is_copied_exists_and_is_all_there_is_to_see() -> None:
    """Each source is in the project, and the build may read those and nothing else: no home, no key, no .venv."""
    sources = {
        source for word, rest in FOUND if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    }
    assert {source for source in sources if not (PROJECT / source).exists()} == set()
    seen = (FOLDER / "Containerfile.dockerignore").read_text().splitlines()
    assert seen[1] == "*"
    assert {line[1:] for line in seen if line.startswith("!")} == sources
    packages = {file.parent.name for file in PROJECT.glob("*/__init__.py")} - {"tests"}
    assert packages <= sources


def test_it_is_no_root_and_has_no_secret_and_no_tools() -> None:
    """A numeric user, the key outside the home's volume, hashes for every package, pip gone from what is kept."""
    kept = dict(last_stage())
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", kept["USER"])
    assert kept["USER"] == COMPOSE["services"]["litellm"]["user"]
    env = dict(part.split("=", 1) for part in kept["ENV"].split())
    home, key = Path(env["APILEDGER_HOME"]), Path(env["APILEDGER_KEY_FILE"])
    assert kept["VOLUME"] == f'["{home}", "{key.parent}"]'
    assert not key.is_relative_to(home)
    assert "APILEDGER_MASTER_KEY" not in FILE.read_text()
    installs = [rest for word, rest in FOUND if word == "RUN" and " install " in rest]
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--no-index" in installs[1]
    assert "pip uninstall --yes --quiet pip" in kept["RUN"]
    assert not any("apt" in rest.split() or "apt-get" in rest for _, rest in FOUND)


def test_its_commands_are_there() -> None:
    """What it starts is a module of ours, and what asks after its health is Python that runs."""
    kept = dict(last_stage())
    assert (PROJECT / Path(*ast.literal_eval(kept["ENTRYPOINT"])[2].split("."))).with_suffix(".py").exists()
    python, option, code = ast.literal_eval(kept["HEALTHCHECK"].partition("CMD ")[2])
    assert (python, option) == ("python", "-c")
    assert "/healthz" in code
    # Nobody listens there while this runs, or somebody who is well does: either way it says so by its exit code.
    assert subprocess.run([sys.executable, option, code], cwd=PROJECT, check=False).returncode in {0, 1}


@pytest.mark.parametrize("name", ["ledger", "litellm"])
def test_each_service_is_on_loopback_without_privileges(name: str) -> None:
    """Published ports are the host's loopback's; no capability is held; every volume and network is declared."""
    service: dict[str, Any] = COMPOSE["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    named = set(_SETTING.findall(yaml.safe_dump(service)) + _SETTING.findall(FILE.read_text()))
    assert named - settings() == set()


def test_the_two_share_the_inbox_and_nothing_else() -> None:
    """Ours is read-only, its page alone is published, and no network of it has another container."""
    ours, proxy = COMPOSE["services"]["ledger"], COMPOSE["services"]["litellm"]
    assert ours["read_only"] is True
    assert ours["ports"] == ["127.0.0.1:8501:8501"]
    assert ours["environment"]["APILEDGER_PUBLISHED_ON"] == ours["ports"][0].split(":")[0]
    assert set(ours["networks"]).isdisjoint(proxy["networks"])
    folders = [dict(reversed(one.split(":")[:2]) for one in service["volumes"]) for service in (ours, proxy)]
    assert set(folders[0].values()) & set(folders[1].values()) == {"inbox"}
    assert folders[0]["/data/inbox/litellm"] == folders[1][proxy["environment"]["APILEDGER_INBOX"]] == "inbox"
    settings = yaml.safe_load((FOLDER / "litellm.yaml").read_text())["litellm_settings"]
    assert f"/etc/litellm/{settings['callbacks'].split('.')[0]}.py" in folders[1]


def test_packages_of_tests_and_builds_are_spare() -> None:
    """What a package needs is kept, whatever way it needs it; without the package nothing is said to be spare."""
    spare = spare_packages.spare("streamlit")
    assert {"pytest", "mypy", "setuptools", "dagster"} <= set(spare)
    assert {"streamlit", "pandas", "python-dateutil", "six", "starlette"}.isdisjoint(spare)
    with pytest.raises(PackageNotFoundError):
        spare_packages.spare("no-such-package")
