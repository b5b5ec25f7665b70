"""Who has a database file open so that others cannot: asked of the kernel, without opening the database."""

import fcntl
import os
import struct
import sys
from pathlib import Path

# struct flock of fcntl(2), which has no other name in Python: Linux begins with the type, macOS with the offsets.
_LINUX = sys.platform.startswith("linux")
_FORMAT = "hhqqi" if _LINUX else "qqihh"


def writer(path: Path) -> int | None:
    """Return the process that holds `path` for writing, None where nobody does; a mere reader is no holder.

    DuckDB locks the file it opens, and a careless read-write `duckdb.connect` keeps everybody else out.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        kind, start, length, pid = fcntl.F_RDLCK, 0, 0, 0
        fields = (kind, os.SEEK_SET, start, length, pid) if _LINUX else (start, length, pid, kind, os.SEEK_SET)
        answer = struct.unpack(_FORMAT, fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FORMAT, *fields)))
    finally:
        os.close(descriptor)
    held, holder = (answer[0], answer[4]) if _LINUX else (answer[3], answer[2])
    return None if held == fcntl.F_UNLCK else int(holder)
