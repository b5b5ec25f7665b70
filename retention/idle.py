"""Accounts that nobody uses (clause R-idle): their owners are told once, and thirty days later they are erased.

Used is an account to which somebody signed in, whose calls come in, or whose bills are read. Never erased are the
operator's, one that a hold or a restriction keeps, one that waits for an answer, and one whose owners were not told.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from retention import erase, holding, people
from retention.policy import IDLE, Policy
from warehouse import database
from warehouse.control import audit, hold, letter, notice, restriction
from warehouse.control import member as members
from warehouse.control.notice import IDLE_WARNING
from warehouse.control.vault import Vault
from warehouse.home import Home

KIND: notice.Kind = "account_idle"
_UNTOLD = "its owners were not told yet, or have no address"


@dataclass(frozen=True)
class Idle:
    """An account that is about to go: the UTC day it was last used, when its owners were told, its last day.

    `kept_by` says in a few words why it stays all the same; None where nothing keeps it.
    """

    account_no: int
    used_on: date
    told_at: datetime | None
    last_day: date
    kept_by: str | None

    def is_due(self, today: date) -> bool:
        """Whether it is erased today."""
        return self.kept_by is None and self.told_at is not None and today > self.last_day


def note_use(control: sqlite3.Connection, build: duckdb.DuckDBPyConnection | None, policy: Policy, today: date) -> None:
    """Note up to when each account was used, by what is known today; whoever was never looked at is used today."""
    with database.transaction(control):
        control.execute("INSERT OR IGNORE INTO account_use SELECT account_no, ? FROM account", (today.isoformat(),))
        # A day to come was noted by a clock that ran ahead.
        control.execute("UPDATE account_use SET used_on = ? WHERE used_on > ?", (today.isoformat(),) * 2)
    for number, used_on in _candidates(control, policy, today):
        found = _last_seen(control, build, number)
        if found is not None and found > used_on:
            query = "UPDATE account_use SET used_on = ? WHERE account_no = ? AND used_on < ?"
            day = min(found, today).isoformat()
            control.execute(query, (day, number, day))


def _candidates(control: sqlite3.Connection, policy: Policy, today: date) -> list[tuple[int, date]]:
    """The accounts whose owners are to be told by now, or were; the operator's is none."""
    before = policy.clause(IDLE).cutoff(today) + IDLE_WARNING
    rows = control.execute(
        """SELECT account_no, used_on FROM account_use JOIN account USING (account_no)
           WHERE is_operator = 0 AND used_on <= ? ORDER BY used_on, account_no""",
        (before.isoformat(),),
    ).fetchall()
    return [(number, date.fromisoformat(used_on)) for number, used_on in rows]


def _last_seen(control: sqlite3.Connection, build: duckdb.DuckDBPyConnection | None, number: int) -> date | None:
    """The newest day of an account's calls, or up to which a bill of its own was read."""
    query = "SELECT max(read_until) FROM connection WHERE account_no = ?"
    ((read_until,),) = control.execute(query, (number,)).fetchall()
    found = [date.fromisoformat(read_until)] if read_until else []
    if build is not None:
        listed = ", ".join(map(str, holding.of_account(control, number).numbers))
        query = f"SELECT max(day) FROM model.usage_daily WHERE account_no IN ({listed})"
        found += [day for (day,) in build.execute(query).fetchall() if day is not None]
    return max(found, default=None)


def listed(control: sqlite3.Connection, policy: Policy, today: date) -> list[Idle]:
    """Every account that goes within a month or stays for a reason, the one used longest ago first."""
    held = {number for one in hold.listed(control) if one.is_active(today) for number in one.accounts}
    return [_stands(control, policy, held, *each, today) for each in _candidates(control, policy, today)]


