"""Tokens of machines: read-only, each of the member who made it, by the hash of 256 random bits that only they have.

A token sees what its member may see now: it says nothing of that itself. It ends with its member, its account and its
day; while the account is restricted it opens nothing. Wrong ones make their place wait, as wrong passwords do.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import audit, session, throttle
from warehouse.control import member as members
from warehouse.control.member import Member
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError

# Known again by people, and by programs that look for secrets where none should be.
PREFIX = "aplg_"
LONGEST_NAME = 80
MOST_OF_ACCOUNT = 100
_HINT_LENGTH = len(PREFIX) + 4
_NAME = "token.sealed_name"
_COLUMNS = "token_no, account_no, member_no, hint, sealed_name, made_at, used_on, expires_at"
_FREE_TRIES = 10
_LONGEST_WAIT = timedelta(minutes=5)
# Of an account that is restricted nothing is processed, nor for those who ask by machine.
_LIVING = """(expires_at IS NULL OR expires_at > ?) AND NOT EXISTS (
    SELECT 1 FROM restriction WHERE restriction.account_no = token.account_no AND lifted_at IS NULL)"""


class TokenError(WarehouseError):
    """A token that is asked for cannot be made so."""


@dataclass(frozen=True)
class Token:
    """A token without its secret: whose, its first letters, its name, and its days (UTC); `expires_at` None is never.

    `sealed_name` is opened by `name`.
    """

    token_no: int
    account_no: int
    member_no: int
    hint: str
    sealed_name: str
    made_at: datetime
    used_on: str | None
    expires_at: datetime | None

    def name(self, vault: Vault) -> str:
        """What its member called it."""
        return vault.open(self.account_no, _NAME, self.sealed_name)


@dataclass(frozen=True)
class Refused:
    """No token that lives was shown; who showed it has to wait so long, which is zero for the first wrong ones."""

    wait: timedelta = timedelta(0)


def lookup(secret: str) -> bytes:
    """The hash under which a token is kept; it has 256 random bits, so it needs no salt."""
    return hashlib.sha256(secret.encode()).digest()


def make(
    control: sqlite3.Connection, vault: Vault, member: Member, name: str, now: datetime, expires_at: datetime | None
) -> str:
    """A new token of a member; returns its secret, which is kept nowhere. TokenError without a name, or of too many."""
    called = " ".join(name.split())
    if not called or len(called) > LONGEST_NAME or not called.isprintable():
        raise TokenError(f"give it a name of at most {LONGEST_NAME} characters, such as what will use it")
    if PREFIX in called:
        raise TokenError("that name looks like a token itself; take another one")
    secret = f"{PREFIX}{secrets.token_urlsafe(32)}"
    ends = None if expires_at is None else database.stamp(expires_at)
    with database.transaction(control):
        query = f"SELECT count(*) FROM token WHERE account_no = ? AND {_LIVING}"
        if control.execute(query, (member.account_no, database.stamp(now))).fetchone()[0] >= MOST_OF_ACCOUNT:
            raise TokenError(f"an account has {MOST_OF_ACCOUNT} tokens at most; revoke one that nobody uses")
        sealed = vault.seal(member.account_no, _NAME, called)
        shown = secret[:_HINT_LENGTH]
        row = (member.account_no, member.member_no, lookup(secret), shown, sealed, database.stamp(now), ends)
        number = control.execute(
            """INSERT INTO token (account_no, member_no, lookup, hint, sealed_name, made_at, expires_at)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            row,
        ).lastrowid
        said = "expires=never" if expires_at is None else f"expires={expires_at:%Y-%m-%d}"
        audit.note(control, "token.made", now, actor_no=member.member_no, object_no=number, detail=said)
    return secret


def listed(control: sqlite3.Connection, account_no: int | None = None) -> list[Token]:
    """The tokens of an account, or with None of every account, the oldest first; those that have expired with them."""
    only, values = ("true", ()) if account_no is None else ("account_no = ?", (account_no,))
    rows = control.execute(f"SELECT {_COLUMNS} FROM token WHERE {only} ORDER BY token_no", values).fetchall()
    return [_of_row(row) for row in rows]


def revoke(control: sqlite3.Connection, token_no: int, now: datetime, actor_no: int | None = None) -> bool:
    """End a token at once, and forget it; whether there was one."""
    with database.transaction(control):
        gone = control.execute("DELETE FROM token WHERE token_no = ?", (token_no,)).rowcount == 1
        if gone:
            audit.note(control, "token.revoked", now, actor_no=actor_no, object_no=token_no)
    return gone


def of_secret(control: sqlite3.Connection, vault: Vault, secret: str, ip: str, now: datetime) -> Member | Refused:
    """The member of a token that lives, used today; else a refusal, which counts against the place it came from.

    A place that showed too many wrong ones waits, unless this token was right there before: nobody's guesses at a
    machine's address lock out what already works there.
    """
    found_by = lookup(secret)
    pair = vault.lookup("throttle", "token", found_by.hex(), ip)
    place = vault.lookup("throttle", "tokens", ip)
    if throttle.is_known_pair(control, pair):
        member = _find(control, found_by, now)
        if member is not None:
            _use(control, found_by, pair, member, now)
            return member
    with database.transaction(control):
        # Looked at and counted under one lock, so that many guesses at once are no way around it.
        failures, last = throttle.tally(control, place, now)
        if failures >= _FREE_TRIES:
            pause = min(timedelta(seconds=1 << min(failures - _FREE_TRIES, 20)), _LONGEST_WAIT)
            if last + pause > now:
                return Refused(last + pause - now)
        member = _find(control, found_by, now)
        if member is None:
            throttle.count(control, place, now)
            return Refused()
    _use(control, found_by, pair, member, now)
    return member


def _find(control: sqlite3.Connection, found_by: bytes, now: datetime) -> Member | None:
    query = f"SELECT member_no FROM token WHERE lookup = ? AND {_LIVING}"
    row = control.execute(query, (found_by, database.stamp(now))).fetchone()
    return None if row is None else members.of_number(control, row[0])


def _use(control: sqlite3.Connection, found_by: bytes, pair: bytes, member: Member, now: datetime) -> None:
    """Note the day and the place, once a day each: who asks every few seconds writes nothing."""
    day = now.date().isoformat()
    query = "SELECT 1 FROM token WHERE lookup = ? AND used_on = ?"
    is_today = control.execute(query, (found_by, day)).fetchone() is not None
    if is_today and throttle.is_known_pair(control, pair):
        return
    with database.transaction(control):
        control.execute("UPDATE token SET used_on = ? WHERE lookup = ?", (day, found_by))
        throttle.know(control, pair, member.member_no, now)
        session.use(control, member.member_no, now)


def _of_row(row: tuple[int, int, int, str, str, str, str | None, str | None]) -> Token:
    number, account_no, member_no, hint, sealed_name, made_at, used_on, expires_at = row
    ends = None if expires_at is None else database.moment(expires_at)
    return Token(number, account_no, member_no, hint, sealed_name, database.moment(made_at), used_on, ends)
