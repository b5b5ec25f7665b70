"""The lock is complete and hashed, and no file of the project names a registry or somebody's machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from warehouse.home import PROJECT

_PIN = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
_REGISTRY = re.compile(
    r"""https?://[^\s"'<>)]*(?:/simple\b|pythonhosted|artifactory|devpi|/nexus|/pypi/)
    | --(?:extra-)?index-url[=\ ]+\S
    | --find-links[=\ ]+\S
    | \b(?:PIP|UV)_(?:EXTRA_)?(?:DEFAULT_)?INDEX(?:_URL)?\s*=""",
    re.VERBOSE,
)
_MACHINE = re.compile(r"(?<![\w.~$}*-])/(?:home|root|Users|work|mnt|media)/[\w.]+")


def pins(lock: str) -> dict[str, int]:
    """Each locked package and how many hashes it has."""
    entries = re.split(r"\n(?=\S)", lock)
    return {match[1]: entry.count("--hash=sha256:") for entry in entries if (match := _PIN.match(entry))}


def normal(requirement: str) -> str:
    """The package a requirement is of, as the index spells it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def strangers(text: str) -> list[str]:
    """The registries and folders of a machine that the text names."""
    return [match[0] for pattern in (_REGISTRY, _MACHINE) for match in pattern.finditer(text)]


def test_every_dependency_is_locked_with_hashes() -> None:
    """What pyproject.toml asks for stands in the lock, and every package of the lock has a hash."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    locked = pins((PROJECT / "requirements.lock").read_text())
    assert {normal(requirement) for requirement in asked} - set(locked) == set()
    assert {name for name, hashes in locked.items() if not hashes} == set()


def test_an_exact_version_is_the_locked_one() -> None:
    """Where pyproject.toml pins a release, the lock has that release."""
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    exact = {normal(requirement): requirement.partition("==")[2] for requirement in asked if "==" in requirement}
    locked = dict(_PIN.findall((PROJECT / "requirements.lock").read_text()))
    assert exact
    assert {name: locked[name] for name in exact} == exact


def test_the_lock_names_packages_and_hashes_only() -> None:
    """No address and no option stands in the lock, so that it installs from whichever index a machine uses."""
    lock = (PROJECT / "requirements.lock").read_text()
    assert "://" not in lock
    assert [line for line in lock.splitlines() if line.startswith("-")] == []


def test_no_file_names_a_registry_or_a_machine(tracked_files: list[Path]) -> None:
    """No address of an index and no absolute folder of a machine stands in any file of the project."""
    found = {}
    for file in tracked_files:
        try:
            found[str(file)] = strangers((PROJECT / file).read_text())
        except UnicodeDecodeError:
            continue  # a picture
    assert found
    assert {file: what for file, what in found.items() if what} == {}


def test_uv_lock_is_ignored() -> None:
    """Uv writes the index's address into uv.lock, so git never takes one."""
    ignored = subprocess.run(["git", "check-ignore", "--no-index", "-q", "uv.lock"], cwd=PROJECT, check=False)
    if ignored.returncode not in {0, 1}:
        pytest.skip("no git checkout: nothing is ignored")
    assert ignored.returncode == 0


def test_a_pin_without_hash_is_found() -> None:
    """A package without hashes counts none; extras and markers do not hide it."""
    lock = "dlt[duckdb]==1.31.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\nnaked==1 ; python_version > '3'\n"
    assert pins(lock) == {"dlt": 2, "naked": 0}


# Put together here so that this file does not find itself.
@pytest.mark.parametrize(
    "text",
    [
        "https://" + "files.python" + "hosted.org/packages/x.whl",
        "http://" + "mirror.internal:8080/simple",
        "pip install --index" + "-url mirror/x",
        "PIP" + "_INDEX_URL=x",
        "see /ho" + "me/alice/apiledger",
        "open('/wo" + "rk/main/x')",
        "/Us" + "ers/alice",
    ],
)
def test_a_registry_or_a_machine_is_found(text: str) -> None:
    """Each pattern bites."""
    assert strangers(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://duckdb.org/docs/root/x",
        "~/.config/apiledger/key",
        "uv pip compile --no-emit-index-url",
        "/v1/work/items",
    ],
)
def test_an_ordinary_address_is_left_alone(text: str) -> None:
    """Documentation, the user's own home and a URL's path are no strangers."""
    assert strangers(text) == []
