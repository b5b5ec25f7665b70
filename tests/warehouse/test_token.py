"""Tokens: a hash and nothing else is kept; each ends with its member, its account, its day, and by a restriction."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from retention import erase, expire_control, people, policy
from warehouse import database
from warehouse.control import audit, restriction, throttle, token
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.token import Refused, TokenError
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - naive UTC, as the store keeps it
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def control(home: Home, master_key: str) -> Iterator[sqlite3.Connection]:
    """A store with an owner and another member of their account."""
    assert master_key
    with database.control(home) as control:
        vault = Vault(control, NOW)
        members.sign_up(control, vault, "ada@team.example", "hash", NOW)
        with database.transaction(control):
            members.join(control, vault, _of(control, "ada").account_no, "viewer", None, "vera@team.example", "h", NOW)
        yield control


def _of(control: sqlite3.Connection, name: str) -> Member:
    found = members.find(control, Vault(control, NOW), f"{name}@team.example")
    assert found
    return found[0]


def _make(control: sqlite3.Connection, name: str = "ada", ends: datetime | None = None) -> str:
    return token.make(control, Vault(control, NOW), _of(control, name), f"the board of {name}", NOW, ends)


def _shown(control: sqlite3.Connection, secret: str, now: datetime = NOW, ip: str = HERE) -> Member | Refused:
    return token.of_secret(control, Vault(control, now), secret, ip, now)


def test_a_token_is_kept_as_its_hash(control: sqlite3.Connection, home: Home) -> None:
    """256 random bits behind a prefix; no byte of the store has more of it than its first letters."""
    secret = _make(control)
    assert secret.startswith("aplg_")
    assert len(secret) == len("aplg_") + 43
    control.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = b"".join(path.read_bytes() for path in home.root.glob("control.sqlite*"))
    assert secret.encode() not in stored
    assert secret[10:].encode() not in stored
    assert b"the board of" not in stored
    (kept,) = token.listed(control)
    assert (kept.hint, kept.name(Vault(control, NOW)), kept.used_on) == (secret[:9], "the board of ada", None)


def test_its_days_are_written_down_once_each(control: sqlite3.Connection) -> None:
    """The day it was last used, and with it the account's; asked again and again it writes nothing more."""
    secret = _make(control)
    assert _shown(control, secret) == _of(control, "ada")
    before = control.total_changes
    assert _shown(control, secret, NOW + timedelta(hours=2)) == _of(control, "ada")
    assert control.total_changes == before
    assert token.listed(control)[0].used_on == "2026-11-22"
    _shown(control, secret, NOW + timedelta(days=1))
    assert token.listed(control)[0].used_on == "2026-11-23"
    assert control.execute("SELECT used_on FROM account_use").fetchall() == [("2026-11-23",)]


def test_what_has_ended_opens_nothing(control: sqlite3.Connection, home: Home) -> None:
    """Revoked, expired, its account restricted and lifted again, its member removed, its account erased: at once."""
    ada, vera, short = _make(control), _make(control, "vera"), _make(control, ends=NOW + timedelta(days=1))
    assert _shown(control, short) == _of(control, "ada")
    assert _shown(control, short, NOW + timedelta(days=1)) == Refused()
    owner = _of(control, "ada")
    restriction.begin(control, owner.account_no, [], NOW)
    assert _shown(control, ada) == _shown(control, vera) == Refused()
    restriction.lift(control, owner.account_no, NOW)
    assert _shown(control, vera) == _of(control, "vera")
    erase.begin(home, control, people.member(control, _of(control, "vera").member_no), NOW)
    assert _shown(control, vera) == Refused()
    assert token.revoke(control, 3, NOW, owner.member_no)
    assert not token.revoke(control, 3, NOW)
    assert _shown(control, short) == Refused()
    assert _shown(control, ada) == owner
    erase.begin(home, control, people.of_account(control, Vault(control, NOW), owner.account_no), NOW)
    assert _shown(control, ada) == Refused()
    assert token.listed(control) == []


def test_an_expired_one_is_shown_for_a_month(control: sqlite3.Connection) -> None:
    """Then it goes with the night's expiry; one without an end stays."""
    _make(control)
    _make(control, ends=NOW)
    for days, left in ((30, 2), (31, 1)):
        list(expire_control.from_control(control, policy.load(), NOW + timedelta(days=days)))
        assert len(token.listed(control)) == left


def test_wrong_ones_wait_ever_longer_and_lock_nobody_out(control: sqlite3.Connection) -> None:
    """A place waits, even with a right token; one that was right there before goes on, and so do other places."""
    known, fresh = _make(control), _make(control)
    assert _shown(control, known) == _of(control, "ada")
    waits = [_shown(control, f"aplg_{number}", NOW) for number in range(12)]
    assert waits[:10] == [Refused()] * 10
    assert waits[10] == waits[11] == Refused(timedelta(seconds=1))
    assert _shown(control, fresh) == Refused(timedelta(seconds=1))
    assert _shown(control, known) == _of(control, "ada")
    assert _shown(control, fresh, ip=THERE) == _of(control, "ada")
    assert _shown(control, fresh, NOW + timedelta(seconds=1)) == _of(control, "ada")
    assert _shown(control, "aplg_12", NOW + timedelta(seconds=1)) == Refused()
    assert _shown(control, "aplg_13", NOW + timedelta(seconds=2)) == Refused(timedelta(seconds=1))
    assert _shown(control, "aplg_13", NOW + throttle.MEMORY * 2) == Refused()


def test_a_name_is_a_name(control: sqlite3.Connection) -> None:
    """None, too long, of other than letters, or a token by itself: refused; and so is one too many."""
    owner, vault = _of(control, "ada"), Vault(control, NOW)
    for name in ("", "  ", "x" * 81, "a\x00b", _make(control)):
        with pytest.raises(TokenError):
            token.make(control, vault, owner, name, NOW, None)
    control.executemany(
        "INSERT INTO token (account_no, member_no, lookup, hint, sealed_name, made_at) VALUES (?, ?, ?, '', '', '')",
        [(owner.account_no, owner.member_no, bytes([number])) for number in range(token.MOST_OF_ACCOUNT - 1)],
    )
    with pytest.raises(TokenError, match="revoke one"):
        _make(control)


def test_making_and_revoking_is_in_the_audit_chain(control: sqlite3.Connection) -> None:
    """By number, with who did it; no name and no letter of the token."""
    secret, owner = _make(control, ends=NOW + timedelta(days=30)), _of(control, "ada")
    token.revoke(control, 1, NOW, owner.member_no)
    made, revoked = audit.last(control, "token.made"), audit.last(control, "token.revoked")
    assert made
    assert revoked
    assert (made.actor_no, made.object_no, made.detail) == (owner.member_no, 1, "expires=2026-12-22")
    assert (revoked.actor_no, revoked.object_no) == (owner.member_no, 1)
    assert secret[:9] not in str(control.execute("SELECT * FROM audit").fetchall())
    assert audit.wrong(control, []) == []
