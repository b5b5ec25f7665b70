"""Another master key: every data key and the pepper are wrapped anew, and what they seal stays as it is.

The next key is written beside the old one, then each home is rewrapped in one transaction, then the next takes the old
one's place. Until then either opens; killed anywhere, the same next key is gone on with. Copies of a store from before
are opened by the old key alone.
"""

import os
import sqlite3
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse import database
from warehouse.control import store_file, vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home


def rotate(homes: Iterable[Home]) -> int:
    """Change the master key's file for the homes that it wraps; how many data keys were wrapped anew.

    KeyUnavailableError where the key is in the environment, or wraps a home no more: nothing is changed then.
    """
    if "APILEDGER_MASTER_KEY" in os.environ:
        raise KeyUnavailableError(
            "the master key is in APILEDGER_MASTER_KEY, where nothing can change it: write it to a file of mode 0600 "
            "outside the home, name that in APILEDGER_KEY_FILE, unset the variable, and start apiledger again"
        )
    current, following = vault.master_key_file(), vault.next_key_file()
    with database.held(current.with_name(f"{current.name}.lock"), patience_s=5):
        there = [home for home in homes if home.control_file.exists()]
        for home in there:
            _hold_wrapped(home)
        if not following.exists():
            vault.write_key(following)
        old, new = (AESGCM(key) for key in vault.master_keys())
        done = sum(_rewrapped(home, old, new) for home in there)
        following.replace(current)
        descriptor = os.open(current.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return done


def _hold_wrapped(home: Home) -> None:
    with database.control(home) as control:
        row = control.execute("SELECT value FROM setting WHERE name = 'pepper'").fetchone()
    if row is not None and not any(_is_wrapped(AESGCM(key), row[0].decode()) for key in vault.master_keys()):
        raise KeyUnavailableError(f"the master key does not open {home.root}: nothing was changed")


def _rewrapped(home: Home, old: AESGCM, new: AESGCM) -> int:
    with database.control(home) as control:
        with database.transaction(control):
            row = control.execute("SELECT value FROM setting WHERE name = 'pepper'").fetchone()
            if row is None or _is_wrapped(new, row[0].decode()):
                return 0
            pepper = vault.opened(old, row[0].decode(), vault.PEPPER)
            wrapped = vault.sealed(new, pepper, vault.PEPPER).encode()
            control.execute("UPDATE setting SET value = ? WHERE name = 'pepper'", (wrapped,))
            done = _data_keys(control, old, new)
        store_file.renew(control)
    return done


def _is_wrapped(key: AESGCM, wrapped: str) -> bool:
    try:
        vault.opened(key, wrapped, vault.PEPPER)
    except KeyUnavailableError:
        return False
    return True


def _data_keys(control: sqlite3.Connection, old: AESGCM, new: AESGCM) -> int:
    rows = []
    for number, wrapped in control.execute("SELECT account_no, wrapped FROM data_key").fetchall():
        to = vault.bound(number, vault.DATA_KEY)
        rows.append((vault.sealed(new, vault.opened(old, wrapped, to), to), number))
    control.executemany("UPDATE data_key SET wrapped = ? WHERE account_no = ?", rows)
    return len(rows)
