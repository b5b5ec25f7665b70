"""The promises that time carries out: each bound to clauses that name it and to tests that carry its id."""

import re
import tomllib
from pathlib import Path

import pytest

from retention import policy
from warehouse.home import PROJECT

_TEXT = (PROJECT / "retention" / "promises.toml").read_text(encoding="utf-8")
PROMISES = {promise["id"]: promise for promise in tomllib.loads(_TEXT)["promise"]}


@pytest.mark.parametrize("promise_id", PROMISES)
def test_a_promise_has_clauses_and_tests(promise_id: str) -> None:
    """Its clauses name it, each of its tests is marked with it, and it says so in our own words."""
    promise = PROMISES[promise_id]
    assert promise.keys() == {"id", "says", "clauses", "tests", "whole"}
    assert {c for c in promise["clauses"] if promise_id not in policy.load().clause(c).promises} == set()
    for file in promise["tests"]:
        assert f'@pytest.mark.clause("{promise_id}")' in (PROJECT / file).read_text(encoding="utf-8"), file


def test_a_test_that_carries_a_promise_is_bound_to_it() -> None:
    """A clause mark of retention's tests that no promise lists would prove something nobody reads."""
    for file in sorted((PROJECT / "tests" / "retention").glob("test_*.py")):
        if file.name == Path(__file__).name:
            continue
        marked = set(re.findall(r'@pytest\.mark\.clause\("([^"]+)"\)', file.read_text(encoding="utf-8")))
        name = str(file.relative_to(PROJECT))
        assert {one for one in marked if name not in PROMISES[one]["tests"]} == set()


def test_every_promise_is_one_of_the_published_policies(shared: Path) -> None:
    """Also those that only a clause names: the list of the policies' clauses knows each id."""
    known = (shared / "reference" / "clauses.md").read_text(encoding="utf-8")
    named = {promise for clause in policy.load().clauses for promise in clause.promises} | PROMISES.keys()

    def spelled(promise: str) -> set[str]:
        letters, _, number = promise.partition("-")
        section, _, item = number.partition(".")
        return {
            promise,
            f"{letters}-{section}.{int(item) - 1}/{section}.{item}",
            f"{letters}-{section}.1/{section}.{item}",
        }

    assert {promise for promise in named if not any(text in known for text in spelled(promise))} == set()
