"""A file made equal to another by writing only the blocks that differ; run as a program, by `file_copy` alone.

A version differs from the one before last in what two ticks wrote; the rest is compared, not written and synced again.
It needs a process of its own for the reason that `file_copy` tells, and nothing but the standard library.
"""

import ctypes
import fcntl
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# DuckDB writes blocks of 256 KiB behind a header of 12 KiB.
_STEP_BYTES = 256 * 1024
IN_USE = 3


def patch(source: str, target: str) -> int:
    """Make `target` equal to `source` and durable; 0, or IN_USE where somebody has it open: then it is untouched."""
    with Path(source).open("rb") as wanted, Path(target).open("r+b", buffering=0) as held:
        # A lease is given only on a file that no other handle of any process is open on, and keeps others waiting.
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        try:
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            return IN_USE
        whole = os.fstat(wanted.fileno()).st_size
        with mmap.mmap(wanted.fileno(), whole, access=mmap.ACCESS_COPY) as new:
            for offset, size in _differing(new, held.fileno()):
                os.pwrite(held.fileno(), new[offset : offset + size], offset)
        os.ftruncate(held.fileno(), whole)
        os.fsync(held.fileno())
    return 0


def _differing(new: mmap.mmap, held: int) -> Iterator[tuple[int, int]]:
    """Where the steps are, and of what size, that differ or are not there; compared in place, which reads no copy."""
    there = os.fstat(held).st_size
    old = mmap.mmap(held, min(there, len(new)), access=mmap.ACCESS_COPY)
    one, other = (ctypes.addressof(ctypes.c_char.from_buffer(each)) for each in (new, old))
    compare = ctypes.CDLL(None).memcmp
    compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    for offset in range(0, len(new), _STEP_BYTES):
        size = min(_STEP_BYTES, len(new) - offset)
        if offset + size > there or compare(one + offset, other + offset, size):
            yield offset, size


if __name__ == "__main__":
    sys.exit(patch(*sys.argv[1:]))
