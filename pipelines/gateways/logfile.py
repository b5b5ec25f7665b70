"""Log files in an inbox: which are ready, what they hash to, and their lines under a bound.

A gateway writes under a name that is passed over (`.part`, a leading dot) and renames into place. Nothing here trusts a
file: a line may have a gigabyte, a kilobyte of gzip a terabyte.
"""

import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.errors import PipelineError

LONGEST_LINE = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
# JSON logs shrink to a tenth, repeated metadata to a sixtieth; a bomb to a thousandth and less.
_MOST_RATIO = 250
_FREE_BYTES = 64 * 1024 * 1024
_PASSED_OVER = (".part", ".refused", ".tmp")


class RefusedFileError(PipelineError):
    """A file that is no log as a whole; it stays in the inbox as `<name>.refused` for somebody to look at."""


@dataclass(frozen=True)
class LogFile:
    """A file as it was when it was found; `same` tells whether it is still that file before it is removed."""

    path: Path
    inode: int
    size: int
    modified_ns: int

    @property
    def is_gzip(self) -> bool:
        """Whether the file's name says it is compressed."""
        return self.path.suffix == ".gz"

    def same(self) -> bool:
        """Whether the path still names the file that was read, unchanged."""
        try:
            now = self.path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (now.st_ino, now.st_size, now.st_mtime_ns) == (self.inode, self.size, self.modified_ns)

    def sha256(self) -> bytes:
        """The hash of the file's bytes as they lie on disk."""
        with _opened(self.path) as handle:
            digest = hashlib.sha256()
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
            return digest.digest()


def ready(folder: Path) -> list[LogFile]:
    """The regular files of an inbox in the order of their names; links, hidden and unfinished files are passed over."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_PASSED_OVER):
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found.append(LogFile(Path(entry.path), status.st_ino, status.st_size, status.st_mtime_ns))
    return sorted(found, key=lambda file: file.path.name)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", _CHUNK)


def lines(file: LogFile) -> Iterator[tuple[int, bytes | int]]:
    """Line number and line, without the newline; for a line longer than LONGEST_LINE its length in its place.

    Memory stays at the longest line. RefusedFileError where the compression breaks off or swells without measure.
    """
    with _readable(file) as handle:
        number = 0
        while line := _read_line(handle, file):
            number += 1
            if line.endswith(b"\n"):
                yield number, line[:-1]
            elif len(line) <= LONGEST_LINE:
                yield number, line
            else:
                yield number, len(line) + _skipped(handle, file)


def _read_line(handle: BinaryIO, file: LogFile) -> bytes:
    try:
        return handle.readline(LONGEST_LINE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RefusedFileError(f"{file.path.name} is no whole gzip file") from None


def _skipped(handle: BinaryIO, file: LogFile) -> int:
    """Read past the rest of a line that is too long; its length without the newline."""
    length = 0
    while rest := _read_line(handle, file):
        length += len(rest)
        if rest.endswith(b"\n"):
            return length - 1
    return length


class _Measured(io.RawIOBase):
    """A gzip file's content, refused once it swells beyond measure."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._packed = _opened(file.path)
        self._unpacked = gzip.GzipFile(fileobj=self._packed)
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._unpacked.readinto(buffer)
        self._total += count
        if self._total > max(_FREE_BYTES, self._file.size * _MOST_RATIO):
            raise RefusedFileError(f"{self._file.path.name} swells to more than {_MOST_RATIO} times its size")
        return count

    def close(self) -> None:
        self._unpacked.close()
        self._packed.close()
        super().close()


def _readable(file: LogFile) -> BinaryIO:
    if file.is_gzip:
        return io.BufferedReader(_Measured(file), _CHUNK)
    return _opened(file.path)


def inflate(file: LogFile, target: Path) -> Path:
    """Write a gzip file's content to `target` (0600), under the same bounds; returns it."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle, _readable(file) as content:
        while chunk := _read_line(content, file):
            handle.write(chunk)
    return target


def refuse(file: LogFile) -> None:
    """Set a file aside under `<name>.refused`, where no pass reads it again."""
    file.path.rename(file.path.with_name(file.path.name + ".refused"))
