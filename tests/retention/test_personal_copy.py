"""The copy of one person: all of their own rows, in the form of a bundle, and no byte of anybody else's."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from pipelines import passage
from retention import bundle_import, holding, hunter, own_people, personal_copy, policy, subjects
from retention.errors import RetentionError
from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import put
from tests.retention.erased_world import NOW, Canary, lived
from tests.retention.people_world import People, moved_in
from warehouse import database
from warehouse.control import budget, claim, right
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home

ANNE, BELA = Canary(1), Canary(2)
# Somebody else of the same account.
KIM, CUSTOMER = "kim-of-anne@example.org", "customer-of-anne@example.org"
_FORMS = ("json/", "csv/", "parquet/")


@dataclass(frozen=True)
class World:
    """A home with two accounts, one of them with two users and three members."""

    home: Home
    people: People


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two passes' worth of calls, and people who sign in."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        home = Home(tmp_path_factory.mktemp("copied") / "own").make()
        other = {"user_id": KIM, "end_user_id": CUSTOMER, "ip": "198.51.100.7", "user_agent": "kims-agent"}
        put(home, "kim.jsonl", ANNE.lines(range(1), request_id="kims-call", **other))
        put(home, "another-kim.jsonl", BELA.lines(range(1), request_id="another-call", user_id=KIM))
        lived(home, [ANNE, BELA])
        yield World(home, moved_in(home, ANNE))


@pytest.fixture(autouse=True)
def _key(master_key: str) -> None:
    assert master_key


def _copied(world: World, kind: str, text: str) -> Path:
    """The copy of a user, asked for by their account."""
    with database.control(world.home) as control:
        vault, number = Vault(control, NOW), world.people.account_no
        found = own_people.find(control, vault, holding.of_account(control, number), kind, text)
        asked = right.ask(control, vault, number, "access", "", NOW, subject="user" if kind == "user" else "end_user")
        return personal_copy.of_subject(world.home, control, found, number, asked.request_no, NOW)


def _of_member(world: World, email: str) -> Path:
    with database.control(world.home) as control:
        vault = Vault(control, NOW)
        found = members.find(control, vault, email)
        assert found
        asked = right.ask(control, vault, found[0].account_no, "access", "", NOW, member=found[0], subject="member")
        return personal_copy.of_member(world.home, control, found[0], asked.request_no, NOW)


def _text(path: Path, folder: str = "") -> str:
    """All files of a bundle, or of a folder in it, as one text; Parquet read."""
    with zipfile.ZipFile(path) as archive:
        raw = {name: archive.read(name) for name in archive.namelist() if name.startswith(folder)}
    return "\n".join(
        str(pl.read_parquet(io.BytesIO(data)).rows()) if name.endswith(".parquet") else data.decode()
        for name, data in raw.items()
    )


def _rows(path: Path, dataset: str) -> list[dict[str, object]]:
    with zipfile.ZipFile(path) as archive:
        return [json.loads(line) for line in archive.read(f"json/{dataset}.jsonl").decode().splitlines()]


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
@pytest.mark.parametrize("kind", ["user", "end_user"])
def test_a_user_gets_their_calls_and_nobody_elses(world: World, kind: str) -> None:
    """Id, address, user agent and six calls in each form; no byte of another user, the other kind, or an account."""
    path = _copied(world, kind, f"{ANNE.word(kind)}@example.org")
    for form in _FORMS:
        text = _text(path, form)
        assert [word for word in (ANNE.word(kind), ANNE.word("agent"), ANNE.word("tag")) if word not in text] == []
        assert "203.0.1.3" in text
    every, other = _text(path), "end_user" if kind == "user" else "user"
    for theirs in (KIM, CUSTOMER, "198.51.100.7", "kims", ANNE.word(other), ANNE.word("ada"), "zq002"):
        assert theirs not in every, theirs
    calls = _rows(path, "model.requests")
    assert len(calls) == 6
    assert {call[f"{other}_no"] for call in calls} == {None}
    with database.control(world.home) as control:
        numbers = subjects.find(control, Vault(control, NOW), other, f"{ANNE.word(other)}@example.org").numbers
    assert re.findall("|".join(map(str, numbers)), every) == []
    assert len(_rows(_copied(world, kind, KIM if kind == "user" else CUSTOMER), "model.requests")) == 1


@pytest.mark.clause("AL-8.1")
@pytest.mark.clause("VA-8.1")
def test_a_member_gets_what_is_held_of_them_alone(world: World) -> None:
    """Address, role, limits, sessions and links, their mails' address; not a word of who shares the account."""
    with database.control(world.home) as control:
        place = budget.scope(control, ANNE.account, None)
        budget.put(control, Vault(control, NOW), place, budget.amount("5"), (50,), world.people.viewer.upper(), NOW)
    path, first = _of_member(world, world.people.viewer), _of_member(world, world.people.first)
    for form in _FORMS:
        text = _text(path, form)
        assert [each for each in (world.people.viewer, ANNE.word("project"), "viewer") if each not in text] == []
    assert [row["role"] for row in _rows(path, "control.member")] == ["viewer"]
    assert len(_rows(path, "control.session")) == 1
    assert len(_rows(path, "control.budget")) == 1
    every = _text(path)
    others = (world.people.first, world.people.second, "zq002", ANNE.word("user"))
    assert [each for each in others if each in every] == []
    assert world.people.viewer.casefold() not in _text(first).casefold()
    assert [row["role"] for row in _rows(first, "control.member")] == ["owner"]
    assert "argon2id" not in every


