"""A sealed stream: AES-256-GCM in chunks, so that a file of any size is sealed and opened in a few megabytes.

Header: a magic word, a salt, and a word that tells a wrong key from a damaged file. Each file has a key of its own, so
the chunk's number is its nonce; the last chunk says that it is the last. A chunk that is changed, moved, doubled or
missing does not open, and a file that was cut has no last one.
"""

import secrets
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.backups import backup_key
from pipelines.backups.errors import BackupError

CHUNK = 1 << 20
_MAGIC = b"APILEDGER-SEALED-1\n"
_SALT, _WORD, _TAG = 32, 16, 16


class Sink(Protocol):
    """What a sealed stream is written into."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""


class SealedWriter:
    """Seals what is written to it into a sink; `finish` writes the last chunk."""

    def __init__(self, sink: Sink, key: bytes) -> None:
        salt = secrets.token_bytes(_SALT)
        self._header = _MAGIC + salt + backup_key.derived(key, salt, "word")[:_WORD]
        self._cipher = AESGCM(backup_key.derived(key, salt, "chunks"))
        self._sink = sink
        self._waiting = bytearray()
        self._number = 0
        sink.write(self._header)

    def write(self, data: bytes) -> int:
        """Seal bytes; a chunk leaves as soon as more than one is there."""
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Seal what waits as the last chunk, also where that is nothing."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._sink.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._header))
        self._number += 1


class SealedReader:
    """Opens a sealed stream from its beginning; BackupError where it is not what was sealed, or the key is another."""

    def __init__(self, source: BinaryIO, key: bytes, name: str) -> None:
        self._source, self._name = source, name
        self._header = source.read(len(_MAGIC) + _SALT + _WORD)
        if len(self._header) < len(_MAGIC) + _SALT + _WORD or not self._header.startswith(_MAGIC):
            raise BackupError(f"{name} is no sealed file of apiledger, or was cut off: take another copy of it")
        salt, word = self._header[len(_MAGIC) : -_WORD], self._header[-_WORD:]
        if not secrets.compare_digest(backup_key.derived(key, salt, "word")[:_WORD], word):
            raise BackupError(
                f"{name} was sealed with another backup key: name that one's file in {backup_key.FILE_SETTING}"
            )
        self._cipher = AESGCM(backup_key.derived(key, salt, "chunks"))
        self._number, self._open, self._ended = 0, b"", False
        self._next = source.read(CHUNK + _TAG)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that is left where it is below zero; fewer only at the end."""
        pieces, wanted = [], size
        while wanted != 0 and (self._open or self._fill()):
            piece = self._open if wanted < 0 else self._open[:wanted]
            self._open = self._open[len(piece) :]
            pieces.append(piece)
            wanted -= len(piece) if wanted > 0 else 0
        return b"".join(pieces)

    def drain(self) -> None:
        """Read to the end, so that a file that was cut is found."""
        while self.read(CHUNK):
            continue

    def _fill(self) -> bool:
        while not self._open and not self._ended:
            sealed, self._next = self._next, self._source.read(CHUNK + _TAG)
            last = not self._next
            try:
                self._open = self._cipher.decrypt(_nonce(self._number, last=last), sealed, self._header)
            except InvalidTag:
                raise BackupError(self._said(sealed, last=last)) from None
            self._number, self._ended = self._number + 1, last
        return bool(self._open)

    def _said(self, sealed: bytes, *, last: bool) -> str:
        place = f"{self._name} does not open from megabyte {self._number} on"
        if last and self._is_whole_chunk(sealed):
            return f"{place}: it was cut off there; take another copy of it, or an older backup"
        return f"{place}: it was changed or cut off there; take another copy of it, or an older backup"

    def _is_whole_chunk(self, sealed: bytes) -> bool:
        try:
            self._cipher.decrypt(_nonce(self._number, last=False), sealed, self._header)
        except InvalidTag:
            return False
        return True


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
