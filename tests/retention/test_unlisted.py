"""A table, a column and a folder that somebody adds to the program and not to the policy turn its tests red."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.home import PROJECT

# File, what stands there, and what somebody puts in its place.
_ADDED = {
    "model.profile.age": (
        "warehouse/bill_tables.py",
        "BILL_TABLES = (CONNECTION,",
        'BILL_TABLES = (Table("model", "profile", "A person.", (Column("age", "BIGINT", "Years."),)), CONNECTION,',
    ),
    "model.bill_day.payer_email": (
        "warehouse/bill_tables.py",
        '        Column("lines", "BIGINT", "Lines of the bill."),\n',
        '        Column("lines", "BIGINT", "Lines."),\n        Column("payer_email", "VARCHAR", "Who pays."),\n',
    ),
    "page_view.account_no": (
        "warehouse/control/migrations/m005_sources.sql",
        "UPDATE connection SET source = provider;",
        "UPDATE connection SET source = provider; CREATE TABLE page_view (account_no INTEGER) STRICT;",
    ),
    "uploads": (
        "warehouse/home.py",
        "self.tmp,",
        'self.tmp, self.root / "uploads",',
    ),
}


@pytest.mark.clause("AL-1.3")
def test_what_is_added_without_a_clause_turns_the_tests_red(tmp_path: Path) -> None:
    """The hunter's own test, run in a copy of the project with the four additions, fails and names each of them.

    Without them it passes: it is one of the tests beside this one.
    """
    for name in ("pipelines", "warehouse", "retention", "tests", "dashboards"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    test = "tests/retention/test_hunter.py::test_everything_at_rest_has_a_clause"
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:xdist", "-p", "no:cacheprovider", test]
    command.append(f"--basetemp={tmp_path / 'pytest'}")

    for file, there, instead in _ADDED.values():
        source = (tmp_path / file).read_text(encoding="utf-8")
        assert source.count(there) == 1, f"{file} reads otherwise now"
        (tmp_path / file).write_text(source.replace(there, instead), encoding="utf-8")
    changed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert changed.returncode == 1
    assert [name for name in _ADDED if f"'{name}'" not in changed.stdout] == []
