"""At the boundary: what is dated before an erasure and is offered again does not land, whichever gateway offers it.

Of an account, and of a key of its, no row lands; of a user or end user the row is their account's, so it lands without
their id and without the address it came from. Asked once a batch, and only where a tombstone lies. An account or key
that a gateway told of before the erasure, and that stayed, is somebody else's of the same name there.
"""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from retention import stones_anywhere
from retention.stones_anywhere import PART, PEOPLE
from warehouse import database, labels
from warehouse.control import tombstone
from warehouse.control.outside_id import UNNAMED_ACCOUNT
from warehouse.control.receipt import Receipt
from warehouse.control.vault import Vault

_UNNAMED = labels.label_or_number(UNNAMED_ACCOUNT, "account", 0)
_Row = tuple[Any, ...]


def _part(account: str, *names: str | None) -> str | None:
    """What the part of an account is called that its team or key is, where it is told apart by them."""
    named = next((name for name in names if name is not None), "")
    return f"{account or _UNNAMED}/{named}" if named else None


# What the account of a record may be called: now, and where it was told apart when a part of it was erased.
_CALLED: tuple[tuple[tuple[str, ...], Callable[..., str | None]], ...] = (
    (("account",), lambda account: account),
    (("account", "team_name", "team"), _part),
    (("account", "key_name"), _part),
)


class Tombstones:
    """Those that a gateway's log is held against, read once a pass."""

    def __init__(self, control: sqlite3.Connection, vault: Vault, gateway: str) -> None:
        self._control = control
        self._vault = vault
        self._gateway = gateway
        kinds = ("account", *PEOPLE, "key")
        self._here = {kind: tombstone.erased_at(control, kind, gateway) for kind in kinds}
        self._anywhere = {kind: stones_anywhere.erased_at(control, kind) for kind in kinds}
        parts = any(tombstone.erased_at(control, kind, PART) for kind in kinds)
        self._called = _CALLED if parts else _CALLED[:1]
        self._accounts: dict[str, datetime | None] = {}

    def passed(self, records: pl.DataFrame, receipts: Mapping[int, Receipt]) -> pl.DataFrame:
        """The records (columns as of `record.admitted`) that may land.

        Those of an erased account or key are counted as late rows of their load.
        """
        if self._lies("account") or self._lies("key"):
            erased = self._erased(records)
            for load_no, rows in records.filter(erased).group_by("load_no").len().iter_rows():
                receipts[load_no].late_rows += rows
            records = records.filter(~erased)
        for kind in PEOPLE:
            if self._lies(kind):
                erased = self._erased_person(records, kind)
                hidden = [pl.when(~erased).then(pl.col(name)).alias(name) for name in (kind, "ip", "user_agent")]
                records = records.with_columns(hidden)
        return records

    def _lies(self, kind: str) -> bool:
        return bool(self._here[kind] or self._anywhere[kind])

    def _erased(self, records: pl.DataFrame) -> pl.Series:
        erased = pl.repeat(value=False, n=records.height, dtype=pl.Boolean, eager=True)
        for columns, called in self._called if self._lies("account") else ():
            erased |= _before(records, columns, lambda row, called=called: self._account(called(*row)))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        if self._lies("key"):
            erased |= _before(records, ("account", "key"), lambda row: self._key(*row))
        return erased

    def _erased_person(self, records: pl.DataFrame, kind: str) -> pl.Series:
        erased = pl.repeat(value=False, n=records.height, dtype=pl.Boolean, eager=True)
        for columns, called in self._called:
            erased |= _before(
                records,
                (*columns, kind),
                lambda row, called=called: self._person(kind, called(*row[:-1]), row[-1]),  # type: ignore[misc]  # mypy cannot infer a lambda's default
            )
        return erased

    def _account(self, name: str | None) -> datetime | None:
        """When an account of this name was erased; None where none was."""
        if name is None:
            return None
        if name not in self._accounts:
            own = self._vault.lookup("account", self._gateway, "0", name)
            anywhere = self._anywhere["account"].get(stones_anywhere.account_lookup(self._vault, name))
            found = {self._here["account"].get(own), self._unless_there(anywhere, "account", own)} - {None}
            self._accounts[name] = max((each for each in found if each), default=None)
        return self._accounts[name]

    def _key(self, account: str, text: str | None) -> datetime | None:
        """When a key was erased with its account, whatever the account is called here."""
        lookup = stones_anywhere.key_lookup(self._vault, text) if text else None
        erased = None if lookup is None else self._anywhere["key"].get(lookup)
        owner = self._number(account) if erased else None
        if text is None or owner is None:
            return erased
        return self._unless_there(erased, "key", self._vault.lookup("key", self._gateway, str(owner), text))

    def _person(self, kind: str, account: str | None, text: str | None) -> datetime | None:
        """When a user or end user of an account was erased."""
        if account is None or text is None:
            return None
        found = {self._anywhere[kind].get(stones_anywhere.person_lookup(self._vault, kind, account, text))}
        if self._here[kind] and (owner := self._number(account)) is not None:
            found.add(self._here[kind].get(self._vault.lookup(kind, self._gateway, str(owner), text)))
        return max((each for each in found if each), default=None)

    def _number(self, account: str) -> int | None:
        lookup = self._vault.lookup("account", self._gateway, "0", account)
        query = "SELECT no FROM outside_id WHERE kind = 'account' AND lookup = ?"
        row = self._control.execute(query, (lookup,)).fetchone()
        return None if row is None else int(row[0])

    def _unless_there(self, erased: datetime | None, kind: str, lookup: bytes) -> datetime | None:
        """The moment of an erasure, unless this gateway told of one who is called so before it, and they stayed."""
        if erased is None:
            return None
        query = "SELECT 1 FROM outside_id WHERE kind = ? AND lookup = ? AND first_seen_at < ?"
        stayed = self._control.execute(query, (kind, lookup, database.stamp(erased))).fetchone()
        return None if stayed else erased


def _before(records: pl.DataFrame, columns: tuple[str, ...], erased_at: Callable[[_Row], datetime | None]) -> pl.Series:
    """Which records are of somebody erased and dated before that."""
    distinct = records.select(columns).unique()
    rows = ((row, erased_at(row)) for row in distinct.rows())
    found = [(*row, when) for row, when in rows if when is not None]
    if not found:
        return pl.repeat(value=False, n=records.height, dtype=pl.Boolean, eager=True)
    stones = pl.DataFrame(found, schema=distinct.schema | {"erased_at": pl.Datetime("us")}, orient="row")
    joined = records.select(*columns, "requested_at").join(
        stones, on=columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select((pl.col("requested_at") < pl.col("erased_at")).fill_null(value=False)).to_series()
