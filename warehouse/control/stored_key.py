"""A provider's key at rest: sealed under a data key of its own, which rests sealed under its account's.

Destroying it destroys both, so that a copy of the one that lies anywhere opens with nothing that is still there.
"""

import base64
import secrets
import sqlite3
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse import database
from warehouse.control import audit, notice, refusal, store_file, vault
from warehouse.control.vault import Vault

_KEY_BYTES = 32


def sealed(keys: Vault, account_no: int, connection_no: int, key: str) -> tuple[str, str]:
    """A key sealed under a new data key, and that data key sealed under its account's."""
    data_key = secrets.token_bytes(_KEY_BYTES)
    to = vault.bound(account_no, _place(connection_no))
    wrapped = keys.seal(account_no, _data_key_place(connection_no), base64.b64encode(data_key).decode())
    return vault.sealed(AESGCM(data_key), key.encode(), to), wrapped


def opened(
    control: sqlite3.Connection, keys: Vault, account_no: int, connection_no: int, ciphertext: str, wrapped: str | None
) -> str:
    """A key in clear; KeyUnavailableError where what it takes is gone.

    One that was sealed before it had a data key of its own gets one now.
    """
    place = _place(connection_no)
    if wrapped is None:
        key = keys.open(account_no, place, ciphertext)
        control.execute(
            "UPDATE credential SET sealed_key = ?, sealed_data_key = ? WHERE connection_no = ? AND sealed_key = ?",
            (*sealed(keys, account_no, connection_no, key), connection_no, ciphertext),
        )
        return key
    data_key = base64.b64decode(keys.open(account_no, _data_key_place(connection_no), wrapped))
    return vault.opened(AESGCM(data_key), ciphertext, vault.bound(account_no, place)).decode()


def destroy(
    control: sqlite3.Connection,
    account_no: int,
    connection_no: int,
    now: datetime,
    actor_no: int | None = None,
    detail: str = "",
) -> bool:
    """Destroy a connection's key with its data key, and tell the owners; whether there was one.

    The caller holds the transaction, and calls `leave_no_copy` after it.
    """
    gone = control.execute(
        """UPDATE credential SET state = 'removed', sealed_key = NULL, sealed_data_key = NULL, hint = NULL,
           lookup = NULL, beyond = NULL, removed_at = ? WHERE connection_no = ? AND state <> 'removed'""",
        (database.stamp(now), connection_no),
    )
    if not gone.rowcount:
        return False
    unmark(control, connection_no)
    refusal.mend(control, connection_no, now)
    audit.note(control, "key.removed", now, actor_no=actor_no, object_no=connection_no, detail=detail)
    notice.tell_owners(control, account_no, "key_removed", now, about_no=connection_no)
    return True


def unmark(control: sqlite3.Connection, connection_no: int) -> None:
    """What was noted of the key before says nothing of the next."""
    control.execute(
        """UPDATE connection SET used_key = NULL, used_since = NULL, refused_key = NULL, refused_at = NULL,
           skipped = NULL, skipped_since = NULL, dialect = NULL WHERE connection_no = ?""",
        (connection_no,),
    )


def leave_no_copy(control: sqlite3.Connection) -> None:
    """What was destroyed is in no log and no slack of the store, and in no copy made of it before an upgrade.

    Where another goes on writing, the slack is left to the night's expiry: the row itself is zeroed.
    """
    try:
        store_file.renew(control)
    except sqlite3.OperationalError:
        store_file.empty_log(control)
    (_, _, file) = control.execute("PRAGMA database_list").fetchone()
    for copy in Path(file).parent.glob("control.before-*.sqlite"):
        copy.unlink(missing_ok=True)


def _place(connection_no: int) -> str:
    return f"credential.sealed_key/{connection_no}"


def _data_key_place(connection_no: int) -> str:
    return f"credential.sealed_data_key/{connection_no}"
