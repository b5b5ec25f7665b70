"""The backup key: 32 bytes apart from the master key, so that who has one of the two opens nothing.

The backup key opens a backup; what is personal in it stays sealed under the master key, which is in no backup.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipelines.backups.errors import BackupError
from warehouse.control.vault import master_key, master_key_file
from warehouse.errors import KeyUnavailableError

SETTING, FILE_SETTING = "APILEDGER_BACKUP_KEY", "APILEDGER_BACKUP_KEY_FILE"


def place() -> Path:
    """Where the backup key rests unless the environment holds it: APILEDGER_BACKUP_KEY_FILE, else by the master key."""
    return Path(os.environ.get(FILE_SETTING, master_key_file().parent / "backup-key")).absolute()


def make() -> bool:
    """Make the key's file where there is no key; whether it was made."""
    path = place()
    if SETTING in os.environ or path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(base64.b64encode(secrets.token_bytes(32)).decode())
        handle.flush()
        os.fsync(handle.fileno())
    return True


def read() -> bytes:
    """The key, from APILEDGER_BACKUP_KEY (base64) or its file.

    BackupError where there is none, what is there is no 32 bytes in base64, or it is the master key.
    """
    text = os.environ.get(SETTING)
    try:
        text = place().read_text(encoding="ascii") if text is None else text
        key = base64.b64decode(text.strip(), validate=True)
    except OSError:
        raise BackupError(f"no backup key at {place()}: put it back, or set {SETTING}") from None
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise BackupError(f"the backup key ({SETTING} or {place()}) is not 32 bytes in base64")
    if _is_master_key(key):
        raise BackupError("the backup key is the master key: take another, so that no one key opens everything")
    return key


def derived(key: bytes, salt: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one file and purpose; another salt gives another key."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=f"apiledger/{purpose}".encode()).derive(key)


def is_apart(folder: Path) -> bool:
    """Whether neither key lies in a folder or below it."""
    return not any(path.is_relative_to(folder.resolve()) for path in (place(), master_key_file()))


def _is_master_key(key: bytes) -> bool:
    try:
        return secrets.compare_digest(master_key(), key)
    except KeyUnavailableError:
        return False