@pytest.mark.clause("AL-8.1")
def test_every_table_with_a_person_is_in_their_copy(world: World) -> None:
    """What the inventory knows to carry a person's number has a dataset; a table added tomorrow has, too."""
    user, member = _copied(world, "user", KIM), _of_member(world, world.people.first)
    there = list(hunter.inventory(world.home, policy.load()))
    build = {each.place for each in there if each.store == "build" and each.column == "user_no"}
    control = {f"control.{each.place}" for each in there if each.store == "control" and each.column == "member_no"}
    assert build - json.loads(_schema(user)).keys() == set()
    # Where an operator looked is the account's to know.
    assert control - json.loads(_schema(member)).keys() == {"control.opening"}
    assert min(len(build), len(control)) > 1


def _schema(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read("schema.json").decode()


def test_nobody_finds_another_accounts_people(world: World) -> None:
    """Bela's user and nobody's are answered alike; an id that two names of an account have asks for the name."""
    with database.control(world.home) as control:
        vault, mine = Vault(control, NOW), holding.of_account(control, world.people.account_no)
        answers = set()
        for text in (f"{BELA.word('user')}@example.org", "nobody@example.org", "user 1"):
            with pytest.raises(RetentionError) as told:
                own_people.find(control, vault, mine, "user", text)
            answers.add(str(told.value))
        assert len(answers) == 1
        claim.put(control, BELA.account, world.people.account_no, NOW)
        both = holding.of_account(control, world.people.account_no)
        with pytest.raises(RetentionError, match="say which account"):
            own_people.find(control, vault, both, "user", KIM)
        found = {
            name: own_people.find(control, vault, both, "user", KIM, name).numbers
            for name in (ANNE.account, BELA.account)
        }
        assert len({tuple(numbers) for numbers in found.values()}) == len(found)
        claim.end(control, BELA.account, NOW)


def test_a_copy_is_no_bundle_of_an_account(world: World, tmp_path: Path) -> None:
    """Another home refuses it; a later copy of a member takes the earlier one's place, and leaves those of users."""
    copy, earlier = _copied(world, "user", KIM), _of_member(world, world.people.first)
    fresh = passage.make_home(Home(tmp_path / "fresh"), NOW)
    with pytest.raises(RetentionError, match="copy of one person"):
        bundle_import.take_in(fresh, copy, NOW)
    assert _of_member(world, world.people.first).exists()
    assert not earlier.exists()
    assert copy.exists()
