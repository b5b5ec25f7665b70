"""Many accounts with all an account can have, in every place: found there before, in no file after, others untouched.

After real loads, mails sent, exports made, pages looked at, months closed, and runs of Dagster that failed. What is
missing from the world turns the first test red.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.figures import marts, viewer
from dashboards.figures.viewer import Viewer
from pipelines.materialization.landed import missing_loads
from retention import bundle, expire_control, policy, self_scan
from tests.attacks.canary_accounts import moment
from tests.attacks.canary_search import Search
from tests.attacks.canary_walk import Walk
from tests.pipelines.gateway_log import put, query, take_in
from tests.pipelines.stored_runs import run_job
from tests.retention import whole_places, whole_world
from tests.retention.erased_world import Canary, begin, erased
from tests.retention.people_world import moved_in
from tests.retention.whole_world import NIGHTS, World
from warehouse import conservation, database
from warehouse.allocation import Rules
from warehouse.errors import WithheldError
from warehouse.home import Home

# That they were erased, by numbers that nothing has any more; an audit tells what was done, by number.
_KEPT = {"control.tombstone", "control.audit"}


def _accounts(connection: object, looks: Viewer, _asked: int) -> list[str]:
    allowed, bound = looks.account_condition()
    only = f"SELECT DISTINCT account FROM mart.spend_daily WHERE {allowed} ORDER BY 1"
    rows = connection.execute(only, bound).fetchall()  # type: ignore[attr-defined] # DuckDB's
    return [name for (name,) in rows if name.startswith("zq")]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages are looked at by the operator; what they remember is dropped afterwards."""
    monkeypatch.setattr(viewer, "current", Viewer)
    yield
    marts.forget()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An account that goes and one that stays."""
    with whole_world.lived(tmp_path_factory.mktemp("two"), 1, 1) as world:
        yield world


@pytest.fixture
def _of_two(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in two.accounts.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.clause("AL-4.2")
@pytest.mark.usefixtures("_of_two")
def test_the_world_has_something_in_every_place(two: World) -> None:
    """The guard: a table, a text column or a kind of file that is new, and that it has nothing in, is named here."""
    assert whole_places.without(two) == set()


@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("AL-8.1")
@pytest.mark.usefixtures("looks", "_of_two")
def test_nothing_of_an_account_is_left(two: World) -> None:
    """As the soak has it of 200; their bundle tells lists of tags, and what an auditor gave as a reason."""
    (path,) = two.home.exports.glob("rights-*.zip")
    with bundle.opened(path) as own:
        assert ["zq001tagxv"] in own.table("model.usage_tag_daily")["tags"].to_pylist()
        assert own.table("control.look").num_rows > 0
    _assert_gone(two)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.clause("AL-4.2")
@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("packed", [True, False])
def test_nothing_of_two_hundred_accounts_is_left(
    tmp_path: Path, packed: bool, request: pytest.FixtureRequest, whole_dashboard: int
) -> None:
    """In one go, with DuckDB's compression and without it, after Dagster's own runs, one of which fails."""
    if not packed:
        request.getfixturevalue("plain_bytes")
    with whole_world.lived(tmp_path, 200, 5) as world:
        walk = Walk(world.accounts, whole_dashboard, Search(tmp_path), 6)
        for _ in range(6):
            walk.interleave()
        assert walk.search.met
        world.accounts.log("more.jsonl", [1])
        assert run_job(world.home, "a_pass")
        (world.home.root / "prices.toml").write_text("no prices")
        assert not run_job(world.home, "a_pass")
        (world.home.root / "prices.toml").unlink()
        whole_world.failed(world.home, world.gone[0])
        # Passes took away what others had left.
        whole_world.left_behind(world.home, world.gone[0])
        assert whole_places.without(world) == set()
        _assert_gone(world)


def _assert_gone(world: World) -> None:
    home, gone, numbers = world.home, {each.number for each in world.gone}, whole_places.numbers_of(world)
    # The control: of each of those who go, every class that any of them has is found before.
    told = whole_places.texts(world)
    classes = {place for place, whose in told.items() if whose & gone}
    few = {place for place in classes if not gone <= told[place]}
    assert few == set()
    held = {table for table, count in whole_places.rows(world, numbers).items() if count}
    kinds = {kind for kind, names in whole_places.files(world).items() if names}
    assert min(len(classes), len(held)) > 25
    assert len(kinds) > 12
    assert self_scan.scan(home, [world.gone[-1].account]).found
    everybody = marts.answer(_accounts, 1)
    assert {each.account for each in world.accounts.canaries} <= set(everybody)
    # Told apart by team, an account is called by its label and the team's.
    left = [name for name in everybody if int(name[2:5]) not in gone]
    kept = _of_those(home, left)
    receipts = erased(home, "account", *(str(world.owner(each).member.account_no) for each in world.gone), now=moment())
    assert [json.loads(each)[what] for each in receipts for what in ("found_in", "unread")] == [{}, {}] * len(gone)
    with database.control(home) as control:
        list(expire_control.from_control(control, policy.load(), moment() + NIGHTS))
        control.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole_world.exported(world)
    assert world.found() == {}
    assert {table for table, count in whole_places.rows(world, numbers).items() if count} <= _KEPT
    still = {place for place, whose in whole_places.texts(world).items() if whose & gone}
    # To whom something was disclosed is told of whoever received it.
    assert still <= {"control.audit.detail"}
    assert marts.answer(_accounts, 1) == left
    assert _of_those(home, left) == kept
    rules = Rules.read(home.root).rules
    assert {rule.account for rule in rules} == set(left) & {each.account for each in world.accounts.canaries}
    with database.read_only(home.build_file) as build, database.control(home) as control:
        assert missing_loads(build, control) == []
        assert conservation.differences(build) == []
    # Offered again: none lands.
    world.accounts.log("again.jsonl", range(3, 6))
    take_in(home, moment())
    assert _of_those(home, left) == kept
    assert marts.answer(_accounts, 1) == left
    assert world.found() == {}
    print(f"{len(gone)} accounts, {len(classes)} texts, {len(held)} tables, {len(kinds)} kinds of files: 0 bytes left")


def _of_those(home: Home, left: list[str]) -> list[tuple[object, ...]]:
    listed = ", ".join(f"'{name}'" for name in left)
    return query(home, f"SELECT * FROM mart.spend_daily WHERE account IN ({listed}) ORDER BY ALL")


@pytest.mark.usefixtures("looks")
def test_a_page_remembers_nobody_while_they_are_erased(home: Home, master_key: str) -> None:
    """What it answered a moment before is refused and forgotten, of all accounts at once."""
    assert master_key
    put(home, "calls.jsonl", [*Canary(1).lines(), *Canary(2).lines()])
    take_in(home)
    people = moved_in(home, Canary(1))
    assert len(marts.answer(_accounts, 1)) == 2
    begin(home, "account", str(people.account_no))
    with pytest.raises(WithheldError):
        marts.answer(_accounts, 1)
