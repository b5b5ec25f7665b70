"""The project's own files, as the house rules read them."""

import subprocess
from pathlib import Path

import pytest

from warehouse.home import PROJECT

PACKAGES = ("pipelines", "warehouse", "dashboards", "retention")


@pytest.fixture(scope="session")
def product_files() -> list[Path]:
    """Every .py and .sql file of the four packages, relative to the project."""
    return sorted(
        path.relative_to(PROJECT)
        for package in PACKAGES
        for suffix in ("py", "sql")
        for path in (PROJECT / package).rglob(f"*.{suffix}")
    )


@pytest.fixture(scope="session")
def tracked_files() -> list[Path]:
    """Every file that is or would be committed, relative to the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout: nothing says which files belong to the project")
    return sorted(path for path in map(Path, filter(None, listed.stdout.split("\0"))) if (PROJECT / path).is_file())


@pytest.fixture(scope="session")
def readme() -> str:
    """The README's text."""
    return (PROJECT / "README.md").read_text()
