"""Consent to a connection withdrawn: its key and that key's data key are in no byte, and only another key brings it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines import passage
from pipelines.bills import connecting, pull
from pipelines.bills.biller import billers
from pipelines.bills.landing import Pulled
from pipelines.cli import cli
from pipelines.sandbox import bill_file, openai_api
from pipelines.sandbox.admin_api import AdminApi
from tests.pipelines.billed_world import LATER
from tests.retention.byte_scan import contents
from warehouse import database
from warehouse.control import consent, credential
from warehouse.control import member as members
from warehouse.control.credential import Credential
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

NOW = LATER.replace(tzinfo=None)
KEY = "sk-admin-canary-9d41c07e55aa"
OPENAI = billers()["openai"]
_SEALED = "SELECT sealed_key, sealed_data_key FROM credential"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[AdminApi]:
    """OpenAI's API of an organisation that was billed nothing yet; nobody's key is in the environment."""
    assert master_key
    monkeypatch.delenv(OPENAI.key_variable or "none", raising=False)
    monkeypatch.setenv("APILEDGER_HOME", str(tmp_path / "own"))
    with openai_api.serve(bill_file.nothing(), KEY) as served:
        monkeypatch.setenv("APILEDGER_OPENAI_API", served.address)
        yield served


def connected(api: AdminApi) -> tuple[Home, Credential]:
    """A home with an account that gave a key which works."""
    home = passage.make_home(Home.own(), NOW)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        members.operator(control, vault, NOW)
        members.sign_up(control, vault, "ada@team.example", "no hash", NOW)
        found = members.find(control, vault, "ada@team.example")
        assert found
    api.key = f"Bearer {KEY}"
    return home, connecting.connect(home, OPENAI, found[0].account_no, "main", KEY, NOW).credential


def tick(home: Home) -> list[Pulled]:
    """What each tick of the schedule does for the provider."""
    return pull.pull_each(home, OPENAI, NOW, lambda *_: None)


def said(home: Home, *words: str) -> Result:
    """Ask by the command line."""
    command = ["rights", "consent", "ada@team.example", *words, "--home", str(home.root)]
    return CliRunner().invoke(cli, command)


def places_of(home: Home, *texts: str) -> set[str]:
    """The files in which one of the texts stands."""
    return {name for name, body in contents(home.root) if any(text.encode() in body for text in texts)}


@pytest.mark.clause("AL-8.4")
def test_a_withdrawal_destroys_the_key_and_its_data_key_and_asks_for_it_anew(api: AdminApi) -> None:
    """Both ciphertexts are in no file, also with the store open elsewhere; no call goes out until a key is given."""
    home, one = connected(api)
    assert tick(home)[0].skipped is None
    with database.control(home) as control:
        ((key, data_key),) = control.execute(_SEALED).fetchall()
        assert places_of(home, key)
        assert places_of(home, data_key)
        asked = len(api.asked)
        told = said(home, str(one.connection_no))
        assert "its key is destroyed" in told.output, told.exception
        assert control.execute(_SEALED).fetchall() == [(None, None)]
        assert places_of(home, KEY, key, data_key) == set()
        with pytest.raises(WarehouseError, match="give it anew"):
            consent.give(control, one.account_no, one.connection_no, NOW)
    assert "apiledger connect openai" in str(said(home, str(one.connection_no), "--give").exception)
    tick(home)
    assert len(api.asked) == asked
    again = connecting.connect(home, OPENAI, one.account_no, "main", KEY, NOW).credential
    assert again.connection_no == one.connection_no
    assert tick(home)[0].skipped is None
    with database.control(home) as control:
        assert not consent.is_withdrawn(control, one.connection_no)
        acts = [act for (act,) in control.execute("SELECT act FROM audit WHERE object_no = ?", (one.connection_no,))]
        assert acts.count("key.removed") == 1


@pytest.mark.clause("AL-8.4")
def test_a_pull_under_way_stores_nothing_once_the_consent_is_withdrawn(api: AdminApi) -> None:
    """Withdrawn while the provider answers: the answer goes nowhere."""
    home, one = connected(api)

    def withdrawing(_: object) -> None:
        with database.control(home) as control:
            consent.withdraw(control, one.account_no, one.connection_no, NOW)

    api.refresh = withdrawing
    (pulled,) = tick(home)
    assert "removed while it was read" in str(pulled.skipped)
    with database.control(home) as control:
        assert control.execute("SELECT count(*) FROM report_day").fetchone() == (0,)
        with pytest.raises(WarehouseError, match="no such connection"):
            consent.withdraw(control, one.account_no + 1, one.connection_no, NOW)


@pytest.mark.clause("AL-5.2")
def test_a_key_of_before_gets_a_data_key_of_its_own_at_its_next_use(api: AdminApi) -> None:
    """Sealed under its account's data key as it used to be; a ciphertext moved to another row opens nowhere."""
    home, one = connected(api)
    with database.control(home) as control:
        vault = Vault(control, NOW)
        before = vault.seal(one.account_no, f"credential.sealed_key/{one.connection_no}", KEY)
        control.execute("UPDATE credential SET sealed_key = ?, sealed_data_key = NULL", (before,))
        for _ in range(2):
            assert credential.opened(control, vault, one.connection_no) is not None
            ((key, data_key),) = control.execute(_SEALED).fetchall()
            assert key != before
            assert data_key is not None
        opened = credential.opened(control, vault, one.connection_no)
        assert opened
        assert opened[1] == KEY
        control.execute("PRAGMA foreign_keys = OFF")
        control.execute("UPDATE credential SET connection_no = connection_no + 1")
        with pytest.raises(WarehouseError, match="does not open"):
            credential.opened(control, vault, one.connection_no + 1)
