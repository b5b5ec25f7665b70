"""What rests where, in a home that has worked: personal values sealed, none of them in the file that people open."""

import re

import pytest

from retention import hunter, policy, self_audit
from tests.pipelines.gateway_log import NOW, line, put, take_in
from warehouse import database
from warehouse.control import claim, member, session
from warehouse.control.vault import Vault
from warehouse.home import Home

# Words of columns that would say who somebody is, where they sit, or what they looked at.
PERSONAL = re.compile(r"(^|_)(ip|email|mail|address|user_agent|agent|browser|device|password|prompt|cookie)(_|$)")
WATCHING = re.compile(r"view|visit|click|event|analytic|tracking|pageload|behaviou?r")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Calls with addresses and people, a member with an e-mail address, and a look of the operator's."""
    home = Home(tmp_path_factory.mktemp("lived") / "own").make()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        put(home, "a.jsonl", [line(request_id=f"{n}", ip="203.0.113.5", user_agent="curl", user_id="u") for n in "ab"])
        take_in(home)
        with database.control(home) as control:
            vault, now = Vault(control, NOW), NOW.replace(tzinfo=None)
            owner = member.operator(control, vault, now)
            member.sign_up(control, vault, "ada@team.example", "$argon2id$v=19$m=19456,t=2,p=1$x$y", now)
            found_by = session.lookup(session.begin(control, owner.member_no, session.BY_LINK, now))
            claim.open_account(control, vault, found_by, owner.member_no, owner.account_no, "a good reason", now)
    return home


@pytest.mark.clause("AL-5.2")
@pytest.mark.clause("VA-7.1")
@pytest.mark.clause("VA-4.1")
def test_what_is_secret_or_personal_is_sealed_in_every_row(lived: Home) -> None:
    """Each carries the header of a sealed value; one that does not is named by table and column."""
    with database.control(lived) as control:
        assert self_audit.unsealed(control) == []
        sealed = {table for table, column in self_audit.sealed_columns(control)}
        assert {"client", "member", "opening", "outside_id", "data_key"} <= sealed
        control.execute("BEGIN")
        control.execute("UPDATE client SET sealed_ip = '203.0.113.5'")
        assert self_audit.unsealed(control) == ["client.sealed_ip: 1 rows are not sealed"]
        control.execute("ROLLBACK")


@pytest.mark.clause("AL-1.4")
@pytest.mark.clause("VA-2.4")
def test_no_figure_and_no_table_people_open_knows_address_or_browser(lived: Home) -> None:
    """They rest in the control store alone, under the clause that expires them; figures have a number a day."""
    with database.published(lived) as connection:
        columns = connection.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall()
    assert len(columns) > 200
    assert [f"{table}.{column}" for table, column in columns if PERSONAL.search(column)] == []
    found = list(hunter.inventory(lived, policy.load()))
    holding = {
        each.place
        for each in found
        if each.store == "control" and each.column in {"sealed_ip", "sealed_user_agent", "ip", "user_agent"}
    }
    assert holding == {"client"}


@pytest.mark.clause("AL-2.4")
@pytest.mark.clause("VA-4.5")
def test_nothing_counts_what_anybody_looks_at(lived: Home) -> None:
    """No table, column or file is about views, visits or clicks."""
    names = [each.name.rpartition("/")[2] for each in hunter.inventory(lived, policy.load())]
    assert len(names) > 300
    assert [name for name in names if WATCHING.search(name)] == []