def _stands(
    control: sqlite3.Connection, policy: Policy, held: set[int], number: int, used_on: date, today: date
) -> Idle:
    last_day = used_on + timedelta(days=policy.clause(IDLE).kept_days or 0)
    rows = control.execute(
        "SELECT queued_at, sent_at FROM told WHERE account_no = ? AND kind = ?", (number, KIND)
    ).fetchall()
    told = [(database.moment(queued), database.moment(sent)) for queued, sent in rows if sent is not None]
    # A clock that stood behind when the mail went out makes nobody's days fewer.
    told_at = min((max(both) for both in told), default=None)
    told_on = today if told_at is None else told_at.date()
    kept_by = _kept_by(control, held, number, is_queued=bool(rows), is_told=told_at is not None)
    return Idle(number, used_on, told_at, max(last_day, told_on + IDLE_WARNING), kept_by)


def _kept_by(control: sqlite3.Connection, held: set[int], number: int, *, is_queued: bool, is_told: bool) -> str | None:
    numbers = set(holding.of_account(control, number).numbers)
    if numbers & held:
        return "a hold keeps it"
    if numbers & restriction.numbers(control):
        return "it is restricted"
    query = "SELECT 1 FROM rights_request WHERE account_no = ? AND state = 'open'"
    if control.execute(query, (number,)).fetchone() is not None:
        return "a request of its waits for an answer"
    if is_told:
        return None
    if not letter.has_server(control):
        return "no mail server is named, so nobody could be told"
    return "the mail that tells its owners has not gone out yet" if is_queued else _UNTOLD


def tell(control: sqlite3.Connection, policy: Policy, now: datetime) -> list[int]:
    """Tell the owners of accounts that nobody uses, each account once; their numbers.

    `now` is naive UTC. Nobody is told of an account that is kept for another reason; that one was told is forgotten
    once it is used again.
    """
    _take_back(control, now)
    told = []
    for one in listed(control, policy, now.date()):
        if one.told_at is not None or one.kept_by != _UNTOLD:
            continue
        with database.transaction(control):
            query = "SELECT 1 FROM told WHERE account_no = ? AND kind = ?"
            if control.execute(query, (one.account_no, KIND)).fetchone() is not None:
                # By another night, at this very moment.
                continue
            owners = [each for each in members.of_account(control, one.account_no) if each.is_owner]
            day = one.last_day.toordinal()
            reached = [each for each in owners if notice.tell(control, each, KIND, now, about_no=day)]
            control.executemany(
                "INSERT OR REPLACE INTO told VALUES (?, ?, ?, 0, ?, NULL, NULL)",
                [(each.member_no, one.account_no, KIND, database.stamp(now)) for each in reached],
            )
            if reached:
                audit.note(control, "account.idle", now, object_no=one.account_no, detail=f"owners={len(reached)}")
                told.append(one.account_no)
    return told


def _take_back(control: sqlite3.Connection, now: datetime) -> None:
    """Who used their account since they were told, or was told by a clock that ran ahead, was not told."""
    with database.transaction(control):
        rows = control.execute(
            """SELECT DISTINCT told.account_no FROM told JOIN account_use USING (account_no)
               WHERE kind = ? AND (used_on >= substr(queued_at, 1, 10) OR queued_at > ?)""",
            (KIND, database.stamp(now + timedelta(days=1))),
        ).fetchall()
        for (number,) in rows:
            notice.withdraw(control, number, KIND)
            control.execute("DELETE FROM told WHERE account_no = ? AND kind = ?", (number, KIND))


def begin(home: Home, control: sqlite3.Connection, due: Iterable[Idle], now: datetime) -> list[int]:
    """Begin the erasure of accounts that are due, for the reason `inactive`; their erasures' numbers.

    Their bytes go with `erase.carry_out`. One that was used at the last moment stays.
    """
    begun = []
    for one in due:
        query = "SELECT used_on FROM account_use WHERE account_no = ?"
        row = control.execute(query, (one.account_no,)).fetchone()
        if row is None or not one.is_due(now.date()) or row[0] != one.used_on.isoformat():
            continue
        subject = people.of_account(control, Vault(control, now), one.account_no)
        begun.append(erase.begin(home, control, subject, now, reason="inactive").erasure_no)
    return begun
