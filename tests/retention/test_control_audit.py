"""What the self-audit asks of the control store beyond clauses and chains: each check finds what it is there for."""

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime

import pytest

from retention import control_audit
from warehouse import database
from warehouse.control import member as members
from warehouse.control import password
from warehouse.control.vault import Vault
from warehouse.home import Home

NOW = datetime(2026, 11, 22, 9)  # noqa: DTZ001 - naive moments are UTC in the store
TODAY = NOW.date()
HASH = password.hashed("canary staple")


@pytest.fixture
def control(home: Home, master_key: str) -> Iterator[sqlite3.Connection]:
    """A control store with a member who signed up, a provider's key and an open request."""
    assert master_key
    with database.control(home) as opened:
        assert members.sign_up(opened, Vault(opened, NOW), "ada@team.example", HASH, NOW)
        number = opened.execute("SELECT account_no FROM member").fetchone()[0]
        opened.execute("PRAGMA foreign_keys = OFF")
        opened.execute("UPDATE member SET member_no = 1")
        opened.execute("UPDATE acceptance SET member_no = 1")
        opened.execute(
            """INSERT INTO connection (connection_no, source, provider, account_no, is_operator, created_at)
               VALUES (5, 'openai', 'openai', ?, 0, ?)""",
            (number, database.stamp(NOW)),
        )
        opened.execute(
            """INSERT INTO credential
               (connection_no, account_no, provider, label, sealed_key, hint, lookup, state, added_at)
               VALUES (5, ?, 'openai', 'sealed', 'v1.x', 'v1.x', x'00', 'working', ?)""",
            (number, database.stamp(NOW)),
        )
        opened.execute("INSERT INTO consent VALUES (5, ?, ?, NULL)", (number, database.stamp(NOW)))
        opened.execute(
            """INSERT INTO rights_request (request_no, account_no, kind, state, asked_at, due_on)
               VALUES (3, ?, 'access', 'open', ?, '2026-12-22')""",
            (number, database.stamp(NOW)),
        )
        yield opened


def _wrong(control: sqlite3.Connection, today: date = TODAY) -> list[str]:
    return [
        *control_audit.passwords(control),
        *control_audit.agreed(control),
        *control_audit.mixed_keys(control),
        *control_audit.withdrawn(control),
        *control_audit.answers(control, today),
        *control_audit.told(control),
    ]


def test_a_store_that_is_as_it_should_be_has_nothing_wrong(control: sqlite3.Connection) -> None:
    """Up to the day on which a request is due."""
    assert _wrong(control) == []
    assert _wrong(control, date(2026, 12, 22)) == []
    assert _wrong(control, date(2026, 12, 23)) == ["request 3 was due on 2026-12-22"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE member SET password_hash = replace(password_hash, 'm=19456', 'm=4096')",
            "1 passwords rest as less than an argon2id hash of today's cost",
        ),
        (
            "UPDATE member SET password_hash = 'canary staple'",
            "1 passwords rest as less than an argon2id hash of today's cost",
        ),
        ("DELETE FROM acceptance", "member 1 signed up without what has to be agreed to"),
        ("UPDATE member SET is_of_age = 0", "member 1 signed up without what has to be agreed to"),
        ("UPDATE connection SET account_no = account_no + 1", "the key of connection 5 is another account's"),
        (
            "UPDATE consent SET withdrawn_at = '2026-11-22T00:00:00.000000Z'",
            "consent for connection 5 was withdrawn and its key is there",
        ),
        (
            """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
               VALUES (1, 'budget', '<a@b>', 'dead', '2026', '2026')""",
            "1 mails were given up; `apiledger doctor` says why",
        ),
    ],
)
def test_what_is_wrong_is_found(control: sqlite3.Connection, sql: str, said: str) -> None:
    """By count and by number, never by a value."""
    control.execute(sql)
    assert _wrong(control) == [said]
