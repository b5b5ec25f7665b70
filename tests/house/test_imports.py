"""Who may import whom, read from the source alone."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from warehouse.home import PROJECT

MAY_IMPORT = {
    "warehouse": {"warehouse"},
    "retention": {"retention", "warehouse"},
    "pipelines": {"pipelines", "retention", "warehouse"},
    "dashboards": {"dashboards", "retention", "warehouse"},
}
ONLY_IN = {
    "dagster": "pipelines/",
    "dlt": "pipelines/",
    "streamlit": "dashboards/",
    "great_expectations": "warehouse/checks/",
}
# Seconds each: imported inside the functions that need them.
LATE = {"great_expectations"}
# What opens a database, by the module it belongs to; DuckDB's module-level functions open one in memory.
OPENERS = {"duckdb": {"connect", "sql", "query", "execute", "DuckDBPyConnection"}, "sqlite3": {"connect", "Connection"}}
MAY_OPEN = "warehouse/database.py"


def imported(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Each imported name in full (`warehouse.money.usd` for `from warehouse.money import usd`) with its statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{'.' * node.level}{node.module or ''}.{alias.name}", node) for alias in node.names)


def opened(tree: ast.AST) -> set[str]:
    """The calls that open a database, under whatever name they were imported."""
    names = {
        alias.asname or alias.name: (f"{node.module}." if isinstance(node, ast.ImportFrom) else "") + alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    calls = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, _, rest = ast.unparse(node.func).partition(".")
            calls.add(names.get(head, head) + (f".{rest}" if rest else ""))
    return {call for call in calls if call.split(".")[-1] in OPENERS.get(call.split(".")[0], set())}


def offences(file: str, source: str) -> list[str]:
    """What in the file goes against the house."""
    tree = ast.parse(source)
    package = file.split("/", maxsplit=1)[0]
    found = []
    for name, statement in imported(tree):
        root = name.split(".")[0]
        if not root:
            found.append("a relative import")
        if root in MAY_IMPORT and root not in MAY_IMPORT[package]:
            found.append(f"{package} imports {root}")
        if root.removeprefix("dagster_") != root:
            root = "dagster"
        if root in ONLY_IN and not file.startswith(ONLY_IN[root]):
            found.append(f"only {ONLY_IN[root]} imports {root}")
        if root in LATE and statement in tree.body:
            found.append(f"{root} is imported at the top")
    if file != MAY_OPEN:
        found.extend(f"only {MAY_OPEN} opens a database: {call}" for call in sorted(opened(tree)))
    return found


def import_order(sources: dict[str, str]) -> list[str]:
    """The modules so that each comes after what it imports, wherever in the file; CycleError where none can."""
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): s for file, s in sources.items()}
    needs = {
        module: {
            known
            for name, _ in imported(ast.parse(source))
            for known in (name, name.rpartition(".")[0])
            if known in modules
        }
        - {module}
        for module, source in modules.items()
    }
    return list(TopologicalSorter(needs).static_order())


def test_every_import_goes_one_way(product_files: list[Path]) -> None:
    """One way between packages, one door for each heavy library, one opener of databases."""
    sources = {str(f): (PROJECT / f).read_text() for f in product_files if f.suffix == ".py"}
    assert sources
    assert {file: found for file, source in sources.items() if (found := offences(file, source))} == {}


def test_no_modules_import_each_other(product_files: list[Path]) -> None:
    """There is an order in which every module comes after what it imports."""
    sources = {str(f): (PROJECT / f).read_text() for f in product_files if f.suffix == ".py"}
    assert len(import_order(sources)) == len(sources)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("warehouse/prices.py", "import retention.seal"),
        ("warehouse/prices.py", "def f():\n    from pipelines import cli"),
        ("retention/seal.py", "from dashboards.app import page"),
        ("pipelines/cli.py", "import dashboards"),
        ("dashboards/app.py", "from pipelines import sandbox"),
        ("dashboards/app.py", "import dlt"),
        ("warehouse/tables.py", "import dagster as dg"),
        ("dashboards/app.py", "from dagster_duckdb import DuckDBResource"),
        ("pipelines/cli.py", "import streamlit"),
        ("pipelines/orchestration/check.py", "def f():\n    import great_expectations"),
        ("warehouse/checks/raw.py", "import great_expectations as gx"),
        ("warehouse/money.py", "from . import errors"),
        ("warehouse/publication.py", "import duckdb\nduckdb.connect('x')"),
        ("warehouse/publication.py", "import duckdb as d\nd.sql('SELECT 1')"),
        ("pipelines/gateways/ingest.py", "from sqlite3 import connect as c\nc('x')"),
    ],
)
def test_an_import_against_the_house_is_found(file: str, source: str) -> None:
    """Each rule bites on the smallest file that breaks it."""
    assert len(offences(file, source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("warehouse/database.py", "import duckdb\nduckdb.connect('x')"),
        ("warehouse/checks/raw.py", "def f():\n    import great_expectations as gx"),
        ("pipelines/definitions.py", "import dagster as dg\nfrom warehouse import tables\nfrom retention import seal"),
        ("warehouse/publication.py", "import duckdb\ndef f(c: duckdb.DuckDBPyConnection): c.execute('SELECT 1')"),
    ],
)
def test_an_import_of_the_house_is_left_alone(file: str, source: str) -> None:
    """What the design allows is no offence."""
    assert offences(file, source) == []


def test_a_circle_of_imports_is_found() -> None:
    """Two modules that import each other are found, also where one does so inside a function."""
    circle = {"a/x.py": "from a import y", "a/y.py": "def f():\n    from a.x import g", "a/__init__.py": ""}
    with pytest.raises(CycleError):
        import_order(circle)
