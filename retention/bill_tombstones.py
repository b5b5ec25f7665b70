"""At the boundary of bills: a connection to an organisation that somebody erased had connected brings no day of before.

It is known by its key, by the id that its provider tells with each answer, and by its ids of projects and keys. Whoever
had connected it before the erasure, too, keeps what is theirs: a key that was in use, an id that was read.
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from retention import stones_anywhere
from retention.stones_anywhere import BILLED, CREDENTIAL, ORGANISATION
from warehouse import database
from warehouse.control import bill_bound, tombstone
from warehouse.control.connection import Connection
from warehouse.control.vault import Vault

# (project or key, the provider's own id)
Ids = Iterable[tuple[str, str]]


class BillTombstones:
    """Those of one provider's organisations; the caller holds the transaction."""

    def __init__(self, control: sqlite3.Connection, vault: Vault, provider: str) -> None:
        self._control = control
        self._vault = vault
        self._provider = provider
        kinds = (CREDENTIAL, ORGANISATION, BILLED)
        self._stones = {kind: tombstone.erased_at(control, kind, provider) for kind in kinds}

    def lands_from(
        self, connection: Connection, key: bytes | None, organisation: bytes | None, ids: Ids
    ) -> datetime | None:
        """The moment before which nothing of a connection lands; None where everything may.

        `key` and `organisation` are keyed hashes. What was found of a connection once holds from then on.
        """
        found = [bill_bound.lands_from(self._control, connection.connection_no)]
        if any(self._stones.values()):
            since = bill_bound.key_since(self._control, connection.connection_no)
            erased = [self._stones[CREDENTIAL].get(key or b""), self._organisation(connection, organisation)]
            erased += [self._billed(connection, *each) for each in dict.fromkeys(ids)]
            found += [moment for moment in erased if moment and since >= moment]
        return max((moment for moment in found if moment), default=None)

    def _organisation(self, connection: Connection, lookup: bytes | None) -> datetime | None:
        erased = self._stones[ORGANISATION].get(lookup or b"")
        if erased and lookup and bill_bound.told_before(self._control, connection.account_no, lookup, erased):
            return None
        return erased

    def _billed(self, connection: Connection, kind: str, text: str) -> datetime | None:
        erased = self._stones[BILLED].get(stones_anywhere.billed_lookup(self._vault, self._provider, kind, text))
        if erased is None:
            return None
        own = self._vault.lookup(kind, self._provider, str(connection.account_no), text)
        query = "SELECT 1 FROM outside_id WHERE kind = ? AND lookup = ? AND first_seen_at < ?"
        is_theirs = self._control.execute(query, (kind, own, database.stamp(erased))).fetchone()
        return None if is_theirs else erased
