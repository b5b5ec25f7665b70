"""A home -> one sealed file in a folder or a bucket: a tar stream with a manifest of hashes at its end.

Beside it lies the ledger of tombstones, sealed by the same key and written anew with every backup and erasure. What is
older than clause S-backups lets it be goes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipelines import erasing, object_store
from pipelines.backups import backup_health, backup_key, contents, ledger_copy
from pipelines.backups.errors import BackupError
from pipelines.backups.place import Backup, Place, backup_name
from pipelines.backups.sealed_stream import SealedReader, SealedWriter
from pipelines.errors import GaveWayError
from retention import policy, tombstone_ledger
from warehouse import database
from warehouse.control import erasure as erasures
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
CLAUSE = "S-backups"
ABOUT, MANIFEST = "about.json", "manifest.json"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Made:
    """What was made: the backup, its files and their bytes, and the older ones that went."""

    backup: Backup
    files: int
    content_bytes: int
    expired: list[Backup]


def make(home: Home, address: str, now: datetime, progress: Progress) -> Made:
    """Make a backup of a home; `now` is naive UTC. The backup key is made where there is none.

    BackupError where the place is in the home, holds a key, or cannot be written; BusyError where a pass is under way.
    An erasure goes first, and what was written until it began is written anew: no backup has anybody whose erasure was
    asked for before it was whole.
    """
    _hold_apart(home, address)
    if database.current_version(home) is None:
        raise BackupError(f"nothing is published in {home.root}: there is nothing to back up yet")
    backup_key.make()
    key = backup_key.read()
    place, sizes = Place(address, writes=True), None
    while sizes is None:
        erasing.resume(home, now, progress)
        try:
            sizes, name = _put(home, place, key, now, progress)
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)
    ledger_copy.remember(home, address)
    ledger_copy.push(home, key)
    with database.control(home) as control:
        stamp = database.stamp(now).encode()
        control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (backup_health.MADE_AT, stamp))
    made = next(each for each in place.listed() if each.name == name)
    return Made(made, len(sizes), sum(sizes), expire(home, now))


def _put(home: Home, place: Place, key: bytes, now: datetime, progress: Progress) -> tuple[list[int], str]:
    """Write one backup: the bytes of its files, and its name. GaveWayError where somebody is erased meanwhile."""
    with database.control(home) as control:
        home_id, erased = tombstone_ledger.home_id(control), erasures.newest(control)
        tombstone_ledger.keep(home, control)
        name = backup_name(home_id, now)
        if any(each.name == name for each in place.listed()):
            raise BackupError(f"{name} is there already: one backup a second")

        def give_way() -> None:
            # One that is done already was begun since, and the copies are older than it.
            if erasures.newest(control) != erased:
                raise GaveWayError("somebody was erased meanwhile; the backup is begun anew")
            erasing.give_way(home, control)

        with contents.taken(home, give_way) as files:
            about = {
                "home_id": home_id,
                "home": "sandbox" if home.is_sandbox else "own",
                "made_at": database.stamp(now),
                "version": database.current_version(home),
                "totals": contents.totals(home),
            }
            try:
                with object_store.writing(place.system, place.path(name)) as sink:
                    sizes = _written(SealedWriter(sink, key), about, files, progress, give_way)
            except OSError as error:
                # An erasure empties the copies, too.
                give_way()
                raise BackupError(
                    f"{place.address} cannot be written ({type(error).__name__}): nothing was left there; look at its "
                    "room"
                ) from None
    return sizes, name


def _hold_apart(home: Home, address: str) -> None:
    if "://" in address:
        return
    folder = Path(address).expanduser().absolute()
    if folder.resolve().is_relative_to(home.root.resolve()):
        raise BackupError(f"{folder} is in the home: a backup lies elsewhere, best on another disk")
    if not backup_key.is_apart(folder):
        raise BackupError(f"a key lies in {folder}: keys and backups are kept apart; name another folder")


def _written(
    writer: SealedWriter,
    about: dict[str, Any],
    files: list[contents.Content],
    progress: Progress,
    give_way: Callable[[], None],
) -> list[int]:
    sizes: list[int] = []
    manifest: dict[str, dict[str, object]] = {}
    with tarfile.open(fileobj=cast("BinaryIO", writer), mode="w|", bufsize=_PIECE) as tar:
        # Read in pieces of this size, not of 16 kB.
        tar.copybufsize = _PIECE  # type: ignore[attr-defined] # its types do not know it
        _add(tar, ABOUT, about)
        for number, each in enumerate(files):
            progress("backing up", number, len(files))
            with each.path.open("rb") as handle:
                hashed = Hashed(handle, give_way)
                entry = tarfile.TarInfo(each.name)
                entry.size, entry.mode = each.path.stat().st_size, 0o600
                tar.addfile(entry, cast("BinaryIO", hashed))
            manifest[each.name] = {"bytes": entry.size, "sha256": hashed.sha256.hexdigest()}
            sizes.append(entry.size)
        _add(tar, MANIFEST, manifest)
    give_way()
    writer.finish()
    progress("backing up", len(files), len(files))
    return sizes


def _add(tar: tarfile.TarFile, name: str, told: dict[str, Any]) -> None:
    body = json.dumps(told, sort_keys=True).encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(body), 0o600
    tar.addfile(entry, io.BytesIO(body))


class Hashed:
    """A file that is hashed while it is read; before each piece `look` may say that it is not read on."""

    def __init__(self, handle: BinaryIO, look: Callable[[], None] = lambda: None) -> None:
        self._handle, self._look = handle, look
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read and hash."""
        self._look()
        piece = self._handle.read(size)
        self.sha256.update(piece)
        return piece


@contextmanager
def unpacking(place: Place, name: str, key: bytes) -> Iterator[tuple[tarfile.TarFile, SealedReader]]:
    """A backup's files, one after the other; BackupError where it is no backup, or breaks off."""
    reader = place.opened(name, key)
    try:
        with tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|", bufsize=_PIECE) as tar:
            yield tar, reader
    except (tarfile.TarError, json.JSONDecodeError, OSError) as error:
        raise BackupError(f"{name} cannot be read ({type(error).__name__}): take another copy of it") from None


def about(place: Place, name: str, key: bytes) -> dict[str, Any]:
    """What a backup says of itself, from its first chunk alone."""
    with unpacking(place, name, key) as (tar, _):
        first = tar.next()
        handle = tar.extractfile(first) if first is not None and first.name == ABOUT else None
        if handle is None:
            raise BackupError(f"{name} does not say what it is of: it was not made by `apiledger backup make`")
        return dict(json.load(handle))


def aged(home: Home, now: datetime) -> Iterator[Backup]:
    """The backups of a home, where its last one went, that are older than the clause lets them be."""
    address = ledger_copy.target(home)
    if address is None:
        return
    limit = now - timedelta(days=policy.load(home.root / "policy.toml").clause(CLAUSE).kept_days or 0)
    with database.control(home) as control:
        home_id = tombstone_ledger.home_id(control)
    yield from (each for each in Place(address).listed() if each.home_id == home_id and each.made_at <= limit)


def expire(home: Home, now: datetime) -> list[Backup]:
    """Delete the backups of a home that are too old; gives them. BackupError where their place cannot be reached."""
    old = list(aged(home, now))
    if old:
        place = Place(ledger_copy.target(home) or "")
        try:
            for each in old:
                place.system.delete_file(place.path(each.name))
        except OSError as error:
            raise BackupError(f"old backups in {place.address} cannot be deleted ({type(error).__name__})") from None
    return old
