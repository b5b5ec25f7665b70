"""Another master key while everything goes on: nothing that was sealed is lost, and the old key opens nothing."""

import threading
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.bills import connection_health
from warehouse import database
from warehouse.control import rotation, vault
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

NOW = datetime(2026, 6, 30, 12)  # noqa: DTZ001 - UTC in the store
PLACE = "credential.sealed_key"


@pytest.fixture(params=[300, pytest.param(100_000, marks=pytest.mark.soak)])
def sealed(home: Home, request: pytest.FixtureRequest) -> dict[int, str]:
    """A secret of each of many accounts, sealed under the master key of the file."""
    with database.control(home) as control, database.transaction(control):
        keys = Vault(control, NOW)
        return {number: keys.seal(number, PLACE, f"secret {number}") for number in range(1, request.param + 1)}


@pytest.mark.clause("AL-5.2")
def test_the_key_changes_under_load(home: Home, sealed: dict[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers old and new, and a writer of new accounts, meet no error; afterwards the old key opens nothing."""
    before = vault.master_key_file().read_text()
    several = len(sealed)
    ended, errors, done = threading.Event(), list[Exception](), [0, 0]

    def read(*, fresh: bool) -> None:
        try:
            with database.control(home) as control:
                keys, number = Vault(control, NOW), 0
                while not ended.is_set() or number < 3:
                    number += 1
                    keys = Vault(control, NOW) if fresh else keys
                    account = number % several + 1
                    assert keys.open(account, PLACE, sealed[account]) == f"secret {account}"
                done[0] += number
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's
            errors.append(error)

    def write() -> None:
        try:
            with database.control(home) as control:
                keys, number = Vault(control, NOW), 10**6
                # Begun late on a busy machine, it writes all the same.
                while not ended.is_set() or number == 10**6:
                    number += 1
                    sealed[number] = keys.seal(number, PLACE, f"secret {number}")
                done[1] = number - 10**6
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's
            errors.append(error)

    threads = [threading.Thread(target=read, kwargs={"fresh": fresh}) for fresh in (True, False)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert rotation.rotate([home]) >= several
    ended.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert min(done) > 0
    with database.control(home) as control:
        keys = Vault(control, NOW)
        assert all(keys.open(number, PLACE, text) == f"secret {number}" for number, text in sealed.items())
        monkeypatch.setenv("APILEDGER_MASTER_KEY", before)
        with pytest.raises(KeyUnavailableError, match="another master key"):
            Vault(control, NOW)
        (wrapped,) = control.execute("SELECT wrapped FROM data_key WHERE account_no = 1").fetchone()
        with pytest.raises(KeyUnavailableError):
            vault.opened(AESGCM(vault.master_key()), wrapped, vault.bound(1, vault.DATA_KEY))


def test_a_change_that_broke_off_is_gone_on_with(tmp_path: Path, home: Home) -> None:
    """Killed after the first of two homes was rewrapped: both open as before, and running it again ends it."""
    homes = [home, Home(tmp_path / "second").make()]
    secrets = []
    for each in homes:
        with database.control(each) as control:
            secrets.append(Vault(control, NOW).seal(1, PLACE, "secret"))
    vault.write_key(vault.next_key_file())
    rotation._rewrapped(home, *(AESGCM(key) for key in vault.master_keys()))

    def opens() -> bool:
        for each, text in zip(homes, secrets, strict=True):
            with database.control(each) as control:
                assert Vault(control, NOW).open(1, PLACE, text) == "secret"
        return True

    following = vault.next_key_file().read_text()
    assert any("rotate" in finding.next_step for finding in connection_health.findings(home, NOW))
    assert opens()
    assert rotation.rotate(homes) == 1
    assert opens()
    assert vault.master_key_file().read_text() == following
    assert not vault.next_key_file().exists()


def test_a_key_that_cannot_be_changed_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is in the environment, and one that wraps another home than this."""
    with database.control(home) as control:
        Vault(control, NOW)
    before = vault.master_key_file().read_text()
    with monkeypatch.context() as environment:
        environment.setenv("APILEDGER_MASTER_KEY", before)
        with pytest.raises(KeyUnavailableError, match="APILEDGER_KEY_FILE"):
            rotation.rotate([home])
    vault.master_key_file().unlink()
    vault.write_key(vault.master_key_file())
    with pytest.raises(KeyUnavailableError, match="nothing was changed"):
        rotation.rotate([home])
    assert not vault.next_key_file().exists()
