"""An envelope: bytes that only the holder of one named X25519 key opens, written and read as a stream.

Composed of the library's primitives as age does it: a key of this file's own by X25519 and HKDF-SHA256, then chunks of
64 KiB under AES-256-GCM whose nonces count up and say which is the last, so that none is left out, doubled or cut off.
Keys are PEM files: `openssl genpkey -algorithm X25519`, and of it `openssl pkey -pubout`.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from warehouse.errors import WarehouseError

MAGIC = b"apiledger-envelope-v1\n"
_CHUNK = 64 * 1024
_TAG = 16
_RAW = 32


class EnvelopeError(WarehouseError):
    """A key is none, or an envelope does not open with it, or was changed or cut off."""


def public_key(file: Path) -> X25519PublicKey:
    """The key that a PEM file holds; EnvelopeError for anything else, a private key above all."""
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise EnvelopeError(f"{file.name} is no public X25519 key in PEM: `openssl pkey -in KEY -pubout` writes it")
    return key


def private_key(file: Path) -> X25519PrivateKey:
    """The private key that a PEM file holds without a password; EnvelopeError for anything else."""
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PrivateKey):
        raise EnvelopeError(f"{file.name} is no private X25519 key in PEM: `openssl genpkey -algorithm X25519`")
    return key


def fingerprint(key: X25519PublicKey) -> str:
    """The SHA-256 of a public key's 32 bytes, in hex: what both sides read to each other."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


class Envelope:
    """A file that is written to and sealed; one that was not sealed opens for nobody."""

    def __init__(self, target: BinaryIO, recipient: X25519PublicKey) -> None:
        ephemeral = X25519PrivateKey.generate()
        self._header = MAGIC + ephemeral.public_key().public_bytes_raw() + recipient.public_bytes_raw()
        self._key = _key(ephemeral.exchange(recipient), self._header)
        self._target = target
        self._waiting = bytearray()
        self._chunks = 0
        self._position = 0
        target.write(self._header)

    def tell(self) -> int:
        """How many bytes were put in."""
        return self._position

    def flush(self) -> None:
        """Nothing: a chunk is written when it is full."""

    def write(self, data: bytes) -> int:
        """Put bytes in."""
        taken = bytes(data)
        self._waiting += taken
        self._position += len(taken)
        # The last chunk says that it is the last, so a full one waits until there is more.
        while len(self._waiting) > _CHUNK:
            self._put(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(taken)

    def seal(self) -> None:
        """Write the last chunk: what was put in is whole."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._key.encrypt(_nonce(self._chunks, last=last), chunk, self._header))
        self._chunks += 1


def opened(source: BinaryIO, key: X25519PrivateKey) -> Iterator[bytes]:
    """What is in an envelope, chunk by chunk; EnvelopeError for another key, and for one that was changed or cut.

    Whoever writes the chunks away keeps them only once all have come.
    """
    header = source.read(len(MAGIC) + 2 * _RAW)
    if not header.startswith(MAGIC) or header[-_RAW:] != key.public_key().public_bytes_raw():
        raise EnvelopeError("that is no envelope for this key")
    ephemeral = X25519PublicKey.from_public_bytes(header[len(MAGIC) : -_RAW])
    try:
        aead = _key(key.exchange(ephemeral), header)
        chunk, number = source.read(_CHUNK + _TAG), 0
        while True:
            following = source.read(_CHUNK + _TAG)
            yield aead.decrypt(_nonce(number, last=not following), chunk, header)
            if not following:
                return
            chunk, number = following, number + 1
    except (InvalidTag, ValueError):
        raise EnvelopeError("the envelope was changed or cut off; ask for it again") from None


def _key(shared: bytes, header: bytes) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=header[len(MAGIC) :], info=MAGIC).derive(shared))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def private_file(path: Path) -> BinaryIO:
    """A new file that only its owner reads; EnvelopeError where there is one already."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise EnvelopeError(f"{path} is there already; name another file") from None
