"""A file is one noun of the domain, short, and says what it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.home import PROJECT

HOLLOW = {"util", "utils", "helper", "helpers", "common", "core", "base", "manager", "misc", "shared", "constants"}
LONGEST_LINES = 300


def undocumented(source: str) -> Iterator[str]:
    """The public things without a docstring: the module, its functions and classes, their methods."""

    def walk(body: list[ast.stmt], inside: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith(
                "_"
            ):
                if not ast.get_docstring(node):
                    yield inside + node.name
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{node.name}.")

    tree = ast.parse(source)
    if not ast.get_docstring(tree):
        yield "the module"
    yield from walk(tree.body, "")


def offences(file: Path, source: str) -> list[str]:
    """What about the file's name, length and docstrings goes against the house."""
    found = []
    words = {word for part in (*file.parts[:-1], file.stem) for word in part.split("_")}
    if hollow := words & HOLLOW:
        found.append(f"a name that says nothing: {', '.join(sorted(hollow))}")
    if (lines := len(source.splitlines())) > LONGEST_LINES:
        found.append(f"{lines} lines: it holds more than one noun")
    if file.suffix == ".py":
        found.extend(f"no docstring: {thing}" for thing in undocumented(source))
    if file.name == "__init__.py" and len(ast.parse(source).body) > 1:
        found.append("an __init__.py with more than its docstring")
    return found


def test_every_file_is_one_noun(product_files: list[Path]) -> None:
    """No hollow name, no file over 300 lines, nothing public without a docstring, no code in an __init__.py."""
    assert product_files
    found = {str(file): offences(file, (PROJECT / file).read_text()) for file in product_files}
    assert {file: what for file, what in found.items() if what} == {}


def test_every_package_says_what_belongs_in_it(product_files: list[Path]) -> None:
    """A folder with modules has an __init__.py, and so a docstring."""
    folders = {file.parent for file in product_files if file.suffix == ".py"}
    assert {folder for folder in folders if folder / "__init__.py" not in product_files} == set()


@pytest.mark.parametrize(
    ("file", "source", "what"),
    [
        ("warehouse/utils.py", '"""A."""', "says nothing"),
        ("warehouse/date_helpers.py", '"""A."""', "says nothing"),
        ("pipelines/common/mail.py", '"""A."""', "says nothing"),
        ("warehouse/credit.py", '"""A."""\n' + "x = 1\n" * 300, "301 lines"),
        ("warehouse/marts/spend.sql", "-- a\n" * 301, "301 lines"),
        ("warehouse/credit.py", "x = 1", "no docstring: the module"),
        ("warehouse/credit.py", '"""A."""\ndef grant() -> None: ...', "no docstring: grant"),
        ("warehouse/credit.py", '"""A."""\nasync def grant() -> None: ...', "no docstring: grant"),
        ("warehouse/credit.py", '"""A."""\nclass Credit: ...', "no docstring: Credit"),
        ("warehouse/credit.py", '"""A."""\nclass C:\n    """B."""\n    def add(self): ...', "no docstring: C.add"),
        ("warehouse/__init__.py", '"""A."""\nimport os', "more than its docstring"),
    ],
)
def test_a_file_against_the_house_is_found(file: str, source: str, what: str) -> None:
    """Each rule bites on the smallest file that breaks it."""
    (found,) = offences(Path(file), source)
    assert what in found


def test_what_is_private_needs_no_docstring() -> None:
    """Private functions and the methods of private classes may go without."""
    source = '"""A."""\ndef _f() -> None: ...\nclass _C:\n    def add(self) -> None: ...'
    assert offences(Path("warehouse/credit.py"), source) == []
