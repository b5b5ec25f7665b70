"""Erasure of those who sign in: an account with all its labels, or a member; co-owners keep what is the account's."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines import erasing
from retention import erase, people
from retention.errors import RetentionError
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW, Canary, begin, erased, lived
from tests.retention.people_world import HASH, People, moved_in, rows_of
from warehouse import database, withholding
from warehouse.control import budget, claim, ticket
from warehouse.control import erasure as erasures
from warehouse.control import member as members
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

_ANNE, _BELA, _CARL = Canary(1), Canary(2), Canary(3)
# What people leave in the control store.
_TABLES = {"account", "member", "session", "ticket", "claim", "opening", "throttle", "known_place", "data_key"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, People, People]:
    """Two accounts with a label each, and calls that nobody holds; copied for each test."""
    from tests.conftest import MASTER_KEY

    home = Home(tmp_path_factory.mktemp("people") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", MASTER_KEY)
        lived(home, [_ANNE, _BELA, _CARL])
        return home, moved_in(home, _ANNE), moved_in(home, _BELA)


@pytest.fixture
def ours(made: tuple[Home, People, People], tmp_path: Path, master_key: str) -> tuple[Home, People, People]:
    """A copy of them."""
    assert master_key
    shutil.copytree(made[0].root, tmp_path / "own", symlinks=True)
    return Home(tmp_path / "own"), made[1], made[2]


def _accounts(home: Home) -> list[str]:
    return [name for (name,) in query(home, "SELECT DISTINCT account FROM mart.spend_daily ORDER BY 1")]


@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("AL-8.3")
def test_an_account_goes_with_its_people_and_all_its_labels(ours: tuple[Home, People, People]) -> None:
    """Every table that had something of it has nothing, no file has a word of it; the other account is as it was."""
    home, anne, bela = ours
    assert rows_of(home, anne).keys() >= _TABLES
    assert _ANNE.found(home) != {}
    others, sums = rows_of(home, bela), query(home, "SELECT * FROM mart.spend_daily WHERE account <> 'zq001accountxv'")
    (receipt,) = erased(home, "account", str(anne.account_no))
    assert rows_of(home, anne) == {}
    assert _ANNE.found(home) == {}
    assert byte_scan.found(home.root, rb"zq001former\w*") == {}
    assert rows_of(home, bela) == others
    assert sorted(query(home, "SELECT * FROM mart.spend_daily"), key=repr) == sorted(sums, key=repr)
    told = json.loads(receipt)
    assert (told["kind"], told["found_in"]) == ("account", {})
    assert {name: told["rows"][f"control.{name}"] for name in ("account", "member", "session", "known_place")} == {
        "account": 1,
        "member": 3,
        "session": 3,
        "known_place": 6,
    }
    assert told["rows"]["control.throttle"] == 12
    assert told["rows"]["build.model.requests"] == 6
    # The operator, who had it open, sees their own again.
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM session WHERE opened_account_no IS NOT NULL").fetchone() == (1,)


@pytest.mark.clause("AL-4.2")
def test_from_the_first_moment_nobody_of_the_account_is_signed_in(ours: tuple[Home, People, People]) -> None:
    """Sessions are dead and links good for nothing before a byte is gone; an address may have a new account at once."""
    home, anne, bela = ours
    begin(home, "account", anne.first)
    assert anne.signed_in(home) == ["operator"]
    assert set(bela.signed_in(home)) == {*bela.tokens}
    assert withholding.is_withheld(home)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        assert members.sign_up(control, vault, anne.first, HASH, NOW)
        new = members.find(control, vault, anne.first)
        assert new
        assert new[0].account_no != anne.account_no
        assert claim.labels_of(control, new[0].account_no) == ()
    erasing.resume(home, NOW, lambda *_: None)
    assert anne.member(home, anne.first) == new[0]
    # Later calls under the label are the operator's until somebody claims it anew.
    later = f"{(NOW + timedelta(hours=1)).isoformat()}Z"
    put(home, "later.jsonl", [_ANNE._line(0, request_id="new", ts=later), *_ANNE.lines()])
    take_in(home, NOW + timedelta(hours=2))
    assert query(home, "SELECT sum(requests) FROM mart.spend_daily WHERE account = 'zq001accountxv'") == [(1,)]
    with database.control(home) as control:
        assert claim.holder_of(control, _ANNE.account) is None


def _budget(home: Home, label: str, address: str) -> None:
    with database.control(home) as control:
        vault = Vault(control, NOW)
        place = budget.scope(control, label, None)
        budget.put(control, vault, place, budget.amount("10"), (80,), address, NOW)


@pytest.mark.clause("AL-4.2")
@pytest.mark.clause("VA-8.3")
def test_a_member_goes_alone_and_a_co_owner_keeps_what_is_the_accounts(ours: tuple[Home, People, People]) -> None:
    """Their address, password, sessions, links and places go; labels, calls, the key and the budget stay."""
    home, anne, bela = ours
    _budget(home, _ANNE.account, anne.first)
    _budget(home, _BELA.account, bela.first)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        ticket.invitation(control, vault, anne.account_no, anne.first.upper(), "viewer", None, NOW)
    before, others = rows_of(home, anne), rows_of(home, bela)
    figures, version = query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL"), database.current_version(home)
    (receipt,) = erased(home, "member", anne.first)
    assert anne.member(home, anne.first) is None
    assert anne.signed_in(home) == [anne.second, anne.viewer, "operator"]
    assert byte_scan.found(home.root, rb"zq001ada\w*") == {}
    after = rows_of(home, anne)
    assert {name: before[name] - after[name] for name in before if before[name] != after.get(name, 0)} == {
        "member": 1, "acceptance": 1, "session": 1, "ticket": 2, "throttle": 4, "known_place": 2,
    }  # fmt: skip
    assert rows_of(home, bela) == others
    with database.control(home) as control:
        vault = Vault(control, NOW)
        assert claim.labels_of(control, anne.account_no) == (_ANNE.account,)
        assert len(claim.openings(control, vault, anne.account_no)) == 1
        addresses = [budget.address_of(control, vault, one.budget_no) for one in budget.current(control)]
    # Mails of the account's budget go to the owner who stays, the other account's as before.
    assert addresses == [anne.second, bela.first]
    # Nobody's pages stand still for it, and nothing is published anew.
    assert (query(home, "SELECT * FROM mart.spend_daily ORDER BY ALL"), database.current_version(home)) == (
        figures,
        version,
    )
    told = json.loads(receipt)
    assert (told["kind"], told["found_in"], told["rows"]["control.member"]) == ("member", {}, 1)


def test_the_last_owner_goes_with_the_account_only(ours: tuple[Home, People, People]) -> None:
    """An account without an owner would be nobody's to erase; the operator's account is erased with its home."""
    home, anne, _ = ours
    erased(home, "member", anne.second)
    with pytest.raises(RetentionError, match="last owner"):
        begin(home, "member", anne.first)
    with pytest.raises(RetentionError, match="account list"):
        begin(home, "member", anne.second)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        operator = members.operator(control, vault, NOW)
        with pytest.raises(RetentionError, match="owns the installation"):
            people.of_account(control, vault, operator.account_no)
        # Nor by way of a claim on the label of whoever owns the gateway.
        OutsideIds(control, vault, NOW).accounts("gateway_jsonl", [""])
        claim.put(control, "own", anne.account_no, NOW)
        with pytest.raises(RetentionError, match="owns the installation"):
            people.of_account(control, vault, anne.account_no)
        with pytest.raises(RetentionError, match="last owner"):
            people.member(control, operator.member_no)
    erased(home, "member", anne.viewer)
    assert anne.signed_in(home) == [anne.first, "operator"]


def test_a_label_that_was_let_go_of_is_somebody_elses(ours: tuple[Home, People, People]) -> None:
    """What an account once held and another holds now stays with the other."""
    home, anne, bela = ours
    with database.control(home) as control:
        claim.end(control, _ANNE.account, NOW)
        claim.put(control, _ANNE.account, bela.account_no, NOW)
    (receipt,) = erased(home, "account", anne.second)
    assert _accounts(home) == [_ANNE.account, _BELA.account, _CARL.account]
    assert not [table for table in json.loads(receipt)["rows"] if table.startswith("build.")]


def test_an_account_without_data_holds_nobody_up(home: Home, master_key: str) -> None:
    """Whoever signs up and leaves at once costs no rewrite; before the first version there is, too, and after."""
    assert master_key
    for published in (False, True):
        if published:
            lived(home, [_BELA])
        version = database.current_version(home)
        with database.control(home) as control:
            assert members.sign_up(control, Vault(control, NOW), "zq001x@team.example", HASH, NOW)
        begin(home, "account", "zq001x@team.example")
        assert not withholding.is_withheld(home)
        (receipt,) = erasing.resume(home, NOW, lambda *_: None)
        rows = dict.fromkeys(("control.acceptance", "control.account", "control.data_key", "control.member"), 1)
        assert json.loads(receipt)["rows"] == rows
        assert database.current_version(home) == version
        assert byte_scan.found(home.root, rb"zq001x") == {}


@pytest.mark.clause("AL-4.2")
def test_a_store_that_is_put_back_brings_nobody_back(ours: tuple[Home, People, People], tmp_path: Path) -> None:
    """Member and account of an older control store, with the tombstones of today, are gone after the next pass."""
    home, anne, bela = ours
    older = tmp_path / "older.sqlite"
    database.copied_control(home, older)
    erased(home, "member", bela.first)
    erased(home, "account", anne.first)
    with database.control(home) as control:
        control.execute("ATTACH ? AS older", (str(older),))
        for table in ("data_key", "account", "member", "session", "claim"):
            control.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM older.{table}")
    assert anne.member(home, anne.second)
    assert bela.member(home, bela.first)
    with database.held(home.build_lock), database.build(home) as build, database.control(home) as control:
        assert ["is here again" in said for said in erase.wrong(build, control)] == [True, True]
    take_in(home)
    assert (anne.member(home, anne.second), bela.member(home, bela.first)) == (None, None)
    assert bela.member(home, bela.second)
    assert rows_of(home, anne) == {}
    with database.control(home) as control:
        assert len(erasures.receipts(control)) == 4


def test_a_name_that_nothing_has_any_more_is_in_no_claim_plan_or_limit(ours: tuple[Home, People, People]) -> None:
    """A gateway's account goes while people hold its label: they stay, their claim and their limit forget it."""
    home, anne, _ = ours
    with database.control(home) as control:
        stamp = database.stamp(NOW)
        control.execute(
            "INSERT INTO plan VALUES (1, 'max', 'openai', 7, ?, '20', 1, '2026-11-01', NULL, 'codex', ?)",
            (_ANNE.account, stamp),
        )
    (receipt,) = erased(home, "account", _ANNE.account)
    assert json.loads(receipt)["found_in"] == {}
    viewer = anne.member(home, anne.viewer)
    assert viewer
    assert viewer.projects == ()
    with database.control(home) as control:
        assert claim.labels_of(control, anne.account_no) == ()
        ((covers, fee),) = control.execute("SELECT covers_account, monthly_usd FROM plan").fetchall()
    assert covers.startswith("account ")
    assert fee == "20"


def test_two_owners_who_leave_at_once_leave_one(ours: tuple[Home, People, People]) -> None:
    """Both were found while both were there; the second is told that an account keeps its last owner."""
    home, anne, _ = ours
    with database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, NOW)
        found = [people.find(control, vault, "member", email) for email in (anne.first, anne.second)]
        erase.begin(home, control, found[0], NOW)
        with pytest.raises(RetentionError, match="last owner"):
            erase.begin(home, control, found[1], NOW)
    assert len(erasing.resume(home, NOW, lambda *_: None)) == 1
