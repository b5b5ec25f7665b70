"""Copies of database files: whole, durable and private, or not there at all."""

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from warehouse import patched_copy
from warehouse.errors import WarehouseError

# A smaller file is copied in less time than a process that compares takes to start.
_PATCHED_FROM = 16 * 1024 * 1024


def copied(source: Path, target: Path, mode: int = 0o400, over: Path | None = None) -> None:
    """Copy `source` to `target` under a working name, make it durable, then rename: nobody ever sees a part of it.

    `over` is an older copy whose time is up: where nobody has it open, it becomes the new one, and only what differs is
    written. The copy has the source's time of change, so that the two tell whether one was written to since.
    WarehouseError where it cannot be written; `target` is then what it was.
    """
    copied_each(source, {target: over}, mode)


def copied_each(source: Path, overs: Mapping[Path, Path | None], mode: int = 0o400) -> None:
    """Copy `source` to several targets at once, each over the older copy it maps to; all of them, or none."""
    workings = {target: target.with_name(f".{target.name}.part") for target in overs}
    try:
        with ThreadPoolExecutor(len(overs)) as pool:
            made = [pool.submit(_made, source, target, workings[target], over) for target, over in overs.items()]
        for each in made:
            each.result()
    except BaseException:
        for working in workings.values():
            working.unlink(missing_ok=True)
        raise
    status = source.stat()
    for target, working in workings.items():
        os.utime(working, ns=(status.st_atime_ns, status.st_mtime_ns))
        working.chmod(mode)
        with working.open("rb") as handle:
            os.fsync(handle.fileno())
        working.replace(target)
        synced(target.parent)


def _made(source: Path, target: Path, working: Path, over: Path | None) -> None:
    working.unlink(missing_ok=True)
    # By processes of their own: POSIX takes all locks of a process on a file away when it closes any handle of it, and
    # a copy made here would open a database that DuckDB holds to other writers.
    if over is None or source.stat().st_size < _PATCHED_FROM or not _patched(source, over, working):
        _plain(source, target, working)


def _patched(source: Path, over: Path, working: Path) -> bool:
    """Whether `over`, moved to where nobody looks for it, was made equal to `source`; else it is gone."""
    # A second name of the file is a copy that somebody keeps.
    if over.is_symlink() or over.stat().st_nlink > 1:
        return False
    over.rename(working)
    working.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-I", "-S", patched_copy.__file__, str(source), str(working)], capture_output=True, check=False
    )
    if done.returncode:
        working.unlink()
    return done.returncode == 0


def _plain(source: Path, target: Path, working: Path) -> None:
    done = subprocess.run(
        ["cp", str(source), str(working)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().rsplit(": ", 1)[-1] or "the system allows no larger file"
        raise WarehouseError(
            f"{target} cannot be written ({reason}); what was there before stands: "
            f"make room for {source.stat().st_size // 10**6 + 1:,} MB and run `apiledger run`"
        )


def synced(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
