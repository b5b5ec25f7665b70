"""Sealing: AES-256-GCM under each account's own data key, which the master key wraps.

The master key rests outside the home. A value carries its header (`v1.<nonce+ciphertext>`) and is bound to its account,
table and column, so that a ciphertext moved elsewhere does not open. Dropping an account's data key makes all its
sealed values unreadable, wherever a copy of them lies.
"""

import base64
import binascii
import hmac
import os
import resource
import secrets
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse import database
from warehouse.errors import KeyUnavailableError

_HEADER = "v1."
_NONCE_BYTES = 12
_PEPPER = "SELECT value FROM setting WHERE name = 'pepper'"
# What the pepper and an account's data key are bound to, beside the account.
PEPPER, DATA_KEY = b"setting/pepper", "data_key.wrapped"
# A change of the master key is one commit and one rename: the third look finds what belongs together.
_LOOKS = 3


def master_key_file() -> Path:
    """Where the master key rests unless the environment holds it: APILEDGER_KEY_FILE, else under ~/.config."""
    return Path(os.environ.get("APILEDGER_KEY_FILE", Path.home() / ".config" / "apiledger" / "key")).absolute()


def next_key_file() -> Path:
    """Where the next master key rests while everything is rewrapped from one to the other."""
    return master_key_file().with_name(f"{master_key_file().name}.next")


def master_keys(*, make: bool = False) -> list[bytes]:
    """The master key and, while it is being changed, the next one: a data key is wrapped by the one or the other."""
    found = [master_key(make=make)]
    if "APILEDGER_MASTER_KEY" not in os.environ and next_key_file().exists():
        with suppress(KeyUnavailableError, OSError):
            found.append(_decoded(next_key_file().read_text(encoding="ascii"), str(next_key_file())))
    return found


def master_key(*, make: bool = False) -> bytes:
    """The 32-byte master key, from APILEDGER_MASTER_KEY (base64) or the key file; made there when `make`.

    KeyUnavailableError when there is none, or what is there is no 32 bytes in base64. Whoever holds it leaves no core
    file from then on: it would lie in there.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    text = os.environ.get("APILEDGER_MASTER_KEY")
    path = master_key_file()
    if text is None:
        if make and not path.exists():
            write_key(path)
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise KeyUnavailableError(f"no master key at {path}: put it back, or set APILEDGER_MASTER_KEY") from None
    return _decoded(text, f"APILEDGER_MASTER_KEY or {path}")


def write_key(path: Path) -> None:
    """Draw a master key and write it to a new file of the owner's alone, durably."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(base64.b64encode(secrets.token_bytes(32)).decode())
        handle.flush()
        os.fsync(handle.fileno())


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise KeyUnavailableError(f"the master key ({where}) is not 32 bytes in base64")
    return key


class Vault:
    """Seals and opens values of accounts with one control store and the master key; holds data keys only in memory."""

    def __init__(self, control: sqlite3.Connection, now: datetime) -> None:
        self._control = control
        self._now = now
        self._keys: dict[int, AESGCM] = {}
        if control.execute(_PEPPER).fetchone() is None:
            wrapped = sealed(AESGCM(master_key(make=True)), secrets.token_bytes(32), PEPPER)
            control.execute("INSERT OR IGNORE INTO setting VALUES ('pepper', ?)", (wrapped.encode(),))
        self._find_master()

    def _find_master(self) -> None:
        """Open the home's pepper for lookups, which the master key wraps: a wrong one is noticed here, at once.

        The key may be changed between the look at its file and the look at the store, so they are looked at again.
        """
        for _ in range(_LOOKS - 1):
            with suppress(KeyUnavailableError):
                return self._open_pepper()
        return self._open_pepper()

    def _open_pepper(self) -> None:
        keys = [AESGCM(key) for key in master_keys()]
        (self._wrapped_pepper,) = self._control.execute(_PEPPER).fetchone()
        for key in keys[:-1]:
            with suppress(KeyUnavailableError):
                self.pepper, self._master = opened(key, self._wrapped_pepper.decode(), PEPPER), key
                return
        self.pepper, self._master = opened(keys[-1], self._wrapped_pepper.decode(), PEPPER), keys[-1]

    def lookup(self, *parts: str) -> bytes:
        """A keyed hash of outside values, for finding them again without reading them; 16 bytes."""
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.digest(self.pepper, text, "sha256")[:16]

    def seal(self, account_no: int, place: str, text: str) -> str:
        """Seal a text for an account; `place` is `table.column`. Makes the account's data key at its first use."""
        return sealed(self._key(account_no, make=True), text.encode("utf-8", "surrogatepass"), bound(account_no, place))

    def open(self, account_no: int, place: str, sealed: str) -> str:
        """Open a sealed text; KeyUnavailableError where the key is gone, is another, or the value was moved."""
        key = self._key(account_no, make=False)
        return opened(key, sealed, bound(account_no, place)).decode("utf-8", "surrogatepass")

    def _key(self, account_no: int, *, make: bool) -> AESGCM:
        for _ in range(_LOOKS):
            if account_no not in self._keys:
                wrapped = self._wrapped_key(account_no, make=make)
                if wrapped is None or (key := self._unwrapped(account_no, wrapped)) is None:
                    # The master key was changed since this vault found it.
                    self._find_master()
                    continue
                self._keys[account_no] = key
            return self._keys[account_no]
        raise KeyUnavailableError(f"the data key of account {account_no} does not open: another master key wrapped it")

    def _wrapped_key(self, account_no: int, *, make: bool) -> str | None:
        query = "SELECT wrapped FROM data_key WHERE account_no = ?"
        row = self._control.execute(query, (account_no,)).fetchone()
        if row is None and not make:
            raise KeyUnavailableError(f"account {account_no} has no data key any more: what it sealed is erased")
        if row is None:
            wrapped = sealed(self._master, secrets.token_bytes(32), bound(account_no, DATA_KEY))
            # Only while the master key that wraps it is the one of the store.
            self._control.execute(
                """INSERT OR IGNORE INTO data_key
                   SELECT ?, ?, ? FROM setting WHERE name = 'pepper' AND value = ?""",
                (account_no, wrapped, database.stamp(self._now), self._wrapped_pepper),
            )
            row = self._control.execute(query, (account_no,)).fetchone()
        return None if row is None else str(row[0])

    def _unwrapped(self, account_no: int, wrapped: str) -> AESGCM | None:
        try:
            return AESGCM(opened(self._master, wrapped, bound(account_no, DATA_KEY)))
        except KeyUnavailableError:
            return None


def bound(account_no: int, place: str) -> bytes:
    """What a sealed value is bound to: it opens nowhere else."""
    return f"{account_no}/{place}".encode()


def sealed(key: AESGCM, value: bytes, to: bytes) -> str:
    """A value sealed under a key, with its header."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _HEADER + base64.b64encode(nonce + key.encrypt(nonce, value, to)).decode()


def opened(key: AESGCM, text: str, to: bytes) -> bytes:
    """A sealed value; KeyUnavailableError where the key is another, or the value was moved or changed."""
    try:
        blob = base64.b64decode(text.removeprefix(_HEADER), validate=True)
        return key.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], to)
    except (InvalidTag, ValueError, binascii.Error):
        raise KeyUnavailableError(
            f"what is sealed for {to.decode()} does not open: another master key, or the value was moved or changed"
        ) from None
