"""The ledger of tombstones beside the backups: sealed by the backup key, written anew once somebody was erased.

An erasure does not wait for it: whoever resumes erasures tries again, and `doctor` says where it is behind.
"""

import hashlib

from pipelines import object_store
from pipelines.backups import backup_key
from pipelines.backups.errors import BackupError
from pipelines.backups.place import Place, ledger_name
from pipelines.backups.sealed_stream import SealedWriter
from retention import tombstone_ledger
from warehouse import database
from warehouse.home import Home

_TARGET, _WRITTEN = "backup_target", "ledger_written"


def target(home: Home) -> str | None:
    """Where the last backup of a home went; None before the first."""
    with database.control(home) as control:
        row = control.execute("SELECT value FROM setting WHERE name = ?", (_TARGET,)).fetchone()
    return None if row is None else str(row[0].decode())


def remember(home: Home, address: str) -> None:
    """Say that backups of a home go there from now on: the ledger there is as good as none until it is written."""
    with database.control(home) as control, database.transaction(control):
        if control.execute(
            "SELECT 1 FROM setting WHERE (name, value) = (?, ?)", (_TARGET, address.encode())
        ).fetchone():
            return
        control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_TARGET, address.encode()))
        control.execute("DELETE FROM setting WHERE name = ?", (_WRITTEN,))


def is_due(home: Home) -> bool:
    """Whether somebody was erased of whom the ledger beside the backups knows nothing."""
    if not home.control_file.exists() or target(home) is None:
        return False
    with database.control(home) as control:
        row = control.execute("SELECT value FROM setting WHERE name = ?", (_WRITTEN,)).fetchone()
        return row is None or bytes(row[0]) != _digest(tombstone_ledger.of_control(control))


def push(home: Home, key: bytes | None = None) -> None:
    """Write it, with what it has already; BackupError where its place or the backup key is not there."""
    address = target(home)
    if address is None:
        return
    key = backup_key.read() if key is None else key
    place = Place(address, writes=True)
    with database.control(home) as control:
        home_id, known = tombstone_ledger.home_id(control), tombstone_ledger.of_control(control)
    try:
        beside = place.ledger(home_id, key) or {}
        whole = tombstone_ledger.merged([beside, tombstone_ledger.here(home_id), known])
        with object_store.writing(place.system, place.path(ledger_name(home_id))) as sink:
            writer = SealedWriter(sink, key)
            writer.write(tombstone_ledger.text(whole).encode())
            writer.finish()
    except OSError as error:
        raise BackupError(
            f"the ledger of tombstones cannot be written to {address} ({type(error).__name__}): look at its room"
        ) from None
    with database.control(home) as control:
        control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_WRITTEN, _digest(known)))


def _digest(ledger: tombstone_ledger.Ledger) -> bytes:
    return hashlib.sha256(tombstone_ledger.text(ledger).encode()).digest()
