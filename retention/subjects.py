"""Who is meant: an account, a gateway's user or an end user, by the outside id a log gives them, or by a name.

An account that several gateways name alike is one; a user is one of an account.
"""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from retention.errors import RetentionError
from warehouse.control.connection import OPERATOR
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError

KINDS = ("account", "user", "end_user")
# Shorter ones are found in anything.
SHORTEST_NEEDLE = 5
MOST_NEEDLES = 2_000


@dataclass(frozen=True)
class Subject:
    """Somebody: the kind and, by gateway and account, their numbers, each with the keyed hash of the outside id.

    `account_no` is an account that people sign in to, `member_no` one of its members: `retention/people.py` finds them.
    """

    kind: str
    ids: tuple[tuple[int, str, int, bytes], ...]
    account_no: int | None = None
    member_no: int | None = None

    @property
    def numbers(self) -> list[int]:
        """Our own numbers for them."""
        return [number for number, *_ in self.ids]


def find(control: sqlite3.Connection, vault: Vault, kind: str, text: str, account: str | None = None) -> Subject:
    """The subject of an outside id, a name, or a number as pages show it (`account 123`).

    RetentionError where nobody is called so, where several accounts have a user of that id and `account` names none,
    and for the account that owns the installation.
    """
    what = kind.replace("_", " ")
    owners = None if account is None else find(control, vault, "account", account).numbers
    ids = [row for row in rows(control, vault, kind, text) if owners is None or row[2] in owners]
    if not ids:
        raise RetentionError(f"no {what} is called so here: take the id a log has, or the name a page shows")
    if kind == "account":
        hold_no_owner(vault, ids)
    if kind != "account" and len({row[2] for row in ids}) > 1:
        raise RetentionError(f"several accounts have a {what} of this id: say which with --account")
    return Subject(kind, tuple(ids))


def hold_no_owner(vault: Vault, ids: list[tuple[int, str, int, bytes]]) -> None:
    """RetentionError where one of these accounts is who owns the installation."""
    if any(row[1] == OPERATOR or _is_unnamed(vault, row) for row in ids):
        raise RetentionError("this account owns the installation: remove its home as a whole to erase it")


def _is_unnamed(vault: Vault, row: tuple[int, str, int, bytes]) -> bool:
    _, gateway, _, lookup = row
    return lookup == vault.lookup("account", gateway, "0", "")


def rows(control: sqlite3.Connection, vault: Vault, kind: str, text: str) -> list[tuple[int, str, int, bytes]]:
    """Number, gateway, account and keyed hash of everything of a kind that is called so."""
    places = control.execute("SELECT DISTINCT gateway, account_no FROM outside_id").fetchall()
    if kind == "account":
        places = sorted({(gateway, 0) for gateway, _ in places})
    found: dict[int, tuple[int, str, int, bytes]] = {}
    query = "SELECT no, gateway, account_no, lookup FROM outside_id WHERE kind = ? AND "
    for gateway, owner in places:
        lookup = vault.lookup(kind, gateway, str(owner), text)
        found |= {row[0]: row for row in control.execute(f"{query} lookup = ?", (kind, lookup))}
    named = f"{query} no IN (SELECT no FROM label WHERE label = ?)"
    found |= {row[0]: row for row in control.execute(named, (kind, text))}
    if told := re.fullmatch(rf"{kind.replace('_', '[_ -]')} (\d{{1,16}})", text):
        found |= {row[0]: row for row in control.execute(f"{query} no = ?", (kind, int(told[1])))}
    return [found[number] for number in sorted(found)]


def names(control: sqlite3.Connection, subject: Subject) -> list[str]:
    """Every name an account has or had; nothing for people, who have none."""
    if subject.kind != "account":
        return []
    numbers = [*subject.numbers, *([] if subject.account_no is None else [subject.account_no])]
    query = f"SELECT DISTINCT label FROM label WHERE no IN ({_marks(numbers)})"
    return [label for (label,) in control.execute(query, numbers)]


def needles(control: sqlite3.Connection, vault: Vault, subject: Subject) -> list[str]:
    """What the files are searched for: their ids and names, an account's keys, projects, teams and people included.

    Names that somebody else has, too, and what is too short to be told apart, are left out.
    """
    own, parts = _texts(control, vault, subject.numbers), []
    if subject.kind == "account":
        query = f"SELECT no FROM outside_id WHERE account_no IN ({_marks(subject.numbers)}) LIMIT {MOST_NEEDLES}"
        parts = _texts(control, vault, [number for (number,) in control.execute(query, subject.numbers)])
    mine = ", ".join(map(str, subject.numbers))
    shared = {
        label
        for (label,) in control.execute(
            f"""SELECT DISTINCT label.label FROM label JOIN outside_id ON outside_id.no = label.no
                WHERE outside_id.account_no NOT IN ({mine})"""
        )
    }
    told = dict.fromkeys([*own, *parts])
    return [text for text in told if len(text.encode()) >= SHORTEST_NEEDLE and text not in shared]


def _texts(control: sqlite3.Connection, vault: Vault, numbers: Iterable[int]) -> list[str]:
    """The outside ids and every name, past ones included, of some numbers."""
    found = []
    for number in numbers:
        row = control.execute("SELECT account_no, sealed FROM outside_id WHERE no = ?", (number,)).fetchone()
        try:
            found.append(vault.open(row[0], "outside_id.sealed", row[1]))
        except KeyUnavailableError:
            # Sealed under a key that is gone: nobody can read it, nor need it be looked for.
            continue
        found += [label for (label,) in control.execute("SELECT label FROM label WHERE no = ?", (number,))]
    return found


def _marks(numbers: list[int]) -> str:
    return ", ".join("?" * len(numbers))
