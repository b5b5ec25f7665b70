"""A visit to a place where a log lies: what is known of it, and the one way to hand over what is new.

What is handed over becomes a file in the source's inbox, of allow-listed fields only, and goes the way of every log.
First the file, then the memory: killed between the two, the next visit reads the same again, and a call is one call.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipelines import erasing
from warehouse import database
from warehouse.control import watched
from warehouse.control.vault import Vault
from warehouse.control.watched import Watched
from warehouse.home import Home

# Lines gathered before they are handed over: a kill costs at most the reading of so many.
MOST_LINES = 20_000


@dataclass
class Visit:
    """One visit: `setting` says where, `known` what was there before; `things` and `lines` count what it hands over."""

    home: Home
    control: sqlite3.Connection
    vault: Vault
    gateway: str
    place: str
    setting: str = field(repr=False)
    now: datetime
    progress: Callable[[str, int, int], None]
    known: dict[bytes, Watched] = field(default_factory=dict)
    things: int = 0
    lines: int = 0

    def __post_init__(self) -> None:
        self.known = watched.known(self.control, self.place)

    def lookup(self, name: str) -> bytes:
        """The keyed hash that stands for a name: a path, a key, a moment."""
        return self.vault.lookup("watched", self.place, name)

    def tail(self, content: bytes) -> bytes:
        """A short keyed hash of the bytes before a place in a file, to tell whether it is still that file."""
        return hashlib.blake2b(content, digest_size=8, key=self.vault.pepper).digest()

    def hand_over(
        self, lines: Sequence[bytes], things: Iterable[Watched] = (), forgotten: Iterable[bytes] = ()
    ) -> None:
        """Lay lines into the inbox, then remember what they were read of and forget what need not be known any more.

        GaveWayError where an erasure waits; what was handed over before need not be read again.
        """
        erasing.give_way(self.home, self.control)
        if lines:
            self._lay(b"".join(line + b"\n" for line in lines))
            self.lines += len(lines)
        kept, gone = list(things), list(forgotten)
        with database.transaction(self.control):
            watched.remember(self.control, self.place, kept, self.now.date())
            watched.forget(self.control, self.place, gone)
        self.known.update((one.lookup, one) for one in kept)
        for lookup in gone:
            self.known.pop(lookup, None)
        self.things += len(kept)

    def still_there(self, lookups: Iterable[bytes]) -> None:
        """Keep what was seen again from being forgotten."""
        with database.transaction(self.control):
            watched.seen(self.control, self.place, lookups, self.now.date())

    def _lay(self, content: bytes) -> Path:
        """Write a file of the inbox under a name that is passed over, to the disk, and rename it into place."""
        folder = self.home.inbox / self.gateway
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{self.place}-{hashlib.sha256(content).hexdigest()[:24]}.jsonl"
        part = path.with_name(f".{path.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
        return path
