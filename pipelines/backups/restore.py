"""A backup -> a home: unpacked and proved beside it, without whoever was erased since, and only then in its place.

Until the last two renames the home that was there is untouched. `heal` ends what a kill between them left.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipelines.backups import backup, backup_key, contents, swap
from pipelines.backups.backup import Progress
from pipelines.backups.errors import BackupError
from pipelines.backups.place import Backup, Place
from retention import audit_anchor, tombstone_ledger
from retention.tombstone_ledger import Ledger
from warehouse import database, file_copy, publication, withholding
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

_PIECE = 1 << 20


@dataclass
class Restored:
    """What was put back: the backup, what it said of itself, who was erased again, the home that was set aside.

    `lost_loads` counts files that the home before had landed since the backup; None where that home says nothing.
    """

    backup: Backup
    about: dict[str, Any]
    erased_again: int = 0
    expired: int = 0
    version: int | None = None
    set_aside: Path | None = None
    lost_loads: int | None = None
    sources: list[str] = field(default_factory=list)


def verify(address: str, name: str | None, *, drill: Path | None = None) -> tuple[Backup, dict[str, Any], int]:
    """Read a backup to its end against its manifest; with `drill` also open it in a folder of that name and add it up.

    Gives the backup, what it says of itself, and how many files it has. BackupError names what is wrong with it.
    """
    key = backup_key.read()
    place = Place(address)
    chosen = place.chosen(name)
    if drill is None:
        return chosen, backup.about(place, chosen.name, key), len(_unpacked(place, chosen.name, key, None))
    shutil.rmtree(drill, ignore_errors=True)
    drill.mkdir(mode=0o700, parents=True)
    try:
        told = _opened(place, chosen, key, Home(drill))
        return chosen, told, sum(path.is_file() for path in drill.rglob("*"))
    finally:
        shutil.rmtree(drill, ignore_errors=True)


def restore(
    home: Home, address: str, name: str | None, now: datetime, progress: Progress, *, without_ledger: bool = False
) -> Restored:
    """Put a backup in a home's place; `now` is naive UTC. A home that was there is set aside in the new one.

    BackupError where the backup does not open or is not whole, its master key is missing, no ledger of tombstones is
    beside it (`without_ledger` says that none is needed), or services run: the home is then what it was.
    """
    key = backup_key.read()
    place = Place(address)
    with swap.alone(home):
        chosen = place.chosen(name)
        beside = place.ledger(chosen.home_id, key)
        if beside is None and not without_ledger:
            raise BackupError(
                f"{address} has no ledger of tombstones of this home: without it whoever was erased since would come "
                "back; put it there, or say --without-ledger where nobody was"
            )
        with _staged(home) as staged:
            progress("unpacking", 0, 1)
            done = Restored(chosen, _opened(place, chosen, key, staged))
            ledger = _ledger(home, chosen.home_id, beside, done)
            _forget(home, staged, ledger, now, done, progress)
            done.lost_loads = _lost_loads(home, staged)
            _durable(staged)
            done.set_aside = swap.swapped(home, now)
            with database.control(home) as control:
                audit_anchor.keep(home, control, now, always=True)
    return done


@contextmanager
def _staged(home: Home) -> Iterator[Home]:
    staging = swap.staging(home)
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BackupError(f"{staging} cannot be made ({type(error).__name__}): name another home with --home") from None
    try:
        yield Home(staging)
    except BaseException:
        # Not where it became the home, or is about to.
        if not swap.is_decided(home):
            shutil.rmtree(staging, ignore_errors=True)
        raise


def _unpacked(place: Place, name: str, key: bytes, into: Path | None) -> dict[str, Any]:
    """The manifest of a backup whose every file was read and is what it says; written below `into`, where that is."""
    found: dict[str, dict[str, object]] = {}
    manifest: dict[str, Any] | None = None
    with backup.unpacking(place, name, key) as (tar, reader):
        for entry in tar:
            handle = tar.extractfile(entry)
            if handle is None or not (entry.name in {backup.ABOUT, backup.MANIFEST} or contents.is_one(entry.name)):
                raise BackupError(f"{name} holds something that is no part of a home: it is not put back")
            if entry.name == backup.MANIFEST:
                manifest = json.load(handle)
            elif entry.name != backup.ABOUT:
                found[entry.name] = _read(cast("BinaryIO", handle), None if into is None else into / entry.name)
        reader.drain()
    if manifest is None or manifest != found:
        raise BackupError(f"{name} does not hold what its manifest says: take another copy of it, or an older backup")
    return manifest


def _read(handle: BinaryIO, target: Path | None) -> dict[str, object]:
    hashed = backup.Hashed(handle)
    size = 0
    with ExitStack() as stack:
        written = None
        if target is not None:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.touch(mode=0o600, exist_ok=False)
            written = stack.enter_context(target.open("wb"))
        while piece := hashed.read(_PIECE):
            size += len(piece)
            if written is not None:
                _write(written, piece)
    return {"bytes": size, "sha256": hashed.sha256.hexdigest()}


def _write(written: BinaryIO, piece: bytes) -> None:
    try:
        written.write(piece)
        written.flush()
    except OSError as error:
        raise BackupError(
            f"the backup cannot be unpacked beside the home ({type(error).__name__}): make room for all of it, or name "
            "another home with --home"
        ) from None


def _opened(place: Place, chosen: Backup, key: bytes, staged: Home) -> dict[str, Any]:
    """Unpack a backup as a home of its own, brought to this program's form, that adds up to what it did."""
    told = backup.about(place, chosen.name, key)
    _unpacked(place, chosen.name, key, staged.root)
    staged.make()
    with database.control(staged) as control:
        # A wrong master key is noticed here, before anything is put in anything's place.
        Vault(control, chosen.made_at)
    version = told["version"]
    if version is not None:
        with database.held(staged.build_lock):
            publication.adopt(staged, version)
            if told["totals"] != contents.totals(staged):
                raise BackupError(
                    f"{chosen.name} does not add up to what it did when it was made: take an older backup"
                )
    return told


