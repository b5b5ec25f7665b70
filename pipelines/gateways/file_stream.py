"""A large file of lines, read by two streams at once: to DuckDB every slice of it is a file of its own.

DuckDB hands over what it reads of one file by one thread. Its buffers have 32 MB each, however short the lines are, and
of a buffer only what a slice fills is ever touched: so slices are short. Nothing of the file is copied to disk.
"""

import io
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from fsspec.spec import AbstractFileSystem

from pipelines.gateways.logfile import LONGEST_LINE

# The boundary takes half as long for a batch as one stream does.
_STREAMS = 2
_SLICE_BYTES = 4 * 1024 * 1024
# DuckDB copies what it is given, and asks again: memory of this size is used again, larger is asked of the machine.
_READ_BYTES = 1024 * 1024
# Each is named in the query: of a large file they are longer.
_MOST_SLICES = 4096
# What is read at once; the next batch of each stream is read while one is worked on.
BATCH_ROWS = 61_440
_PROTOCOL = "slice"


@contextmanager
def opened(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[list[str]]:
    """The file as the streams that `batches` reads side by side: of each, SQL of what `read_json` is told to read.

    There are none of an empty file, nor where a line is longer than LONGEST_LINE.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        slices = _Slices(descriptor)
        connection.register_filesystem(slices)
        try:
            yield [f"[{', '.join(part)}]" for n in range(_STREAMS) if (part := slices.names[n::_STREAMS])]
        finally:
            connection.unregister_filesystem(_PROTOCOL)
    finally:
        os.close(descriptor)


def batches(
    connection: duckdb.DuckDBPyConnection, queries: Sequence[str], bound: dict[str, object]
) -> Generator[pa.RecordBatch]:
    """What the queries answer, a batch of each in turn, and so in about the order of the file; to be closed.

    Each is read ahead by a batch while one is worked on: else DuckDB and whoever works on it take turns.
    """
    with ExitStack() as opened_here:
        cursors = [opened_here.enter_context(connection.cursor()) for _ in queries]
        reading = opened_here.enter_context(ThreadPoolExecutor(len(queries)))
        streams = map(_stream, cursors, queries, repeat(bound))
        following = deque((stream, reading.submit(next, stream, None)) for stream in streams)
        while following:
            stream, batch = following.popleft()
            if (found := batch.result()) is not None:
                following.append((stream, reading.submit(next, stream, None)))
                yield found


def _stream(cursor: duckdb.DuckDBPyConnection, query: str, bound: dict[str, object]) -> Iterator[pa.RecordBatch]:
    yield from cursor.execute(query, bound).to_arrow_reader(BATCH_ROWS)


class _Slices(AbstractFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """Whole lines of one open file, a slice of some megabytes each, under names of their own."""

    protocol = _PROTOCOL
    # Of two files the slices may have the same bounds.
    cachable = False

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        bounds = _bounds(descriptor)
        self._sizes = {f"{first}": (first, after - first) for first, after in pairwise(bounds)}
        self.names = [f"'{_PROTOCOL}://{name}'" for name in self._sizes]

    def _slice(self, name: str) -> tuple[int, int]:
        return self._sizes[name.removeprefix(f"{_PROTOCOL}://")]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What there is to know of a slice."""
        return {"name": path, "size": self._slice(path)[1], "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """The slice of that name; no name here is a pattern."""
        return [path]

    def open(self, path: str, *_: Any, **__: Any) -> "_Slice":
        """A slice to be read."""
        return _Slice(self._descriptor, *self._slice(path))


class _Slice(io.RawIOBase):
    """A part of an open file; any number of them are read at once."""

    mode = "rb"

    def __init__(self, descriptor: int, first: int, size: int) -> None:
        super().__init__()
        self._descriptor, self._first, self._size, self._at = descriptor, first, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, _READ_BYTES, self._size - self._at)
        read = os.pread(self._descriptor, wanted, self._first + self._at)
        if len(read) < wanted:
            raise OSError("the file was cut off while it was read")
        self._at += wanted
        return read


def _bounds(descriptor: int) -> list[int]:
    """Where slices of whole lines begin, and where the last one ends; nothing where a line is too long."""
    total = os.fstat(descriptor).st_size
    wide = max(_SLICE_BYTES, -(-total // _MOST_SLICES))
    found = [0]
    with os.fdopen(os.dup(descriptor), "rb") as file:
        while found[-1] < total:
            file.seek(found[-1] + wide)
            if len(file.readline(LONGEST_LINE + 1)) > LONGEST_LINE:
                return []
            found.append(min(file.tell(), total))
    return found
