"""A restored home takes the place of the one there is: two renames, and a note that ends them after a kill.

The note is laid once the restored home is whole. Before it, what lies beside the home is a restore that was broken off,
and goes; after it, whoever starts next ends the renames.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from pipelines.backups.errors import BackupError
from pipelines.services import service
from warehouse import database, file_copy, withholding
from warehouse.control import erasure as erasures
from warehouse.errors import WarehouseError
from warehouse.home import Home


def staging(home: Home) -> Path:
    """Where a backup is unpacked: beside the home, so that a rename puts it in its place."""
    return home.root.with_name(f".{home.root.name}.restored")


def _note(home: Home) -> Path:
    return home.root.with_name(f".{home.root.name}.restoring")


def is_decided(home: Home) -> bool:
    """Whether a restored home is whole and about to take the home's place."""
    return _note(home).exists()


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Hold the right to restore a home; BackupError where another restore is under way, or services run."""
    if service.is_running(home):
        raise BackupError(f"services of {home.root} run: stop them with `apiledger stop` first")
    if home.root.is_symlink() or home.root.is_mount():
        raise BackupError(
            f"{home.root} is a link or a disk of its own, which cannot be renamed: name another with --home"
        )
    home.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _held(home) as free:
        if not free:
            raise BackupError(f"another restore beside {home.root} is under way")
        _healed(home)
        yield


@contextmanager
def _held(home: Home) -> Iterator[bool]:
    # The folder itself is the lock: a file would be left beside the home.
    descriptor = os.open(home.root.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def swapped(home: Home, now: datetime) -> Path | None:
    """Put the restored home in the home's place, and that one into it; gives where it lies, None where it is gone.

    A home in which somebody waits to be erased is not set aside but deleted: it has what was to go.
    """
    kept = home.root.exists() and any(home.root.iterdir())
    deleted = kept and _has_pending(home)
    note = {"aside": f"set-aside/{now:%Y%m%dT%H%M%S}" if kept else None, "delete": deleted}
    with ExitStack() as stack:
        if kept:
            for lock in (home.inbox_lock, *sorted(home.build_lock.parent.glob("pull-lock-*")), home.build_lock):
                stack.enter_context(database.held(lock))
        part = _note(home).with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(note), encoding="utf-8")
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(_note(home))
        file_copy.synced(home.root.parent)
        _ended(home)
    return home.root / str(note["aside"]) if kept and not deleted else None


def heal(home: Home) -> None:
    """End a restore that was killed, or take away what one that was broken off left.

    Every start asks; what a restore that is under way has is left alone.
    """
    if not _note(home).exists() and not staging(home).exists():
        return
    with _held(home) as free:
        if free:
            _healed(home)


def _healed(home: Home) -> None:
    if _note(home).exists():
        _ended(home)
    else:
        shutil.rmtree(staging(home), ignore_errors=True)
        _note(home).with_suffix(".part").unlink(missing_ok=True)


def _ended(home: Home) -> None:
    """Take the renames to their end from wherever they are, then carry over what waits in the inboxes."""
    note = json.loads(_note(home).read_text(encoding="utf-8"))
    restored, aside = staging(home), note["aside"]
    if restored.exists():
        if home.root.exists():
            if aside is None:
                home.root.rmdir()
            else:
                (restored / aside).parent.mkdir(mode=0o700, exist_ok=True)
                home.root.rename(restored / aside)
        file_copy.synced(restored)
        restored.rename(home.root)
        file_copy.synced(home.root.parent)
    if aside is not None and (home.root / aside).exists():
        _carried_over(home.root / aside / "inbox", home.inbox)
        if note["delete"]:
            shutil.rmtree(home.root / aside)
    _note(home).unlink()
    file_copy.synced(home.root.parent)


def _carried_over(waiting: Path, inbox: Path) -> None:
    """Logs that wait to be read are in no backup and are the only copy: they wait in the restored home."""
    for path in sorted(waiting.glob("*/*")):
        target = inbox / path.parent.name / path.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file() and not target.exists():
            path.rename(target)


def _has_pending(home: Home) -> bool:
    if withholding.is_withheld(home):
        return True
    try:
        with database.control(home) as control:
            return bool(erasures.pending(control))
    except (database.ControlError, WarehouseError):
        return False
