"""The first line of a model and of a mart says the journey `source -> target`, and the file reads just that."""

import ast
import re
from pathlib import Path

import pytest

from warehouse import tables
from warehouse.home import PROJECT

_JOURNEY = re.compile(r"^(?P<sources>\S.*?) -> (?P<target>[\w.]+)(?=: |\.|$)")
_TABLE = re.compile(r"\b(?:raw_[\w<>]+|model|mart)\.[a-z_]+\b")
_READ = re.compile(r"(?:\b(?:from|join)\s+|,\s*)((?:raw_\w+|model|mart)\.[a-z_]+)\b(?!\.)", re.IGNORECASE)
_CONSTANTS = {name: table.full_name for name, table in vars(tables).items() if isinstance(table, tables.Table)}
_CONSTANTS["RAW_CALLS"] = "raw_<gateway>.calls"


def journey(line: str) -> tuple[set[str], str]:
    """The sources and the target that a first line says; `model.key|team` is two."""
    said = _JOURNEY.match(line)
    assert said, f"the first line says no journey 'source -> target: what a row is': {line!r}"
    sources = set()
    for source in re.split(r",\s*|\s+and\s+", said["sources"]):
        schema, _, names = source.partition(".")
        assert names, f"a source without its schema: {source!r}"
        sources |= {f"{schema}.{name}" for name in names.split("|")}
    return sources, said["target"]


def read_by_sql(source: str) -> set[str]:
    """The tables a select reads; comments aside, names without a schema are its own subqueries."""
    return {table.lower() for table in _READ.findall(re.sub(r"--[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL))}


def named_by_python(source: str) -> set[str]:
    """The tables a module names: in its strings (docstrings aside), by tables' constants, by its arguments."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "<gateway>" for part in node.values)
            named |= set(_TABLE.findall(text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            named |= set(_TABLE.findall(node.value))
        elif isinstance(node, (ast.Name, ast.Attribute)):
            named |= {_CONSTANTS.get(node.id if isinstance(node, ast.Name) else node.attr, "")} - {""}
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "NAMES":
            named.add(f"model.{ast.literal_eval(node.slice)}" if isinstance(node.slice, ast.Constant) else "model.*")
        elif isinstance(node, ast.arg) and f"model.{node.arg}" in _CONSTANTS.values():
            named.add(f"model.{node.arg}")
    return named


def _covers(said: str, table: str) -> bool:
    def known(text: str) -> str:
        return re.sub(r"<\w+>", "<>", text)

    one, other = known(said), known(table)
    pattern = ".*".join(map(re.escape, re.split(r"<>|\*", one)))
    return re.fullmatch(pattern, other) is not None or (other.endswith("*") and one.startswith(other[:-1]))


def offences(file: Path, source: str) -> list[str]:
    """What the first line says and the file does not read, what it reads and does not say, a target of another name."""
    if file.suffix == ".sql":
        sources, target = journey(source.split("\n", maxsplit=1)[0].removeprefix("-- "))
        touched, home = read_by_sql(source), f"mart.{file.stem}"
    else:
        sources, target = journey((ast.get_docstring(ast.parse(source)) or "").split("\n")[0])
        touched, home = named_by_python(source) - {target}, f"model.{file.stem}"
    found = [f"the target is {target}, the file is {home}"] if target != home else []
    found += [f"said, not read: {said}" for said in sorted(sources) if not any(_covers(said, t) for t in touched)]
    return found + [f"read, not said: {t}" for t in sorted(touched) if not any(_covers(said, t) for said in sources)]


def test_every_model_and_mart_says_what_it_reads(product_files: list[Path]) -> None:
    """The journey in the first line is the journey in the code."""
    walks = [f for f in product_files if f.parts[1] == "marts" and f.suffix == ".sql"]
    walks += [f for f in product_files if f.parts[1] == "models" and f.name != "__init__.py"]
    if not walks:
        pytest.skip("no model and no mart is written yet")
    found = {str(file): offences(file, (PROJECT / file).read_text()) for file in walks}
    assert {file: what for file, what in found.items() if what} == {}


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "marts/a.sql",
            (
                "-- model.usage_daily, model.key -> mart.a: a row\nWITH x AS (SELECT * FROM model.usage_daily)\n"
                "SELECT * FROM x LEFT JOIN model.key USING (key_no) -- from model.team"
            ),
        ),
        (
            "models/requests.py",
            '"""raw_<gateway>.* -> model.requests: one row per call."""\nsql = f"SELECT * FROM raw_{g}.calls"',
        ),
        (
            "models/usage_daily.py",
            '"""model.usage_hourly -> model.usage_daily: days."""\nprint(USAGE_HOURLY.full_name, t.USAGE_DAILY.ddl())',
        ),
        ("models/usage_daily.py", '"""model.usage_hourly -> model.usage_daily: days."""\ndef f(usage_hourly): ...'),
    ],
)
def test_a_journey_that_is_true_is_left_alone(file: str, source: str) -> None:
    """SQL, strings with a gateway in them, tables' constants and frames by name all count as reading."""
    assert offences(Path(file), source) == []


@pytest.mark.parametrize(
    ("file", "source", "what"),
    [
        ("marts/a.sql", "-- model.key -> mart.a: x\nSELECT * FROM model.key, model.team", "not said: model.team"),
        ("marts/a.sql", "-- model.key, model.team -> mart.a: x\nSELECT * FROM model.key", "not read: model.team"),
        ("marts/b.sql", "-- model.key -> mart.a: x\nSELECT * FROM model.key", "the file is mart.b"),
        ("models/usage_daily.py", '"""model.usage_hourly -> model.usage_daily: x."""', "not read: model.usage_hourly"),
        (
            "models/usage_daily.py",
            '"""model.key -> model.usage_daily: x."""\na = "model.key model.team"',
            "said: model.team",
        ),
    ],
)
def test_a_journey_that_is_not_true_is_found(file: str, source: str, what: str) -> None:
    """Each way to be wrong is named."""
    (found,) = offences(Path(file), source)
    assert what in found


def test_a_first_line_without_a_journey_is_found() -> None:
    """A first line that says no journey, or a source without its schema, is refused."""
    for line in ("-- spend by day", "-- usage_daily -> mart.a: x", ""):
        with pytest.raises(AssertionError, match=r"journey|schema"):
            offences(Path("marts/a.sql"), f"{line}\nSELECT 1")
