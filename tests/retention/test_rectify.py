"""Rectification: the old name is in no byte, every sum stays, and a gateway that still tells it is not believed."""

import json

import pytest

from retention import holding, rectify
from retention.errors import RetentionError
from tests.pipelines.gateway_log import put, query, take_in
from tests.retention import byte_scan
from tests.retention.erased_world import NOW
from tests.retention.held_world import ANNE, BELA, email, held
from warehouse import database
from warehouse.allocation import Rules, made
from warehouse.control import budget, claim
from warehouse.control import member as members
from warehouse.control.vault import Vault
from warehouse.home import Home


def _name(home: Home, kind: str, new: str) -> rectify.Rectified:
    with database.control(home) as control:
        found = holding.find(control, Vault(control, NOW), email(ANNE))
    return rectify.name(home, found, kind, ANNE.word(kind), new, NOW, lambda *_: None)


def _found(home: Home, kind: str) -> dict[str, set[bytes]]:
    return byte_scan.found(home.root, ANNE.word(kind).encode())


@pytest.mark.soak
@pytest.mark.clause("AL-8.2")
@pytest.mark.clause("VA-8.2")
@pytest.mark.usefixtures("plain_bytes")
def test_the_old_name_is_in_no_byte_and_every_sum_stays(home: Home, master_key: str) -> None:
    """Of an account and of its project, with what refers to them by name; told again by the log, it is not believed."""
    assert master_key
    held(home)
    sums = "SELECT day, sum(requests), sum(cost_usd) FROM mart.spend_daily GROUP BY 1 ORDER BY 1"
    before = query(home, sums)
    with database.control(home) as control:
        whose = holding.find(control, Vault(control, NOW), email(ANNE)).owner_no
        limits = (json.dumps([ANNE.word("project")]), whose)
        control.execute("UPDATE ticket SET projects = ? WHERE account_no = ?", limits)
    assert {name.partition("/")[0] for name in _found(home, "project")} >= {"build", "published"}
    assert _found(home, "account")
    done = [_name(home, "project", "atlas"), _name(home, "account", "Anne Ltd")]
    assert [(each.changed, each.searched, each.found_in) for each in done] == [(1, True, ())] * 2
    assert (_found(home, "project"), _found(home, "account")) == ({}, {})
    assert query(home, sums) == before
    assert query(home, "SELECT DISTINCT account, project FROM mart.spend_daily WHERE project = 'atlas'") == [
        ("Anne Ltd", "atlas")
    ]
    put(home, "again.jsonl", ANNE.lines(range(1), request_id="again"))
    take_in(home, NOW)
    assert (_found(home, "project"), _found(home, "account")) == ({}, {})
    assert query(home, "SELECT sum(requests)::INT FROM mart.spend_daily WHERE account = 'Anne Ltd'") == [(7,)]
    with database.control(home) as control:
        found = holding.find(control, Vault(control, NOW), email(ANNE))
        assert claim.labels_of(control, found.owner_no) == ("Anne Ltd",)
        told = {projects for (projects,) in control.execute("SELECT projects FROM ticket")}
        assert json.dumps(["atlas"]) in told


@pytest.mark.clause("AL-8.2")
@pytest.mark.clause("VA-8.2")
def test_an_address_and_a_name_are_put_right_and_what_is_none_is_refused(home: Home, master_key: str) -> None:
    """A member signs in with it, a budget's mails go there; what is another's, and a name that is none, stay."""
    assert master_key
    held(home)
    Rules.of([made({"name": "atlas", "project": "atlas", "cost_centre": "new"}, "here")]).write(home.root)
    take_in(home, NOW)
    centres = (
        "SELECT cost_centre, sum(requests) FROM model.allocated_summary_daily WHERE cost_centre = 'new' GROUP BY 1"
    )
    assert query(home, centres) == []
    done = _name(home, "project", "atlas")
    assert query(home, centres) == [("new", 6)]
    assert (done.changed, done.searched, done.found_in) == (1, True, ())
    assert query(home, "SELECT count(*) FROM mart.spend_daily WHERE project = 'atlas'") == [(6,)]
    assert _found(home, "project") == {}
    old, new = f"{ANNE.word('mail')}@example.org", "right@team.example"
    with database.control(home) as control:
        vault = Vault(control, NOW)
        found = holding.find(control, vault, email(ANNE))
    assert rectify.address(home, found, email(ANNE), "anne@team.example", NOW) == 1
    assert rectify.address(home, found, old, new, NOW) == 1
    with pytest.raises(RetentionError, match="no such address"):
        rectify.address(home, found, email(BELA), "mine@team.example", NOW)
    with pytest.raises(RetentionError, match="cannot be used"):
        rectify.address(home, found, "anne@team.example", email(BELA), NOW)
    with database.control(home) as control:
        assert members.find(control, vault, email(ANNE)) is None
        assert members.find(control, vault, "anne@team.example") is not None
        addresses = [
            budget.address_of(control, Vault(control, NOW), each.budget_no) for each in budget.current(control)
        ]
    assert new in addresses
    assert old not in addresses
    for before, after, why in (
        (ANNE.word("team"), "a@b.example", "no address"),
        (BELA.word("project"), "mine", "no project of that name"),
    ):
        with pytest.raises(RetentionError, match=why):
            rectify.name(home, found, "project", before, after, NOW, lambda *_: None)
