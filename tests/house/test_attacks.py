"""The attacks of the threat model: each is held off by a test, and shown by another to hit a weakened build."""

import ast
from collections.abc import Iterable
from pathlib import Path

from warehouse.home import PROJECT

# Of the attacks on people, sign-in, connections and pages; the others belong to parts of their own.
LISTED = {
    *(f"T{number:02}" for number in (*range(1, 10), *range(13, 17), *range(20, 23))),
    "T28",
    "T30",
}


def _marks(source: str) -> Iterable[tuple[str, bool]]:
    """Every mark of an attack on a test: its id, and whether the build of it is weakened."""
    for test in ast.parse(source).body:
        if not isinstance(test, ast.FunctionDef) or not test.name.startswith("test_"):
            continue
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.attack":
                (number,) = mark.args
                assert isinstance(number, ast.Constant)
                yield str(number.value), any(word.arg == "weakened" for word in mark.keywords)


def _lacking(marks: Iterable[tuple[str, bool]]) -> list[str]:
    """What is missing for an attack to count as shown, and ids that no threat model knows."""
    found = set(marks)
    return [
        *(f"{number}: no test holds it off" for number in sorted(LISTED) if (number, False) not in found),
        *(f"{number}: no weakened build falls to it" for number in sorted(LISTED) if (number, True) not in found),
        *(f"{number}: not listed" for number in sorted({number for number, _ in found} - LISTED)),
    ]


def test_every_attack_is_held_off_and_hits_a_weakened_build() -> None:
    """A guard that is never taken away is not known to guard."""
    files = sorted((PROJECT / "tests").rglob("test_*.py"))
    assert _lacking(mark for file in files for mark in _marks(Path(file).read_text(encoding="utf-8"))) == []


def test_an_attack_without_its_weakened_build_is_found() -> None:
    """Marks on tests alone count, and one of each kind is needed."""
    source = '@pytest.mark.attack("T01")\ndef test_a(): ...\n@pytest.mark.attack("T02", weakened=True)\ndef b(): ...'
    assert list(_marks(source)) == [("T01", False)]
    said = _lacking([("T01", False), ("T02", True), ("T99", False)])
    assert "T01: no weakened build falls to it" in said
    assert "T02: no test holds it off" in said
    assert said[-1] == "T99: not listed"
    assert "T01: no test holds it off" not in said
