"""The folders: what tools leave behind goes by its age; nothing in them is ever the only copy of anything.

The caller holds the inboxes' and the build's lock, so that no pass is under way. What needs Dagster's own API stands in
pipelines/orchestration/retain.py.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from retention import receipts
from retention.policy import Clause, Policy
from retention.receipts import Expired
from warehouse.home import Home


def aged(home: Home, policy: Policy, now: datetime) -> Iterator[tuple[Clause, list[Path]]]:
    """What of the home's files is older than its clause lets it be, clause by clause.

    A folder that a clause holds goes as a whole, by the newest time of change in it.
    """
    for clause in policy.clauses:
        if clause.store != "files" or clause.then != "delete" or clause.kept_days is None:
            continue
        limit = now - timedelta(days=clause.kept_days)
        found = sorted({path for held in clause.holds for path in home.root.glob(held.replace("/**", "/*"))})
        old = [path for path in found if changed_at(path) <= limit]
        if old:
            yield clause, old


def changed_at(path: Path) -> datetime:
    """The newest time of change, naive UTC; a rename counts, so that what was set aside today is of today."""
    paths = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    stamps = []
    for each in paths:
        try:
            stamps.append(each.lstat().st_ctime)
        except FileNotFoundError:
            continue
    return datetime.fromtimestamp(max(stamps, default=0), UTC).replace(tzinfo=None)


def expired(home: Home, clause: Clause, paths: list[Path]) -> Expired:
    """The receipt of paths that go: how many, and a digest of their names below the home."""
    days = sorted(changed_at(path).date() for path in paths)
    names = receipts.digest(path.relative_to(home.root) for path in paths)
    return Expired(clause.id, ", ".join(clause.holds), len(paths), days[0], days[-1], names)


def remove(paths: list[Path]) -> None:
    """Unlink files, emptied first where nothing else has their name, and folders with all that is in them."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_symlink() or not path.exists():
            path.unlink(missing_ok=True)
        else:
            path.chmod(0o600)
            os.truncate(path, 0)
            path.unlink()