def _ledger(home: Home, home_id: str, beside: Ledger | None, done: Restored) -> Ledger:
    """Everybody who was erased, by all that knows of it: beside the backup, on this machine, in the home there is."""
    known = {"beside the backup": beside or {}, "on this machine": tombstone_ledger.here(home_id)}
    if home.control_file.exists():
        try:
            with database.control(home) as control:
                if tombstone_ledger.home_id(control) == home_id:
                    known["in the home that is set aside"] = tombstone_ledger.of_control(control)
        except (database.ControlError, WarehouseError):
            # It is damaged, which is why a backup takes its place.
            done.sources.append("the home that was there could not be asked")
    done.sources += [where for where, ledger in known.items() if ledger]
    return tombstone_ledger.merged(known.values())


def _forget(home: Home, staged: Home, ledger: Ledger, now: datetime, done: Restored, progress: Progress) -> None:
    """Erase whoever was erased since, let go what has expired since, and end what a session or a mail had begun.

    That this home is older than the anchors of its audit chain is said first, in the chain and outside.
    """
    from pipelines.orchestration import retain

    with database.control(staged) as control:
        with database.transaction(control):
            vault = Vault(control, now)
            # What was revoked since would live again: tokens are made anew.
            for table in ("session", "ticket", "token"):
                control.execute(f"DELETE FROM {table}")
            # What was waiting then has been sent since, or has lost its point.
            control.execute(
                "UPDATE mail SET state = 'withdrawn', ended_at = ? WHERE state IN ('queued', 'sending')",
                (database.stamp(now),),
            )
        begun = tombstone_ledger.take_up(control, vault, ledger)
        try:
            audit_anchor.restored(home, control, now, f"{done.backup.made_at:%Y-%m-%d}", staged)
        except OSError as error:
            raise BackupError(
                f"{audit_anchor.path(home, control)} cannot be written ({type(error).__name__}), and an older audit "
                "chain would look cut: make it writable"
            ) from None
        if begun:
            withholding.withhold(staged)
    done.erased_again = len(begun)
    if staged.build_file.exists() and database.current_version(staged) is not None:
        # The operator has put this moment in the clock's place: what is too old goes before anybody sees it.
        night = retain.expire_home(staged, retain.reading(now), progress, clock_is_right=True)
        done.expired = sum(night.by_clause().values())
        done.version = database.current_version(staged)


def _durable(staged: Home) -> None:
    for path in sorted(staged.root.rglob("*")):
        if path.is_dir():
            file_copy.synced(path)
        elif not path.is_symlink():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())


def _lost_loads(home: Home, staged: Home) -> int | None:
    """How many files the home there is has landed that the restored one knows nothing of; None where it cannot say."""
    if not home.control_file.exists():
        return None
    query = "SELECT gateway, file_sha256 FROM load WHERE state = 'landed'"
    try:
        with database.control(home) as control:
            landed = set(control.execute(query).fetchall())
        with database.control(staged) as control:
            return len(landed - set(control.execute(query).fetchall()))
    except (database.ControlError, WarehouseError):
        return None
