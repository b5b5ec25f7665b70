"""Sessions: who is signed in, by the hash of a random id that only their browser has, and until when at the longest."""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from warehouse import database
from warehouse.control import member as members
from warehouse.control.member import Member


@dataclass(frozen=True)
class Limits:
    """How long a session lives without its person, and how long at all."""

    idle: timedelta
    absolute: timedelta


BY_PASSWORD = Limits(timedelta(minutes=30), timedelta(hours=12))
# On a laptop the terminal that printed the link is the second factor: the browser is remembered for a month.
BY_LINK = Limits(timedelta(days=14), timedelta(days=30))
# A page that is clicked through does not write at every click.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """A session that lives: its hash, its member, and the account that its operator has opened."""

    lookup: bytes
    member: Member
    opened_account_no: int | None


def lookup(token: str) -> bytes:
    """The hash under which a session's or a ticket's id is kept; the id has 256 random bits, so it needs no salt."""
    return hashlib.sha256(token.encode()).digest()


def begin(control: sqlite3.Connection, member_no: int, limits: Limits, now: datetime) -> str:
    """A new session; returns its id, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    moment = database.stamp(now)
    idle, ends = database.stamp(now + limits.idle), database.stamp(now + limits.absolute)
    control.execute(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?)",
        (lookup(token), member_no, moment, moment, idle, ends, moment),
    )
    use(control, member_no, now)
    return token


def find(control: sqlite3.Connection, found_by: bytes, now: datetime) -> Session | None:
    """The session of a hash; None where there is none, or it was ended or has run out."""
    moment = database.stamp(now)
    row = control.execute(
        f"""SELECT {members.COLUMNS.replace("member_no", "member.member_no", 1)}, opened_account_no FROM session
            JOIN member ON member.member_no = session.member_no
            JOIN account ON account.account_no = member.account_no
            WHERE session.lookup = ? AND ended_at IS NULL AND idle_until > ? AND ends_at > ?""",
        (found_by, moment, moment),
    ).fetchone()
    return None if row is None else Session(found_by, members.of_row(row[:-1]), row[-1])


def touch(control: sqlite3.Connection, found_by: bytes, now: datetime) -> None:
    """Note that its person is there: the idle time begins anew, as long as it was at first."""
    query = "SELECT seen_at, idle_until, member_no FROM session WHERE lookup = ? AND ended_at IS NULL"
    row = control.execute(query, (found_by,)).fetchone()
    if row is None:
        return
    seen, idle = map(database.moment, row[:2])
    if now - seen >= _SEEN_EVERY and now < idle:
        control.execute(
            "UPDATE session SET seen_at = ?, idle_until = ? WHERE lookup = ?",
            (database.stamp(now), database.stamp(now + (idle - seen)), found_by),
        )
        use(control, row[2], now)


def use(control: sqlite3.Connection, member_no: int, now: datetime) -> None:
    """Their account is used today."""
    day = now.date().isoformat()
    control.execute(
        """INSERT INTO account_use SELECT account_no, ? FROM member WHERE member_no = ?
           ON CONFLICT (account_no) DO UPDATE SET used_on = excluded.used_on WHERE used_on < excluded.used_on""",
        (day, member_no),
    )


def proved_at(control: sqlite3.Connection, found_by: bytes) -> datetime | None:
    """When the person of a session last showed that it is they, by signing in or once more (naive UTC)."""
    row = control.execute("SELECT proved_at FROM session WHERE lookup = ?", (found_by,)).fetchone()
    return None if row is None else database.moment(row[0])


def prove(control: sqlite3.Connection, found_by: bytes, now: datetime) -> None:
    """Note that the person of a session has shown once more that it is they."""
    control.execute("UPDATE session SET proved_at = ? WHERE lookup = ?", (database.stamp(now), found_by))


def limits_of(control: sqlite3.Connection, found_by: bytes) -> Limits:
    """The limits under which a session was begun; those of a password where it is gone."""
    query = "SELECT created_at, ends_at FROM session WHERE lookup = ?"
    row = control.execute(query, (found_by,)).fetchone()
    long = row is not None and database.moment(row[1]) - database.moment(row[0]) > BY_PASSWORD.absolute
    return BY_LINK if long else BY_PASSWORD


def end(control: sqlite3.Connection, found_by: bytes, now: datetime) -> None:
    """End a session."""
    query = "UPDATE session SET ended_at = ? WHERE lookup = ? AND ended_at IS NULL"
    control.execute(query, (database.stamp(now), found_by))


def end_all(control: sqlite3.Connection, member_no: int, now: datetime) -> int:
    """End every session of a member; how many lived."""
    query = "UPDATE session SET ended_at = ? WHERE member_no = ? AND ended_at IS NULL"
    return control.execute(query, (database.stamp(now), member_no)).rowcount


def living(control: sqlite3.Connection, member_no: int, now: datetime) -> int:
    """How many sessions of a member live."""
    query = "SELECT count(*) FROM session WHERE member_no = ? AND ended_at IS NULL AND idle_until > ? AND ends_at > ?"
    moment = database.stamp(now)
    ((count,),) = control.execute(query, (member_no, moment, moment)).fetchall()
    return int(count)
