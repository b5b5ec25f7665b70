"""Restriction: an account whose data is kept and not processed, until it is lifted (GDPR, Art. 18).

Its bills are not pulled, its calls land and wait unread, its alerts and mails wait, exports leave it out, and only its
own members look at its figures. A restriction notes the newest load there was: what came before stays as it was made.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from warehouse import database

# The labels that restricted accounts hold by a claim, and those that their numbers have by themselves.
_LABELS = """SELECT claim.label FROM claim JOIN restriction USING (account_no)
        WHERE claim.ended_at IS NULL AND lifted_at IS NULL
    UNION SELECT label.label FROM label JOIN restriction ON restriction.account_no = label.no
        WHERE label.valid_to IS NULL AND lifted_at IS NULL"""


@dataclass(frozen=True)
class Waiting:
    """An account's number in the logs, and the newest load whose calls of it are processed."""

    account_no: int
    load_no: int


def begin(control: sqlite3.Connection, owner_no: int, numbers: Collection[int], now: datetime) -> None:
    """Restrict an account with all its numbers in the logs; one that is restricted already stays as it is."""
    with database.transaction(control):
        (newest,) = control.execute("SELECT coalesce(max(load_no), 0) FROM load").fetchone()
        control.executemany(
            """INSERT INTO restriction VALUES (?, ?, ?, ?, NULL)
               ON CONFLICT (account_no) DO UPDATE SET lifted_at = NULL""",
            [(number, owner_no, database.stamp(now), newest) for number in sorted({owner_no, *numbers})],
        )


def lift(control: sqlite3.Connection, owner_no: int, now: datetime) -> bool:
    """Lift an account's restriction: the next pass reads what has waited; whether it was restricted."""
    query = "UPDATE restriction SET lifted_at = ? WHERE owner_no = ? AND lifted_at IS NULL"
    return control.execute(query, (database.stamp(now), owner_no)).rowcount > 0


def since(control: sqlite3.Connection, account_no: int) -> datetime | None:
    """From when on an account is restricted; None where it is not."""
    query = "SELECT since FROM restriction WHERE account_no = ? AND lifted_at IS NULL"
    row = control.execute(query, (account_no,)).fetchone()
    return None if row is None else database.moment(row[0])


def numbers(control: sqlite3.Connection) -> set[int]:
    """The number of every account that is restricted, those in the logs included."""
    return {number for (number,) in control.execute("SELECT account_no FROM restriction WHERE lifted_at IS NULL")}


def labels(control: sqlite3.Connection) -> tuple[str, ...]:
    """The names under which exports and the operator's pages would show restricted accounts, sorted."""
    return tuple(sorted(label for (label,) in control.execute(_LABELS)))


def widen(control: sqlite3.Connection) -> None:
    """Restrict what a restricted account is called by in another gateway's log, too, or was given since."""
    control.execute(
        f"""INSERT OR IGNORE INTO restriction
            SELECT outside_id.no, min(owner.owner_no), min(owner.since), min(owner.load_no), NULL
            FROM outside_id JOIN label ON label.no = outside_id.no AND label.valid_to IS NULL
            JOIN ({_LABELS}) AS named ON named.label = label.label
            JOIN restriction AS owner ON owner.lifted_at IS NULL AND owner.account_no IN (
                SELECT account_no FROM claim WHERE claim.label = named.label AND ended_at IS NULL
                UNION SELECT no FROM label AS own WHERE own.label = named.label AND own.valid_to IS NULL)
            WHERE outside_id.kind = 'account' GROUP BY outside_id.no"""
    )


def waiting(control: sqlite3.Connection) -> list[Waiting]:
    """Whose calls land and are not read, each from which load on."""
    query = "SELECT account_no, load_no FROM restriction WHERE lifted_at IS NULL ORDER BY account_no"
    return [Waiting(number, load_no) for number, load_no in control.execute(query)]


def lifted(control: sqlite3.Connection) -> list[Waiting]:
    """Whose calls have waited and are to be read now."""
    query = "SELECT account_no, load_no FROM restriction WHERE lifted_at IS NOT NULL ORDER BY account_no"
    return [Waiting(number, load_no) for number, load_no in control.execute(query)]


def forget(control: sqlite3.Connection, resumed: Collection[Waiting]) -> None:
    """Forget restrictions that were lifted, once the days of what waited are to be made anew."""
    control.executemany(
        "DELETE FROM restriction WHERE account_no = ? AND lifted_at IS NOT NULL",
        [(each.account_no,) for each in resumed],
    )
