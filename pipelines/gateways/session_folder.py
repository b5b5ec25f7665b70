"""Folders of session files that an agent appends to: what was added since the last visit, line by line.

Files are opened for reading and never touched otherwise. A file that is another than it was, by inode, size or the
bytes before the place where reading stopped, is read from its start.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from pipelines.errors import PlaceError
from pipelines.gateways.logfile import LONGEST_LINE
from pipelines.gateways.session_line import SessionLine, encode
from pipelines.gateways.visit import MOST_LINES, Visit
from warehouse.control import objection
from warehouse.control.watched import Watched

_TAIL_BYTES = 256


class Session(Protocol):
    """What a source makes of one file's lines."""

    def take(self, line: bytes) -> None:
        """Look at a line; a line of no interest is passed over."""

    def too_long(self, start: bytes) -> None:
        """Look at the first bytes of a line that is longer than is read."""

    def told(self) -> list[SessionLine]:
        """The calls that the lines taken so far told of."""

    def carried(self) -> str | None:
        """What is needed to go on from here: counters and hashes."""


@dataclass(frozen=True)
class SessionFile:
    """A file of a session: where it is, what it was when it was found; `beside` finds another by its name's end."""

    path: Path
    inode: int
    size: int
    beside: Callable[[str], Path | None]

    def head(self) -> bytes:
        """The first line, which says what session it is."""
        with opened(self.path) as handle:
            return handle.readline(LONGEST_LINE)


Begin = Callable[[SessionFile, str | None], Session]


def opened(path: Path) -> BinaryIO:
    """Open a file for reading, links not followed."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def folders(setting: str, usual: Path, *also: Path) -> list[Path]:
    """The folders of a setting: `1` is the usual one and those that are there besides; PlaceError where one is not."""
    if setting == "1":
        named = [usual, *(folder for folder in also if folder.is_dir())]
    else:
        named = [Path(text).expanduser() for text in setting.split(os.pathsep) if text]
    for number, folder in enumerate(named, 1):
        if not folder.is_dir():
            raise PlaceError(f"folder {number} of the setting is not there; name it, or 1 for the usual place")
    return named


def files(roots: list[Path], suffix: str | tuple[str, ...]) -> list[SessionFile]:
    """Every regular file below the folders whose name ends so, by name; PlaceError where a folder may not be read."""
    found: dict[str, Path] = {}
    listed = []

    def beside(ending: str) -> Path | None:
        return next((path for name, path in found.items() if name.endswith(ending)), None)

    def refuse(error: OSError) -> None:
        raise PlaceError(f"a folder below it cannot be read ({error.strerror})") from None

    for root in roots:
        for folder, inner, names in os.walk(root, onerror=refuse):
            inner.sort()
            for name in sorted(name for name in names if name.endswith(suffix)):
                path = Path(folder, name)
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    found[name] = path
                    # Some file systems count to 2^64, SQLite to half of it.
                    listed.append(SessionFile(path, status.st_ino % 2**63, status.st_size, beside))
    return listed


def has_news(visit: Visit, listed: list[SessionFile]) -> bool:
    """Whether a file is new or has another size than at the last visit; never where somebody objects to the reading."""
    if objection.numbers(visit.control, "agent_sessions"):
        return False
    return any(not _is_read(file, visit.known.get(visit.lookup(str(file.path)))) for file in listed)


def _is_read(file: SessionFile, known: Watched | None) -> bool:
    return known is not None and (known.inode, known.size) == (file.inode, file.size)


def collect(visit: Visit, listed: list[SessionFile], begin: Begin) -> None:
    """Hand over what the files tell that was not told before; PlaceError where the operator objects to the reading."""
    if objection.numbers(visit.control, "agent_sessions"):
        raise PlaceError("the operator objects to it; `apiledger rights object … agent_sessions --take-back` ends that")
    lines: list[bytes] = []
    things: list[Watched] = []
    same = []
    for number, file in enumerate(listed):
        lookup = visit.lookup(str(file.path))
        known = visit.known.get(lookup)
        if _is_read(file, known):
            same.append(lookup)
            continue
        visit.progress(f"watching {visit.place}", number, len(listed))
        try:
            told, thing = _read(visit, file, lookup, known, begin)
        except FileNotFoundError:
            # Agents prune their sessions; what they told is kept.
            continue
        except OSError as error:
            raise PlaceError(f"a session cannot be read ({error.strerror})") from None
        lines += [encode(line) for line in told]
        things.append(thing)
        if len(lines) >= MOST_LINES:
            visit.hand_over(lines, things)
            lines, things = [], []
    visit.hand_over(lines, things)
    visit.still_there(same)
    visit.progress(f"watching {visit.place}", len(listed), len(listed))


def _read(
    visit: Visit, file: SessionFile, lookup: bytes, known: Watched | None, begin: Begin
) -> tuple[list[SessionLine], Watched]:
    with opened(file.path) as handle:
        start = _start(visit, file, handle, known)
        session = begin(file, known.carried if known is not None and start else None)
        read_to = start
        for end, line, is_whole in _lines(handle, start):
            read_to = end
            if is_whole:
                session.take(line)
            else:
                session.too_long(line)
        tail = _tail(visit, handle, read_to)
    told = session.told()
    return told, Watched(lookup, file.inode, file.size, read_to, tail, session.carried())


def _start(visit: Visit, file: SessionFile, handle: BinaryIO, known: Watched | None) -> int:
    """Where reading goes on: after what is known, if the file is still the one that was read."""
    if known is None or known.inode != file.inode or file.size < known.read_to:
        return 0
    return known.read_to if _tail(visit, handle, known.read_to) == known.tail else 0


def _tail(visit: Visit, handle: BinaryIO, end: int) -> bytes:
    start = max(end - _TAIL_BYTES, 0)
    handle.seek(start)
    return visit.tail(handle.read(end - start))


def _lines(handle: BinaryIO, start: int) -> Iterator[tuple[int, bytes, bool]]:
    """Where each whole line ends, the line, and whether it is all of it; a line that is still written is left."""
    handle.seek(start)
    end = start
    while line := handle.readline(LONGEST_LINE + 1):
        end += len(line)
        first, is_whole = line, line.endswith(b"\n")
        while line and not line.endswith(b"\n"):
            line = handle.readline(LONGEST_LINE)
            end += len(line)
        if not line:
            return
        yield end, first, is_whole
