"""The throttle of signing in: guesses slow down by account and place, and nobody can lock an owner out.

A place is an IP address, kept as a keyed hash. Guesses from one place at one account wait ever longer, up to five
minutes; one place that fails everywhere waits; and where an account is guessed at from many places, only places that
never signed in to it wait. An owner comes in from a known place, or by a link of the command line.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import member as members
from warehouse.control.vault import Vault

_FREE_GUESSES = 5
_LONGEST_WAIT = timedelta(minutes=5)
_PLACE_FAILURES = 60
_ACCOUNT_FAILURES = 100
# Failures are forgotten this long after the last one.
MEMORY = timedelta(hours=1)


@dataclass(frozen=True)
class Guess:
    """Who is guessed at and from where, as keyed hashes; an address that nobody has is treated as any other.

    `member_no` where it is known beforehand whose password it is; `member` finds who has the address.
    """

    pair: bytes
    place: bytes
    account: bytes
    member: bytes
    member_no: int | None = None

    @staticmethod
    def of(vault: Vault, email: str, ip: str, member_no: int | None = None) -> "Guess":
        """The guess at an address from an IP; with `member_no` at the password of somebody who is signed in."""
        text = email.casefold() if member_no is None else str(member_no)
        return Guess(
            vault.lookup("throttle", "pair", text, ip),
            vault.lookup("throttle", "place", ip),
            vault.lookup("throttle", "account", text),
            members.lookup(vault, email),
            member_no,
        )


def wait(control: sqlite3.Connection, guess: Guess, now: datetime) -> timedelta:
    """How long this guess has to wait; zero where it may be made."""
    longest = timedelta(0)
    failures, last = tally(control, guess.pair, now)
    if failures >= _FREE_GUESSES:
        pause = min(timedelta(seconds=1 << min(failures - _FREE_GUESSES, 20)), _LONGEST_WAIT)
        longest = max(longest, last + pause - now)
    known = is_known(control, guess)
    for found_by, most in ((guess.place, _PLACE_FAILURES), (guess.account, _ACCOUNT_FAILURES)):
        failures, last = tally(control, found_by, now)
        if failures >= most and not known:
            longest = max(longest, last + _LONGEST_WAIT - now)
    return longest


def is_known(control: sqlite3.Connection, guess: Guess) -> bool:
    """Whether a guess from this place at this account was right before."""
    return is_known_pair(control, guess.pair)


def is_known_pair(control: sqlite3.Connection, pair: bytes) -> bool:
    """The same by the keyed hash of both."""
    return control.execute("SELECT 1 FROM known_place WHERE lookup = ?", (pair,)).fetchone() is not None


def know(control: sqlite3.Connection, pair: bytes, member_no: int | None, now: datetime) -> None:
    """Know a pair of account and place from now on; it goes with its member."""
    control.execute(
        "INSERT OR REPLACE INTO known_place (lookup, seen_at, member_no) VALUES (?, ?, ?)",
        (pair, database.stamp(now), member_no),
    )


def repeated(control: sqlite3.Connection, now: datetime) -> list[tuple[int, int, datetime]]:
    """Members whose sign-ins fail so often that they wait: the number, how many failed, and when the last one did."""
    rows = control.execute(
        """SELECT member_no, max(failures), max(last_at) FROM throttle
           WHERE member_no IS NOT NULL AND failures >= ? AND last_at >= ? GROUP BY member_no ORDER BY member_no""",
        (_FREE_GUESSES, database.stamp(now - MEMORY)),
    ).fetchall()
    return [(number, failures, database.moment(last)) for number, failures, last in rows]


def admit(control: sqlite3.Connection, guess: Guess, now: datetime) -> timedelta:
    """Zero, and the guess counts as wrong from this moment on; else how long it has to wait.

    Counted before the password is compared, so that many guesses at once are no way around it.
    """
    with database.transaction(control):
        pause = wait(control, guess, now)
        if pause <= timedelta(0):
            member_no = _whose(control, guess)
            for found_by, whose in ((guess.pair, member_no), (guess.place, None), (guess.account, member_no)):
                count(control, found_by, now, whose)
    return max(pause, timedelta(0))


def count(control: sqlite3.Connection, found_by: bytes, now: datetime, member_no: int | None = None) -> None:
    """Count one more try under a keyed hash; with the member it is about, it goes when they are erased."""
    failures, _ = tally(control, found_by, now)
    row = (found_by, failures + 1, database.stamp(now), member_no)
    control.execute("INSERT OR REPLACE INTO throttle (lookup, failures, last_at, member_no) VALUES (?, ?, ?, ?)", row)


def _whose(control: sqlite3.Connection, guess: Guess) -> int | None:
    if guess.member_no is not None:
        return guess.member_no
    row = control.execute("SELECT member_no FROM member WHERE lookup = ?", (guess.member,)).fetchone()
    return None if row is None else int(row[0])


def succeeded(control: sqlite3.Connection, guess: Guess, now: datetime) -> None:
    """The guess was right: forget the wrong ones of this place at this account, and know the place from now on."""
    with database.transaction(control):
        control.execute("DELETE FROM throttle WHERE lookup = ?", (guess.pair,))
        query = "UPDATE throttle SET failures = failures - 1 WHERE lookup IN (?, ?) AND failures > 0"
        control.execute(query, (guess.place, guess.account))
        know(control, guess.pair, _whose(control, guess), now)


def tally(control: sqlite3.Connection, found_by: bytes, now: datetime) -> tuple[int, datetime]:
    """How often it failed under a keyed hash, and when last; what is long past does not count."""
    row = control.execute("SELECT failures, last_at FROM throttle WHERE lookup = ?", (found_by,)).fetchone()
    if row is None or database.moment(row[1]) < now - MEMORY:
        return 0, now
    return row[0], database.moment(row[1])
