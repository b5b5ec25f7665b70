"""Protected mode against subtraction: nothing that is added up or taken off from what is published tells of under five.

Each team's project has a number of calls that is a power of two, so that any sum says which of them are in it.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain

import numpy as np
import pyarrow as pa
import pytest

from pipelines.passage import make_home
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import NOW
from warehouse import database, protected_copy
from warehouse.home import Home
from warehouse.protected_copy import LEAST

ACCOUNTS = 80
DAY = date(2026, 11, 3)
# A project and a team, None is none, and who works there; in the order of their powers of two.
World = dict[tuple[int | None, int | None], frozenset[int]]
# What a reader can add up, by table.
_SUMS = (
    ("model.usage_daily", ("project_no", "team_no")),
    ("model.usage_daily", ("team_no",)),
    ("model.usage_daily", ("project_no",)),
    ("model.usage_daily", ()),
    ("model.latency_daily", ("project_no",)),
)


def _world(seed: int) -> World:
    """Up to four teams with up to four projects and one to eight people in each; some people in several."""
    dice = random.Random(seed)  # noqa: S311 - the same worlds at each run, and no secret
    people = range(dice.choice((4, 6, 9, 30)))
    cells = [(project, team) for team in (None, 1, 2, 3) for project in (None, 1, 2, 3)]
    return {
        (project and seed * 10 + project, team and seed * 10 + 5 + team): frozenset(
            dice.sample(people, min(len(people), dice.randint(1, 8)))
        )
        for project, team in dice.sample(cells, dice.randint(1, 9))
    }


WORLDS = {account: _world(account) for account in range(1, ACCOUNTS + 1)}


def _used() -> Iterator[dict[str, object]]:
    for account, world in WORLDS.items():
        for number, ((project, team), people) in enumerate(world.items()):
            for place, person in enumerate(sorted(people)):
                calls, key = 0 if place else 1 << number, account * 100 + person
                names = {"project_no": project, "team_no": team, "key_no": key}
                yield {"day": DAY, "account_no": account, **names, "requests": calls}


def _slow() -> Iterator[dict[str, object]]:
    for account, world in WORLDS.items():
        for number, (project, _) in enumerate(world):
            yield {"day": DAY, "account_no": account, "project_no": project, "requests": 1 << number}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[int]]:
    """Every number of calls that can be read of each account's one day."""
    home = Home(tmp_path_factory.mktemp("differences") / "own")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        make_home(home, NOW)
        with database.build(home) as build:
            for table, rows in (("usage_daily", _used()), ("latency_daily", _slow())):
                build.register("told", pa.Table.from_pylist(list(rows)))
                build.execute(f"INSERT INTO model.{table} BY NAME SELECT * FROM told")
                build.unregister("told")
            protected_copy.written(build, home.root / "protected.duckdb")
    read: dict[int, set[int]] = defaultdict(set)
    connection = database.read_only(home.root / "protected.duckdb")
    for table, groups in _SUMS:
        columns = ", ".join(("account_no", *groups))
        sums = f"SELECT {columns}, sum(requests)::BIGINT FROM {table} GROUP BY ALL"
        for account, *_, calls in connection.execute(sums).fetchall():
            read[account].add(calls)
    connection.close()
    return read


def _people(world: World, cells: int) -> set[int]:
    return set(chain.from_iterable(people for number, people in enumerate(world.values()) if cells >> number & 1))


def _given_away(world: World, sums: Iterable[int]) -> list[set[int]]:
    """Groups of fewer than LEAST of whom some combination of the sums tells, and of nobody else.

    There is one where the sums, seen without the group's columns, are fewer than they are with them.
    """
    size = len(world)
    told = np.array([[cells >> number & 1 for number in range(size)] for cells in sums])
    rank = np.linalg.matrix_rank(told)
    found = []
    for cells in range(1, 1 << size):
        others = [number for number in range(size) if not cells >> number & 1]
        people = _people(world, cells)
        if len(people) < LEAST and (not others or np.linalg.matrix_rank(told[:, others]) < rank):
            found.append(people)
    return found


@pytest.mark.clause("AL-3.3")
def test_no_combination_of_sums_tells_of_fewer_than_five(seen: dict[int, set[int]]) -> None:
    """Of eighty made-up companies; of one that has no five people at all nothing but its whole is told."""
    assert seen.keys() == WORLDS.keys()
    for account, world in WORLDS.items():
        whole = (1 << len(world)) - 1
        assert whole in seen[account]
        if len(_people(world, whole)) < LEAST:
            assert seen[account] == {whole}
        else:
            assert _given_away(world, seen[account]) == [], f"company {account}: {world}"


def test_what_can_be_told_is_told(seen: dict[int, set[int]]) -> None:
    """Projects are named in their team, teams without their projects: not all is hidden to be safe."""
    cells = [(seen[account], 1 << number) for account, world in WORLDS.items() for number in range(len(world))]
    assert sum(cell in read for read, cell in cells) > ACCOUNTS / 2
    assert sum(len(read) > 1 for read in seen.values()) > ACCOUNTS / 3


def test_the_attack_finds_what_a_threshold_alone_gives_away() -> None:
    """A team's total beside its larger project tells of the smaller; beside a total of both teams it tells of none."""
    world: World = {(1, 1): frozenset(range(6)), (2, 1): frozenset({7, 8}), (2, 2): frozenset({9, 10, 11})}
    assert _given_away(world, [0b011, 0b001]) == [{7, 8}]
    assert _given_away(world, [0b111, 0b001]) == []
    assert _given_away(world, [0b111, 0b011, 0b001]) == [{7, 8}, {9, 10, 11}]
