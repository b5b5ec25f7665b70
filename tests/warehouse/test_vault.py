"""Sealing: what opens with the right key in the right place, and that nothing is touched without it."""

import base64
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipelines.gateway_log import line, one, put, take_in
from warehouse import database
from warehouse.control.vault import Vault, master_key
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22, tzinfo=UTC)
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture
def control(home: Home) -> Iterator[sqlite3.Connection]:
    """The control store of a fresh home."""
    with database.control(home) as connection:
        yield connection


@pytest.mark.attack("T21")
@pytest.mark.clause("AL-5.2")
@pytest.mark.clause("VA-7.1")
def test_what_is_sealed_opens_only_where_it_belongs(control: sqlite3.Connection, master_key: str) -> None:
    """T21: each sealing is another ciphertext; moved to another account or column, or changed, it does not open."""
    assert master_key
    vault = Vault(control, NOW)
    first, second = (vault.seal(1, "client.sealed_ip", "203.0.113.7 ü") for _ in range(2))
    assert first != second
    assert vault.open(1, "client.sealed_ip", first) == vault.open(1, "client.sealed_ip", second) == "203.0.113.7 ü"
    vault.seal(2, "client.sealed_ip", "another account has its own key")
    changed = first[:-8] + ("A" if first[-8] != "A" else "B") + first[-7:]
    for account, place, sealed in (
        (2, "client.sealed_ip", first),
        (1, "client.sealed_user_agent", first),
        (1, "client.sealed_ip", changed),
        (1, "client.sealed_ip", "v1."),
    ):
        with pytest.raises(KeyUnavailableError) as refused:
            vault.open(account, place, sealed)
        assert sealed[3:] == "" or sealed[3:] not in str(refused.value)


def test_without_its_data_key_an_accounts_values_are_gone(control: sqlite3.Connection, master_key: str) -> None:
    """Dropping the wrapped key erases what it sealed: the vault says so and makes no new key to read with."""
    assert master_key
    sealed = Vault(control, NOW).seal(7, "client.sealed_ip", "203.0.113.7")
    control.execute("DELETE FROM data_key")
    with pytest.raises(KeyUnavailableError, match="erased"):
        Vault(control, NOW).open(7, "client.sealed_ip", sealed)
    assert control.execute("SELECT count(*) FROM data_key").fetchone() == (0,)


def test_lookups_are_keyed_and_stable(control: sqlite3.Connection, master_key: str, tmp_path: Path) -> None:
    """The same value is found again in its home and is another number in the next; parts do not run together."""
    assert master_key
    vault = Vault(control, NOW)
    assert vault.lookup("user", "a") == Vault(control, NOW).lookup("user", "a")
    assert vault.lookup("ab", "c") != vault.lookup("a", "bc")
    with database.control(Home(tmp_path / "next").make()) as other:
        assert Vault(other, NOW).lookup("user", "a") != vault.lookup("user", "a")


def test_a_key_file_is_made_once_and_private(
    control: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first vault of a home makes the key beside no home, 0600; the next uses it."""
    path = tmp_path / "keys" / "key"
    monkeypatch.setenv("APILEDGER_KEY_FILE", str(path))
    sealed = Vault(control, NOW).seal(1, "a.b", "text")
    assert path.stat().st_mode & 0o777 == 0o600
    made = path.read_text()
    assert Vault(control, NOW).open(1, "a.b", sealed) == "text"
    assert path.read_text() == made
    assert len(master_key()) == 32


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(31)).decode(), "ü" * 44, "!" * 44])
def test_what_is_no_key_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is 32 bytes in base64; what is wrong with another is said without it."""
    monkeypatch.setenv("APILEDGER_MASTER_KEY", text)
    with pytest.raises(KeyUnavailableError, match="32 bytes in base64") as refused:
        master_key()
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("wrong", ["missing", "another"])
def test_a_pass_without_its_key_stops_and_overwrites_nothing(wrong: str, home: Home, tmp_path: Path) -> None:
    """A missing or another master key: a clear stop, the file stays, no key is made; with the key back all lands."""
    path = tmp_path / "key"
    put(home, "first.jsonl", [line(ip="203.0.113.7")])
    take_in(home)
    kept = path.read_text()
    if wrong == "missing":
        path.rename(tmp_path / "key.away")
    else:
        path.write_text(OTHER_KEY)
    waiting = put(home, "second.jsonl", [line(request_id="second")])
    before = home.people_file.read_bytes()
    with pytest.raises(KeyUnavailableError, match="master key"):
        take_in(home)
    assert waiting.exists()
    assert home.people_file.read_bytes() == before
    assert path.exists() == (wrong == "another")
    path.write_text(kept)
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 2
