"""OWASP ASVS 5.0, level 1: the table in tests/attacks/asvs.toml, and its mark on every test that the table names."""

import tomllib
from dataclasses import dataclass

import pytest

from warehouse.home import PROJECT

TABLE = PROJECT / "tests" / "attacks" / "asvs.toml"


@dataclass(frozen=True)
class Requirement:
    """One requirement: its id, our words for it, the tests that show it, and what is not so.

    `gap` is what of it does not hold; `not_applicable` why nothing here could meet or miss it.
    """

    id: str
    says: str
    tests: tuple[str, ...] = ()
    gap: str = ""
    not_applicable: str = ""


def requirements() -> list[Requirement]:
    """The rows of the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["requirement"]
    return [Requirement(**row | {"tests": tuple(row.get("tests", ()))}) for row in rows]


class AsvsMarks:
    """A plugin: `pytest -m asvs` runs what the table names."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark them."""
        named: dict[str, list[str]] = {}
        for one in requirements():
            for test in one.tests:
                named.setdefault(test, []).append(one.id)
        for item in items:
            for number in named.get(item.nodeid.partition("[")[0], ()):
                item.add_marker(pytest.mark.asvs(number))
