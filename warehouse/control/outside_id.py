"""Outside ids -> our own random numbers: what a log calls an account, key, project, team, user or upstream.

The id itself rests sealed beside its number; the warehouse file gets the number, and a name only where it looks like a
label that people gave.
"""

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from warehouse import database, labels
from warehouse.control.vault import Vault

KINDS = ("account", "key", "project", "team", "user", "end_user", "upstream", "payer", "customer")
# Names of these are published in model.<kind>; of the others only the number ever leaves the control store.
NAMED = ("account", "key", "project", "team")
UNNAMED_ACCOUNT = ""
# The namespace of accounts that signed up here and that no log names.
OWN = "apiledger"


class OutsideIds:
    """The map of one control store, remembered while the object lives; all writes are one transaction a call."""

    def __init__(self, control: sqlite3.Connection, vault: Vault, now: datetime) -> None:
        self._control = control
        self._vault = vault
        self._now = database.stamp(now)
        self._known: dict[tuple[str, str, int, str], int] = {}

    def accounts(self, gateway: str, names: Iterable[str]) -> dict[str, int]:
        """The account numbers of a gateway's names for accounts; `UNNAMED_ACCOUNT` is who owns the gateway."""
        return {name: self._number("account", gateway, 0, name, name) for name in names}

    def own(self, account_no: int) -> str:
        """Name an account that signed up here, for the bills of its own connections; the label that pages show."""
        label = f"account {account_no}"
        lookup = self._vault.lookup("account", OWN, "0", str(account_no))
        if not self._control.execute("SELECT 1 FROM outside_id WHERE no = ?", (account_no,)).fetchone():
            sealed = self._vault.seal(account_no, "outside_id.sealed", str(account_no))
            row = (account_no, "account", OWN, account_no, lookup, sealed, self._now)
            self._control.execute("INSERT INTO outside_id VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self._name(account_no, "account", label)
        return label

    def numbers(
        self, kind: str, gateway: str, ids: Iterable[tuple[int, str, str | None]]
    ) -> dict[tuple[int, str], int]:
        """Numbers for (account_no, outside id, name or None): ids of two accounts never share a number."""
        return {(account, text): self._number(kind, gateway, account, text, name) for account, text, name in ids}

    def _number(self, kind: str, gateway: str, account_no: int, text: str, name: str | None) -> int:
        known = self._known.get((kind, gateway, account_no, text))
        if known is None:
            lookup = self._vault.lookup(kind, gateway, str(account_no), text)
            row = self._control.execute(
                "SELECT no FROM outside_id WHERE kind = ? AND lookup = ?", (kind, lookup)
            ).fetchone()
            known = row[0] if row else self._new(kind, gateway, account_no, lookup, text)
            self._known[kind, gateway, account_no, text] = known
            if kind in NAMED:
                self._name(known, kind, name)
        return known

    def _new(self, kind: str, gateway: str, account_no: int, lookup: bytes, text: str) -> int:
        # 53 bits: exact in JSON and in every chart library; a clash is refused by the primary key.
        number = secrets.randbelow(2**53 - 1) + 1
        owner = number if kind == "account" else account_no
        sealed = self._vault.seal(owner, "outside_id.sealed", text)
        self._control.execute(
            "INSERT INTO outside_id VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, kind, gateway, owner, lookup, sealed, self._now),
        )
        return number

    def _name(self, number: int, kind: str, name: str | None) -> None:
        """Give the number its name from now on; a name that changed closes the one before."""
        label = labels.label_or_number(name, kind, number)
        row = self._control.execute("SELECT label FROM label WHERE no = ? AND valid_to IS NULL", (number,)).fetchone()
        if row is not None and row[0] == label:
            return
        if row is not None and name is None:
            # A record without the alias does not take the name away.
            return
        put_right = "SELECT 1 FROM rectified WHERE no = ? AND lookup = ?"
        if (
            row is not None
            and self._control.execute(
                put_right, (number, self._vault.lookup("rectified", str(number), label))
            ).fetchone()
        ):
            # Its person has said that this is not its name.
            return
        self._control.execute("UPDATE label SET valid_to = ? WHERE no = ? AND valid_to IS NULL", (self._now, number))
        # The first name holds for all the past: a fact may be older than the day we learned of it.
        since = self._now if row is not None else "0001-01-01T00:00:00.000000Z"
        self._control.execute("INSERT OR REPLACE INTO label VALUES (?, ?, ?, NULL)", (number, label, since))


@dataclass(frozen=True)
class Name:
    """A name with its dates: what kind of thing it names, its number, the account it belongs to (UTC, naive)."""

    kind: str
    number: int
    label: str
    account_no: int
    valid_from: datetime
    valid_to: datetime | None

    def row(self) -> tuple[object, ...]:
        """The row of tables.NAMES[kind]."""
        owner = () if self.kind == "account" else (self.account_no,)
        return (self.number, self.label, *owner, self.valid_from, self.valid_to)


def named(control: sqlite3.Connection) -> list[Name]:
    """Every name with its dates, by kind, number and start."""
    rows = control.execute(
        """SELECT kind, outside_id.no, label.label, account_no, valid_from, valid_to
           FROM outside_id JOIN label ON label.no = outside_id.no ORDER BY kind, outside_id.no, valid_from"""
    )
    return [
        Name(kind, no, label, account_no, database.moment(since), until and database.moment(until))
        for kind, no, label, account_no, since, until in rows
    ]
