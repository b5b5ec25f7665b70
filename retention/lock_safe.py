"""The bytes of a file, read so that no lock of this process on it is lost.

POSIX takes all locks of a process on a file away when it closes any handle of it. A process that has a SQLite store
open and reads the file itself loses them: the next process that closes the store finds nobody there and removes its
log. The first goes on writing into that, and nobody sees what it commits.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from retention.errors import RetentionError

_PIECE = 1 << 22
# A store, its log and the log's index: ours, and Dagster's.
_STORE = re.compile(r"\.(sqlite3?|db)(-wal|-shm|-journal)?$")


def pieces(path: Path) -> Iterator[bytes]:
    """What is in a file, in pieces of at most 4 MiB; of a store, as another process reads it.

    OSError where it cannot be read, FileNotFoundError where it is gone; RetentionError where nothing could read it.
    """
    if _STORE.search(path.name) is None:
        with path.open("rb") as handle:
            while piece := handle.read(_PIECE):
                yield piece
        return
    command = ["cat", str(path.absolute())]
    try:
        reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        # Else it would be the file that is gone, and a search would have looked into no store.
        raise RetentionError("there is no `cat` on PATH, which reads what SQLite has open: put it there") from None
    with reading as process:
        out = cast("IO[bytes]", process.stdout)
        while piece := out.read(_PIECE):
            yield piece
    if process.returncode:
        if not path.exists():
            raise FileNotFoundError(path)
        raise PermissionError(f"{path} cannot be read")
