"""The outbox: one alert row per (account, budget, version, period, threshold), and the mails that tell of them.

A mail is made in the transaction that makes what it tells of, an alert's rows or a refused key's, so that none is
forgotten and none is made twice. Who sends one holds a lease on it; a sender that dies loses the lease, and the mail
goes out under the Message-ID it always had. Addresses are not kept here: a mail goes where its budget, or the
operator's setting, says at that moment.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from warehouse import database, money
from warehouse.control.budget import Budget

# RFC 2606 keeps this name from ever being a host.
MESSAGE_DOMAIN = "apiledger.invalid"


@dataclass(frozen=True)
class Patience:
    """How long a sender may take, and how often and how far apart a mail is tried; the waits double."""

    lease: timedelta = timedelta(minutes=5)
    first_wait: timedelta = timedelta(seconds=30)
    longest_wait: timedelta = timedelta(hours=6)
    tries: int = 18

    def wait(self, tries: int) -> timedelta:
        """The wait after so many tries."""
        return min(self.first_wait * (1 << min(tries - 1, 30)), self.longest_wait)


PATIENCE = Patience()


@dataclass(frozen=True)
class Usage:
    """What a budget's period holds by one version: what is priced, in USD, and how many calls have no known price."""

    budget: Budget
    period_start: date
    spent_usd: Decimal
    unpriced_requests: int
    published_version: int


@dataclass(frozen=True)
class Alert:
    """What a mail tells of: the usage as it was when the thresholds, in percent, were found to be reached (UTC)."""

    budget_no: int
    budget_version: int
    period_start: date
    thresholds: tuple[int, ...]
    spent_usd: Decimal
    unpriced_requests: int
    crossed_at: datetime


@dataclass(frozen=True)
class Lease:
    """A mail that is this sender's to send. `may_repeat`: an earlier sender may have got it through."""

    mail_no: int
    lease_no: int
    tries: int
    mail_class: str
    message_id: str
    may_repeat: bool


def enqueue(control: sqlite3.Connection, usages: Iterable[Usage], now: datetime) -> int:
    """Make the alert rows of thresholds reached for the first time, and one mail a budget for them; how many mails.

    A row that is there is never made again, whatever the spend did since; a budget changed meanwhile is left to its
    new version.
    """
    with database.transaction(control):
        return sum(_enqueue(control, usage, now) for usage in usages)


def _enqueue(control: sqlite3.Connection, usage: Usage, now: datetime) -> bool:
    budget = usage.budget
    key = (budget.account_no, budget.budget_no, budget.version, usage.period_start.isoformat())
    known = {
        threshold
        for (threshold,) in control.execute(
            """SELECT threshold_percent FROM alert
               WHERE account_no = ? AND budget_no = ? AND budget_version = ? AND period_start_utc = ?""",
            key,
        )
    }
    new = [threshold for threshold in budget.reached(usage.spent_usd) if threshold not in known]
    in_force = "SELECT 1 FROM budget WHERE budget_no = ? AND version = ? AND ended_at IS NULL"
    if not new or control.execute(in_force, (budget.budget_no, budget.version)).fetchone() is None:
        return False
    digest = hashlib.sha256("/".join(map(str, (*key, max(new)))).encode()).hexdigest()[:32]
    moment = database.stamp(now)
    made = control.execute(
        """INSERT INTO mail (account_no, class, message_id, state, queued_at, next_at)
           VALUES (?, 'budget', ?, 'queued', ?, ?)""",
        (budget.account_no, f"<{digest}@{MESSAGE_DOMAIN}>", moment, moment),
    )
    spent_usd = format(usage.spent_usd, "f")
    control.executemany(
        "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, threshold, spent_usd, usage.unpriced_requests, usage.published_version, moment, made.lastrowid)
            for threshold in new
        ],
    )
    return True


def take(
    control: sqlite3.Connection, now: datetime, patience: Patience = PATIENCE, without: str | None = None
) -> Lease | None:
    """Lease the mail that has been due longest, none of the class `without` or of a restricted account; None: none is.

    Notices go to members whatever their class, and to those of a restricted account, too: its data is not processed,
    and they are to know who signs in to it.

    A moment twice as far off as any wait was written by a clock that ran ahead, and counts as now.
    """
    with database.transaction(control):
        row = control.execute(
            """SELECT mail_no, lease_no + 1, tries + 1, class, message_id, may_repeat OR handed_at IS NOT NULL
               FROM mail
               WHERE (mail_no IN (SELECT mail_no FROM notice) OR class IS NOT :without
                 AND account_no NOT IN (SELECT account_no FROM restriction WHERE lifted_at IS NULL))
                 AND ((state = 'queued' AND (next_at <= :now OR next_at > :longest))
                  OR (state = 'sending' AND (leased_until <= :now OR leased_until > :lease)))
               ORDER BY next_at, mail_no LIMIT 1""",
            {
                "now": database.stamp(now),
                "without": without,
                # Twice, so that who looked at the clock and then waited for the store takes nobody's lease for old.
                "longest": database.stamp(now + 2 * patience.longest_wait),
                "lease": database.stamp(now + 2 * patience.lease),
            },
        ).fetchone()
        if row is None:
            return None
        mail_no, lease_no, tries, mail_class, message_id, may_repeat = row
        lease = Lease(mail_no, lease_no, tries, mail_class, message_id, bool(may_repeat))
        control.execute(
            """UPDATE mail SET state = 'sending', lease_no = ?, tries = ?, may_repeat = ?, handed_at = NULL,
               leased_until = ? WHERE mail_no = ?""",
            (lease.lease_no, lease.tries, lease.may_repeat, database.stamp(now + patience.lease), lease.mail_no),
        )
    return lease


