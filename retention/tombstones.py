"""At the boundary: what is dated before an erasure and is offered again does not land, whoever sends it.

Of an account no row lands; of a user or end user the row is their account's, so it lands without their id and without
the address it came from. Asked once a batch, and only where a tombstone lies.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from warehouse.control import tombstone
from warehouse.control.receipt import Receipt
from warehouse.control.vault import Vault

PEOPLE = ("user", "end_user")


class Tombstones:
    """Those of one gateway, read once a pass."""

    def __init__(self, control: sqlite3.Connection, vault: Vault, gateway: str) -> None:
        self._control = control
        self._vault = vault
        self._gateway = gateway
        self._stones = {kind: tombstone.erased_at(control, kind, gateway) for kind in ("account", *PEOPLE)}

    def passed(self, records: pl.DataFrame, receipts: Mapping[int, Receipt]) -> pl.DataFrame:
        """The records (columns account, user, end_user, ip, user_agent, requested_at, load_no) that may land.

        Those of an erased account are counted as late rows of their load.
        """
        if self._stones["account"]:
            erased = _before(records, ["account"], self._accounts(records))
            for load_no, rows in records.filter(erased).group_by("load_no").len().iter_rows():
                receipts[load_no].late_rows += rows
            records = records.filter(~erased)
        for kind in PEOPLE:
            if self._stones[kind]:
                erased = _before(records, ["account", kind], self._people(records, kind))
                hidden = [pl.when(~erased).then(pl.col(name)).alias(name) for name in (kind, "ip", "user_agent")]
                records = records.with_columns(hidden)
        return records

    def _accounts(self, records: pl.DataFrame) -> dict[tuple[str, ...], datetime]:
        names = {name: self._lookup(name) for (name,) in records.select("account").unique().iter_rows()}
        stones = self._stones["account"]
        return {(name,): stones[lookup] for name, lookup in names.items() if lookup in stones}

    def _people(self, records: pl.DataFrame, kind: str) -> dict[tuple[str, ...], datetime]:
        stones = self._stones[kind]
        found: dict[tuple[str, ...], datetime] = {}
        query = "SELECT no FROM outside_id WHERE kind = 'account' AND lookup = ?"
        pairs = records.select("account", kind).unique().drop_nulls().rows()
        owners = {name: self._control.execute(query, (self._lookup(name),)).fetchone() for name, _ in pairs}
        for name, person in pairs:
            # An account nobody knows has nobody who was erased.
            if (owner := owners[name]) is not None:
                lookup = self._vault.lookup(kind, self._gateway, str(owner[0]), person)
                if lookup in stones:
                    found[name, person] = stones[lookup]
        return found

    def _lookup(self, account: str) -> bytes:
        return self._vault.lookup("account", self._gateway, "0", account)


def _before(records: pl.DataFrame, columns: list[str], erased: dict[tuple[str, ...], datetime]) -> pl.Series:
    """Which records are of somebody erased and dated before that."""
    schema: dict[str, type[pl.DataType] | pl.DataType] = dict.fromkeys(columns, pl.String)
    schema["erased_at"] = pl.Datetime("us")
    stones = pl.DataFrame([(*key, when) for key, when in erased.items()], schema=schema, orient="row")
    joined = records.select(*columns, "requested_at").join(stones, on=columns, how="left", maintain_order="left")
    return joined.select((pl.col("requested_at") < pl.col("erased_at")).fill_null(value=False)).to_series()
