"""The promises of the two policies: every id is there, bound to clauses and to tests that carry it, or said to lack."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from retention import policy
from retention import promises as listed
from retention.errors import PolicyError
from tests.clause_marks import ClauseMarks
from warehouse.home import PROJECT

PROMISES = {promise.id: promise for promise in listed.load(policy.load())}
# The published policies' clauses: apiledger's and the router's.
AL = "1.1 1.2 1.3 1.4 2.1 2.2 2.3 2.4 2.5 2.6 3.1 3.2 3.3 4.1 4.2 4.3 5.1 5.2 5.3 5.4 5.5 5.6 6.1 6.2 6.3 6.4 7.1 7.2"
AL += " 8.1 8.2 8.3 8.4 9.1 9.2 10.1 11.1 11.2"
VA = "1.1 2.1 2.2 2.3 2.4 3.1 3.2 4.1 4.2 4.3 4.4 4.4b 4.5 4.6 4.7 5.1 5.2 5.3 5.4 6.1 6.2 6.3 7.1"
VA += " 8.1 8.2 8.3 8.4 8.5 8.6 9.1 10.1 11.1"
IDS = {f"{letters}-{number}" for letters, numbers in (("AL", AL), ("VA", VA)) for number in numbers.split()}
SAID = """
[[promise]]
id = "AL-1.1"
says = "It is so."
kept = true
tests = ["tests/retention/test_promises.py"]
"""


def _marked() -> dict[str, set[tuple[str, bool]]]:
    """Of every id on a test: the file and whether the test runs at every commit."""
    found: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for file in sorted((PROJECT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            always = not any(mark.startswith("pytest.mark.soak") for mark in marks)
            for mark in marks:
                if told := re.fullmatch(r"pytest\.mark\.clause\('([^']+)'\)", mark):
                    found[told[1]].add((str(file.relative_to(PROJECT)), always))
    return found


MARKED = _marked()


def test_every_clause_of_the_policies_is_a_promise() -> None:
    """Neither one too few nor one too many."""
    assert PROMISES.keys() == IDS


@pytest.mark.parametrize("promise_id", PROMISES)
def test_a_promise_has_clauses_and_tests(promise_id: str) -> None:
    """Its clauses name it, and the tests it names carry it; what is kept has one that runs at every commit."""
    promise = PROMISES[promise_id]
    assert {c for c in promise.clauses if promise_id not in policy.load().clause(c).promises} == set()
    files = {file for file, _ in MARKED[promise_id]}
    assert set(promise.tests) - files == set(), "no test there carries the id"
    assert not promise.kept or any(always for _, always in MARKED[promise_id])


def test_a_test_that_carries_a_promise_is_known() -> None:
    """A clause mark that no promise lists would prove something nobody reads."""
    assert MARKED.keys() - PROMISES.keys() == set()
    named = {promise for clause in policy.load().clauses for promise in clause.promises}
    assert named - PROMISES.keys() == set()


def test_every_promise_is_one_of_the_published_policies(shared: Path) -> None:
    """The list of the policies' clauses has these ids and no other."""
    known = set()
    for row in (shared / "reference" / "clauses.md").read_text(encoding="utf-8").splitlines():
        first = re.sub(r"\(.*?\)", "", row.split("|")[1]) if row.startswith(("| AL-", "| VA-")) else ""
        for part in re.findall(r"(AL|VA)-([\d./b]+)", first):
            known |= {f"{part[0]}-{item}" for item in re.sub(r"\b(AL|VA)-", "", part[1]).strip("/").split("/")}
    assert known == IDS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"AL-1.1"', '"AL-1"', "promise AL-1: id"),
        ("says", "say", "promise AL-1.1: says"),
        ("kept = true", "kept = false", "promise AL-1.1: `lacks` goes with kept = false"),
        ("kept = true", 'kept = true\nlacks = "much"', "`lacks` goes with kept = false"),
        ('tests = ["tests/retention/test_promises.py"]', "", "names the tests or the checks that show it"),
        ("kept = true", 'kept = true\nchecks = ["luck"]', "there is no check luck"),
        ("kept = true", 'kept = true\nclauses = ["R-none"]', "there is no clause R-none"),
        ("[[promise]]", "[[promises]]", r"'promises' is no \[\[promise\]\]"),
        ("[[promise]]", "[[promise", "is no TOML"),
    ],
)
def test_a_mistake_is_told_by_its_promise(old: str, new: str, said: str) -> None:
    """The message names the promise and what to change."""
    with pytest.raises(PolicyError, match=said):
        listed.parsed(SAID.replace(old, new), "promises", policy.load())


def test_an_owners_promises_take_the_place_of_ours(tmp_path: Path) -> None:
    """The whole list; and a promise is there once."""
    own = tmp_path / "promises.toml"
    assert listed.load(policy.load(), own) == list(PROMISES.values())
    own.write_text(SAID)
    assert [promise.says for promise in listed.load(policy.load(), own)] == ["It is so."]
    with pytest.raises(PolicyError, match=r"promise AL-1\.1 is there twice"):
        listed.parsed(SAID + SAID, "promises", policy.load())


def test_a_promise_that_no_test_shows_turns_a_run_red() -> None:
    """As do one whose test failed and a mark that is no promise; a promise that lacks something asks for none."""
    marks = ClauseMarks()

    def ended(promise_id: str, outcome: str) -> None:
        marks.pytest_runtest_logreport(
            SimpleNamespace(  # type: ignore[arg-type] # a report has these and more
                user_properties=[("clause", promise_id)],
                failed=outcome == "failed",
                passed=outcome == "passed",
                when="call",
            )
        )

    kept = [promise for promise in PROMISES.values() if promise.kept]
    for promise in kept:
        ended(promise.id, "passed")
    assert marks.unshown(PROMISES.values()) == []
    ended(kept[0].id, "failed")
    ended("AL-99.1", "passed")
    marks.passed.remove(kept[1].id)
    assert marks.unshown(PROMISES.values()) == [
        f"promise {kept[1].id} is kept, and no test of it passed",
        f"promise {kept[0].id} is kept, and a test of it failed",
        "a test is marked AL-99.1, which is no promise",
    ]