def alert_of(control: sqlite3.Connection, lease: Lease) -> Alert | None:
    """What a leased mail tells of; None where its account was erased since."""
    rows = control.execute(
        """SELECT budget_no, budget_version, period_start_utc, threshold_percent, spent_usd, unpriced_requests,
           crossed_at FROM alert WHERE mail_no = ? ORDER BY threshold_percent""",
        (lease.mail_no,),
    ).fetchall()
    if not rows:
        return None
    number, version, period_start, _, spent_usd, unpriced, crossed_at = rows[0]
    return Alert(
        number,
        version,
        date.fromisoformat(period_start),
        tuple(row[3] for row in rows),
        money.usd(spent_usd),
        unpriced,
        database.moment(crossed_at),
    )


def hand_over(control: sqlite3.Connection, lease: Lease, now: datetime, patience: Patience = PATIENCE) -> bool:
    """Note that the mail itself goes to the server now, and hold the lease anew; False where it was lost meanwhile."""
    done = control.execute(
        "UPDATE mail SET handed_at = ?, leased_until = ? WHERE mail_no = ? AND lease_no = ? AND state = 'sending'",
        (database.stamp(now), database.stamp(now + patience.lease), lease.mail_no, lease.lease_no),
    )
    return done.rowcount == 1


def sent(control: sqlite3.Connection, lease: Lease, now: datetime) -> None:
    """Mark a mail as taken by the server, whoever holds it now; what waited for a silent server waits no longer."""
    with database.transaction(control):
        control.execute(
            "UPDATE mail SET state = 'sent', ended_at = ?, reason = NULL WHERE mail_no = ? AND state <> 'sent'",
            (database.stamp(now), lease.mail_no),
        )
        control.execute(
            "UPDATE mail SET next_at = ?, unreachable = 0 WHERE state = 'queued' AND unreachable = 1",
            (database.stamp(now),),
        )


def put_off(
    control: sqlite3.Connection,
    lease: Lease,
    now: datetime,
    reason: str,
    *,
    unreachable: bool = False,
    may_have_arrived: bool = False,
    patience: Patience = PATIENCE,
) -> None:
    """Queue a mail again after a wait, or give it up after the last try. `reason` names no address and no secret."""
    if lease.tries >= patience.tries:
        give_up(control, lease, now, f"{reason}, {lease.tries} times")
        return
    control.execute(
        """UPDATE mail SET state = 'queued', next_at = ?, reason = ?, unreachable = ?,
           handed_at = CASE WHEN ? THEN handed_at END WHERE mail_no = ? AND lease_no = ? AND state = 'sending'""",
        (
            database.stamp(now + patience.wait(lease.tries)),
            reason,
            unreachable,
            may_have_arrived,
            lease.mail_no,
            lease.lease_no,
        ),
    )


def give_up(control: sqlite3.Connection, lease: Lease, now: datetime, reason: str) -> None:
    """Mark a mail as dead: no further try until a person asks for one."""
    _ended(control, lease, now, "dead", reason)


def withdraw(control: sqlite3.Connection, lease: Lease, now: datetime) -> None:
    """Mark a mail as withdrawn: its budget was removed, or its account erased."""
    _ended(control, lease, now, "withdrawn", None)


def _ended(control: sqlite3.Connection, lease: Lease, now: datetime, state: str, reason: str | None) -> None:
    control.execute(
        """UPDATE mail SET state = ?, ended_at = ?, reason = ?
           WHERE mail_no = ? AND lease_no = ? AND state = 'sending'""",
        (state, database.stamp(now), reason, lease.mail_no, lease.lease_no),
    )


def revive(control: sqlite3.Connection, now: datetime) -> int:
    """Queue what waits and what was given up for now, with all its tries before it; how many mails."""
    done = control.execute(
        """UPDATE mail SET state = 'queued', tries = 0, next_at = ?, ended_at = NULL
           WHERE state IN ('queued', 'dead')""",
        (database.stamp(now),),
    )
    return done.rowcount


def unsent(control: sqlite3.Connection) -> dict[str, tuple[int, str | None]]:
    """How many mails wait (`queued`) and were given up (`dead`), each with the newest reason."""
    rows = control.execute(
        """SELECT CASE state WHEN 'dead' THEN 'dead' ELSE 'queued' END, reason FROM mail
           WHERE state IN ('queued', 'sending', 'dead') ORDER BY tries, mail_no"""
    ).fetchall()
    found: dict[str, tuple[int, str | None]] = {}
    for state, reason in rows:
        count, before = found.get(state, (0, None))
        found[state] = (count + 1, reason or before)
    return found
