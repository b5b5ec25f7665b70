"""Sealing: AES-256-GCM under each account's own data key, which the master key wraps.

The master key rests outside the home. A value carries its header (`v1.<nonce+ciphertext>`) and is bound to its account,
table and column, so that a ciphertext moved elsewhere does not open. Dropping an account's data key makes all its
sealed values unreadable, wherever a copy of them lies.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import sqlite3
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse import database
from warehouse.errors import KeyUnavailableError

_HEADER = "v1."
_NONCE_BYTES = 12


def master_key_file() -> Path:
    """Where the master key rests unless the environment holds it: APILEDGER_KEY_FILE, else under ~/.config."""
    return Path(os.environ.get("APILEDGER_KEY_FILE", Path.home() / ".config" / "apiledger" / "key")).absolute()


def master_key(*, make: bool = False) -> bytes:
    """The 32-byte master key, from APILEDGER_MASTER_KEY (base64) or the key file; made there when `make`.

    KeyUnavailableError when there is none, or what is there is no 32 bytes in base64.
    """
    text = os.environ.get("APILEDGER_MASTER_KEY")
    path = master_key_file()
    if text is None:
        if make and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as handle:
                handle.write(base64.b64encode(secrets.token_bytes(32)).decode())
                handle.flush()
                os.fsync(handle.fileno())
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise KeyUnavailableError(f"no master key at {path}: put it back, or set APILEDGER_MASTER_KEY") from None
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise KeyUnavailableError(f"the master key (APILEDGER_MASTER_KEY or {path}) is not 32 bytes in base64")
    return key


class Vault:
    """Seals and opens values of accounts with one control store and the master key; holds data keys only in memory."""

    def __init__(self, control: sqlite3.Connection, now: datetime) -> None:
        fresh = control.execute("SELECT value FROM setting WHERE name = 'pepper'").fetchone() is None
        self._master = AESGCM(master_key(make=fresh))
        self._control = control
        self._now = now
        self._keys: dict[int, AESGCM] = {}
        self.pepper = self._unwrapped_pepper(fresh=fresh)

    def _unwrapped_pepper(self, *, fresh: bool) -> bytes:
        """The home's pepper for lookups, wrapped by the master key: a wrong master key is noticed here, at once."""
        if fresh:
            wrapped = _sealed(self._master, secrets.token_bytes(32), b"setting/pepper")
            self._control.execute("INSERT OR IGNORE INTO setting VALUES ('pepper', ?)", (wrapped.encode(),))
        (wrapped_bytes,) = self._control.execute("SELECT value FROM setting WHERE name = 'pepper'").fetchone()
        return _opened(self._master, wrapped_bytes.decode(), b"setting/pepper")

    def lookup(self, *parts: str) -> bytes:
        """A keyed hash of outside values, for finding them again without reading them; 16 bytes."""
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self.pepper, text, hashlib.sha256).digest()[:16]

    def seal(self, account_no: int, place: str, text: str) -> str:
        """Seal a text for an account; `place` is `table.column`. Makes the account's data key at its first use."""
        return _sealed(
            self._key(account_no, make=True), text.encode("utf-8", "surrogatepass"), _bound(account_no, place)
        )

    def open(self, account_no: int, place: str, sealed: str) -> str:
        """Open a sealed text; KeyUnavailableError where the key is gone, is another, or the value was moved."""
        key = self._key(account_no, make=False)
        return _opened(key, sealed, _bound(account_no, place)).decode("utf-8", "surrogatepass")

    def _key(self, account_no: int, *, make: bool) -> AESGCM:
        if account_no in self._keys:
            return self._keys[account_no]
        bound = _bound(account_no, "data_key.wrapped")
        query = "SELECT wrapped FROM data_key WHERE account_no = ?"
        row = self._control.execute(query, (account_no,)).fetchone()
        if row is None:
            if not make:
                raise KeyUnavailableError(f"account {account_no} has no data key any more: what it sealed is erased")
            wrapped = _sealed(self._master, secrets.token_bytes(32), bound)
            self._control.execute(
                "INSERT OR IGNORE INTO data_key VALUES (?, ?, ?)", (account_no, wrapped, database.stamp(self._now))
            )
            row = self._control.execute(query, (account_no,)).fetchone()
        self._keys[account_no] = AESGCM(_opened(self._master, row[0], bound))
        return self._keys[account_no]


def _bound(account_no: int, place: str) -> bytes:
    return f"{account_no}/{place}".encode()


def _sealed(key: AESGCM, value: bytes, bound: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _HEADER + base64.b64encode(nonce + key.encrypt(nonce, value, bound)).decode()


def _opened(key: AESGCM, sealed: str, bound: bytes) -> bytes:
    try:
        blob = base64.b64decode(sealed.removeprefix(_HEADER), validate=True)
        return key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError, binascii.Error):
        raise KeyUnavailableError(
            f"what is sealed for {bound.decode()} does not open: another master key, or the value was moved or changed"
        ) from None
