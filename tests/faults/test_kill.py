"""A pass that is killed with kill -9 anywhere: the next one heals alone, with no call lost and none doubled."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import whole_pass
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from warehouse.home import Home


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Truth]:
    """A home with a first version, and a second batch of files in its inboxes; copied by each test."""
    home, truth = Home(tmp_path_factory.mktemp("begun") / "own").make(GATEWAYS), Truth()
    truth.drop(home, 0)
    assert whole_pass.ended(whole_pass.start(home)) == 0
    assert_healed(home, truth)
    truth.drop(home, 1)
    return home, truth


@pytest.fixture
def copies(begun: tuple[Home, Truth], tmp_path: Path) -> Iterator[Home]:
    """As many copies of the home as a test asks for, each removed when the next is asked for."""

    def fresh() -> Iterator[Home]:
        while True:
            shutil.copytree(begun[0].root, tmp_path / "copy", symlinks=True)
            yield Home(tmp_path / "copy")
            shutil.rmtree(tmp_path / "copy")

    return fresh()


def _heal(home: Home, truth: Truth, what: str) -> None:
    assert whole_pass.ended(whole_pass.start(home)) == 0, f"the pass after {what} failed"
    assert_healed(home, truth)


def _kill_at_random(truth: Truth, copies: Iterator[Home], kills: int) -> None:
    """Until so many kills hit a pass that was still at work."""
    chance = random.Random(20261121)  # noqa: S311 (moments, not secrets)
    takes_s = whole_pass.timed(next(copies))
    hit = 0
    for home in copies:
        after_s = chance.uniform(0, takes_s)
        hit += whole_pass.killed(whole_pass.start(home), after_s)
        _heal(home, truth, f"a kill at {after_s:.3f} s")
        if hit == kills:
            return


def _steps(home: Home) -> int:
    counted = whole_pass.counter()
    assert whole_pass.ended(whole_pass.start(home, steps=counted)) == 0
    return int(counted.value)


def _kill_at_steps(truth: Truth, copies: Iterator[Home], steps: list[int]) -> None:
    for home, step in zip(copies, steps, strict=False):
        assert whole_pass.ended(whole_pass.start(home, kill_at=step)) == -9
        _heal(home, truth, f"a kill before step {step}")


def test_a_pass_killed_at_random_moments_is_healed_by_the_next(
    begun: tuple[Home, Truth], copies: Iterator[Home]
) -> None:
    """One moment at every commit; fifty in `make soak`."""
    _kill_at_random(begun[1], copies, 1)


@pytest.mark.soak
def test_a_pass_killed_before_a_step_on_the_disk_is_healed_by_the_next(
    begun: tuple[Home, Truth], copies: Iterator[Home]
) -> None:
    """Two steps at every commit, every one in `make soak`: renames, removals, links, copies, opened files."""
    every = _steps(next(copies))
    assert every > 50
    _kill_at_steps(begun[1], copies, random.Random(20261121).sample(range(1, every + 1), 2))  # noqa: S311 (as above)


@pytest.mark.soak
def test_fifty_kills_at_random_moments_lose_and_double_nothing(
    begun: tuple[Home, Truth], copies: Iterator[Home]
) -> None:
    """Each of the fifty hit a pass that was at work."""
    _kill_at_random(begun[1], copies, 50)


@pytest.mark.soak
def test_a_kill_before_every_step_on_the_disk_loses_and_doubles_nothing(
    begun: tuple[Home, Truth], copies: Iterator[Home]
) -> None:
    """Each rename, removal, link, copy and file opened for writing of a whole pass, dlt's among them."""
    every = _steps(next(copies))
    print(f"{every} steps")
    _kill_at_steps(begun[1], copies, list(range(1, every + 1)))
