"""No amount of money passes through a binary float: not in Python, not in the marts' SQL.

What is drawn (a bar's height) or compared (a share) is no amount any more; its line says so: `not money: the height`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.home import PROJECT

_MONEY = re.compile(r"cost|amount|usd|price|balance|spend|credit|budget", re.IGNORECASE)
_BINARY = re.compile(r"\b(?:DOUBLE|FLOAT[48]?|REAL)\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:AVG|MEAN|FAVG|MEDIAN|QUANTILE\w*|STDDEV\w*)\s*\(", re.IGNORECASE)
_EXCUSED = re.compile(r"(?:#|--) not money: \w")
# Where an expression ends on its own level.
_BOUND = re.compile(
    r"\b(?:SELECT|FROM|WHERE|AND|OR|ON|BY|WHEN|THEN|ELSE|AS|HAVING|QUALIFY|UNION|JOIN|DISTINCT|USING)\b|,",
    re.IGNORECASE,
)


def _nested(text: str) -> Iterator[tuple[str, str]]:
    """A text's characters outside parentheses, each with what stands in the parentheses after it."""
    depth, character, inside = 0, "", ""
    for letter in text:
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        if depth or letter == ")":
            inside += letter
        else:
            yield character, inside
            character, inside = letter, ""
    yield character, inside


def _expressions(sql: str) -> Iterator[str]:
    """Every expression of a statement, on every level of parentheses, each with what is nested in it."""
    flat = list(_nested(sql))
    level = "".join(character or " " for character, _ in flat)
    start = 0
    for bound in [*_BOUND.finditer(level), None]:
        end = bound.start() if bound else len(level)
        yield "".join(character + inside for character, inside in flat[start:end])
        start = bound.end() if bound else end
    for _, inside in flat:
        if len(inside) > 2:
            yield from _expressions(inside[1:-1])


def in_sql(sql: str) -> list[str]:
    """The expressions of a mart that take money through DOUBLE: binary types, averages, `/`."""
    lines = (line.replace("/", " ") if _EXCUSED.search(line) else line for line in sql.splitlines())
    plain = re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", "\n".join(lines))
    found = []
    for expression in _expressions(plain):
        level = "".join(character for character, _ in _nested(expression))
        if not _MONEY.search(expression):
            continue
        if "/" in level.replace("//", "") or _AVERAGE.search(expression) or _BINARY.search(expression):
            found.append(" ".join(expression.split()))
    return found


def in_python(source: str) -> list[str]:
    """The calls of float() on something whose name says money."""
    lines = source.splitlines()
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and not _EXCUSED.search(lines[node.lineno - 1])
        and ast.unparse(node.func) in {"float", "np.float64", "numpy.float64"}
        if any(_MONEY.search(ast.unparse(argument)) for argument in node.args)
    ]


def test_no_amount_becomes_a_float(product_files: list[Path]) -> None:
    """Neither float() on an amount in Python nor a road through DOUBLE in a mart."""
    found = {}
    for file in product_files:
        source = (PROJECT / file).read_text()
        found[str(file)] = in_python(source) if file.suffix == ".py" else in_sql(source)
    assert found
    assert {file: what for file, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source", ["float(row.cost_usd)", "float(row['amount'])", "x = [float(p) * 2 for p in (float(balance),)]"]
)
def test_a_float_of_money_is_found(source: str) -> None:
    """By a name, an attribute or a key that says money."""
    assert in_python(source)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(cost_usd) FROM model.requests",
        "SELECT day, sum(cost_usd) / sum(requests) AS each FROM model.usage_daily",
        "SELECT sum(coalesce(cost_usd, 0)) * 1000\n / sum(tokens) FROM t",
        "SELECT cost_usd::DOUBLE FROM t",
        "SELECT CAST(list_cost_usd AS double) FROM t",
        "SELECT * FROM (SELECT day, (price_usd / 2) AS half FROM t)",
        "SELECT quantile_cont(cost_usd, 0.5) FROM t",
    ],
)
def test_a_road_through_double_is_found(sql: str) -> None:
    """DuckDB's AVG, quantiles and `/` give DOUBLE, so no mart uses one on money."""
    assert in_sql(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "-- cost_usd / 2\nSELECT sum(cost_usd) AS cost_usd, sum(error_requests) / sum(requests) AS error_share FROM t",
        "SELECT cost_usd, avg(latency_ms) FROM t WHERE bucket_ms / 2 > 1 AND cost_usd IS NOT NULL",
        "SELECT 'cost/amount' AS label, cost_usd FROM t",
    ],
)
def test_other_figures_may_be_divided(sql: str) -> None:
    """Only money is held to it."""
    assert in_sql(sql) == []


def test_a_line_may_say_that_it_is_no_money() -> None:
    """With a reason, and for that line alone."""
    assert in_python("a = float(cost)  # not money: the height of a bar") == []
    assert in_python("a = float(cost)  # not money:\nb = float(cost)") == ["float(cost)", "float(cost)"]
    assert in_sql("SELECT\n  cost_usd / total_usd AS share  -- not money: a share\nFROM t") == []
    assert in_sql("SELECT\n  cost_usd / 2 AS half,\n  day\nFROM t") == ["cost_usd / 2"]
