"""closes/<month>/: the files of a closed month, the manifest that has their hashes, and how a month is written anew.

Somebody who is erased leaves frozen months, too. Such a month is written beside itself, and every later one whose
manifest names it; once control.sqlite has the new hashes, `settle` puts them in place, whoever takes it up.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from warehouse import file_copy
from warehouse.control import month_close
from warehouse.control.month_close import Close
from warehouse.home import Home

MANIFEST = "manifest.json"
# The file whose sum a manifest repeats as the month's.
FOCUS = "focus_1_2.parquet"


@dataclass(frozen=True)
class Content:
    """What a file of a closed month says: its bytes, rows, and, where it is spend, what they cost in USD."""

    body: bytes
    rows: int
    cost_usd: str = ""


def folder(home: Home, month: str) -> Path:
    """Where a month's close lies."""
    return home.root / "closes" / month


def put(place: Path, name: str, content: Content) -> dict[str, Any]:
    """Write one file, durable and its owner's alone; gives what the manifest says of it."""
    descriptor = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content.body)
        handle.flush()
        os.fsync(handle.fileno())
    said: dict[str, Any] = {
        "path": name,
        "rows": content.rows,
        "bytes": len(content.body),
        "sha256": hashlib.sha256(content.body).hexdigest(),
    }
    return said | ({"billed_cost_usd": content.cost_usd} if content.cost_usd else {})


def put_manifest(place: Path, manifest: Mapping[str, Any]) -> str:
    """Write the manifest, the last file of a month; gives its hash."""
    said = put(place, MANIFEST, Content(json.dumps(manifest, indent=2).encode(), 0))
    file_copy.synced(place)
    return str(said["sha256"])


def working(home: Home, month: str) -> Path:
    """Where a month is written before it is one; nobody reads it there."""
    return folder(home, f".{month}.part")


def _old(home: Home, month: str) -> Path:
    return folder(home, f".{month}.old")


def manifest_of(home: Home, close: Close) -> dict[str, Any] | None:
    """The manifest of a month; None where it is gone, or not the one that was written."""
    place = folder(home, close.month) / MANIFEST
    body = place.read_bytes() if place.is_file() else b""
    if _sha256(body) != close.manifest_sha256:
        return None
    found: dict[str, Any] = json.loads(body)
    return found


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def written_anew(
    home: Home, control: sqlite3.Connection, changed: Callable[[str], Mapping[str, Content]], by: str, now: datetime
) -> list[Close]:
    """Write months with other content beside themselves, and the later ones that are chained to them.

    `changed` gives the new files of a month by name; `by` says in the manifest why, without a word of whom. Gives the
    closes as they will be: `month_close.rehash` them, then `settle`. The caller holds the build's lock. A month that
    somebody has tampered with goes on being found: its files are changed where they lie, and no hash vouches for them.
    """
    settle(home, control)
    made: list[Close] = []
    before: tuple[str, str] | None = None
    for one in month_close.listed(control):
        files, manifest = changed(one.month), manifest_of(home, one)
        previous = manifest and manifest["previous"]
        is_moved = bool(before and previous and before[0] != before[1] and previous["manifest_sha256"] == before[0])
        now_sha256 = one.manifest_sha256
        if manifest is None:
            _replace(folder(home, one.month), files)
        elif files or is_moved:
            if before and previous and is_moved:
                previous["manifest_sha256"] = before[1]
            note = {"on": f"{now:%Y-%m-%d}", "by": by, "files": sorted(files), "was_sha256": one.manifest_sha256}
            manifest["rewritten"] = [*manifest.get("rewritten", []), note]
            now_sha256 = _beside(home, one.month, manifest, files)
            made.append(Close(one.month, one.closed_at, now_sha256))
        before = (one.manifest_sha256, now_sha256)
    return made


def _replace(place: Path, files: Mapping[str, Content]) -> None:
    for name, content in files.items():
        part = place / f".{name}.part"
        part.unlink(missing_ok=True)
        put(place, part.name, content)
        part.replace(place / name)


def _beside(home: Home, month: str, manifest: dict[str, Any], files: Mapping[str, Content]) -> str:
    place, part = folder(home, month), working(home, month)
    shutil.copytree(place, part, ignore=lambda _, names: {*names} & {MANIFEST, *files})
    for path in (each for each in part.rglob("*") if each.is_file()):
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    new = {name: put(part, name, content) for name, content in files.items()}
    # A file that was not what was frozen is not vouched for now.
    kept = {name for name in files if _sha256((place / name).read_bytes()) == _told(manifest, name)}
    manifest["files"] = [new[each["path"]] if each["path"] in kept else each for each in manifest["files"]]
    if FOCUS in kept:
        manifest["billed_cost_usd"] = files[FOCUS].cost_usd
    return put_manifest(part, manifest)


def _told(manifest: dict[str, Any], name: str) -> str | None:
    return next((each["sha256"] for each in manifest["files"] if each["path"] == name), None)


def settle(home: Home, control: sqlite3.Connection) -> None:
    """Put in place what was written anew and is vouched for, and take away what is not; safe at any time.

    The caller holds the build's lock, so that no month is being closed.
    """
    known = {one.month: one.manifest_sha256 for one in month_close.listed(control)}
    if not is_unsettled(home):
        return
    for part in sorted(folder(home, "").glob(".*.part")):
        month = part.name[1:].removesuffix(".part")
        vouched = month in known and known[month] == _digest(part)
        if vouched and known[month] != _digest(folder(home, month)):
            if folder(home, month).exists():
                folder(home, month).rename(_old(home, month))
            part.rename(folder(home, month))
        else:
            _remove(part)
    file_copy.synced(folder(home, ""))
    for old in sorted(folder(home, "").glob(".*.old")):
        _remove(old)


def is_unsettled(home: Home) -> bool:
    """Whether the writing of a month was broken off."""
    return any(folder(home, "").glob(".*"))


def _digest(place: Path) -> str | None:
    manifest = place / MANIFEST
    return _sha256(manifest.read_bytes()) if manifest.is_file() else None


def _remove(place: Path) -> None:
    """Empty and unlink the files of a folder, and it."""
    for path in place.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
            os.truncate(path, 0)
    shutil.rmtree(place, ignore_errors=True)
