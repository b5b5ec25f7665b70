"""What of a home a backup holds: its databases at one moment, the newest version, settings, closed months.

Not in it: the keys, waiting logs and working files. Whatever reads or models waits while the copies are taken, so that
rows and their receipts agree; the control store is copied by SQLite's own backup, so pages go on.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retention import policy
from warehouse import database, file_copy, publication
from warehouse.home import Home

BUILD, CONTROL = "build/warehouse.duckdb", "control.sqlite"
# The clauses of what is the owner's and of what is frozen: what they hold is in every backup.
_CLAUSES = ("K-settings", "K-made-up", "K-closes")


@dataclass(frozen=True)
class Content:
    """One file of a backup: its name below the home and where its bytes lie now."""

    name: str
    path: Path


@contextmanager
def taken(home: Home, give_way: Callable[[], None] = lambda: None) -> Iterator[list[Content]]:
    """The files of a backup as they were at one moment; their copies are there while the block runs.

    BusyError where a pass is under way. `give_way` is asked between two files, and raises where somebody goes first.
    """
    folder = Path(tempfile.mkdtemp(prefix="backup-", dir=home.tmp))
    try:
        yield list(_copied(home, folder, give_way))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(home: Home, folder: Path, give_way: Callable[[], None]) -> Iterator[Content]:
    with ExitStack() as stack:
        for lock in (home.inbox_lock, *sorted(home.build_lock.parent.glob("pull-lock-*")), home.build_lock):
            stack.enter_context(database.held(lock))
        if home.build_file.with_name(f"{home.build_file.name}.wal").exists():
            # A pass that was killed left it: it belongs into the file before that is copied.
            with database.build(home) as connection:
                connection.execute("CHECKPOINT")
        give_way()
        yield _copy(Content(BUILD, home.build_file), folder / "build.duckdb")
        give_way()
        version = database.current_version(home)
        if version is not None and not publication.is_build(home):
            name = f"published/warehouse-{version}.duckdb"
            yield _copy(Content(name, home.root / name), folder / "version.duckdb")
        database.backed_up_control(home, folder / CONTROL)
        yield Content(CONTROL, folder / CONTROL)
        shipped = policy.load()
        patterns = [pattern for clause in _CLAUSES for pattern in shipped.clause(clause).holds]
        for path in sorted({path for pattern in patterns for path in home.root.glob(pattern) if path.is_file()}):
            give_way()
            name = str(path.relative_to(home.root))
            copy = folder / "files" / name
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield _copy(Content(name, path), copy)


def _copy(content: Content, target: Path) -> Content:
    file_copy.copied(content.path, target)
    return Content(content.name, target)


def is_one(name: str) -> bool:
    """Whether a name of a backup is one of these: nothing else is ever written when it is put back."""
    shipped = policy.load()
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        return False
    is_version = len(parts) == 2 and parts[0] == "published" and publication.is_version(parts[1])
    return name in {BUILD, CONTROL} or is_version or any(shipped.clause(each).covers(name) for each in _CLAUSES)


def totals(home: Home) -> dict[str, Any]:
    """What the newest version adds up to, exactly: days, calls, tokens and dollars; a restored home must say the same.

    Asked by file, whether or not somebody may read it now; empty where nothing is published.
    """
    version = database.current_version(home)
    if version is None:
        return {}
    with database.read_only(home.published / f"warehouse-{version}.duckdb") as connection:
        ((days, requests, tokens_in, tokens_out, cost, unpriced),) = connection.execute(
            """SELECT count(DISTINCT day), sum(requests)::VARCHAR, sum(input_tokens)::VARCHAR,
                 sum(output_tokens)::VARCHAR, sum(cost_usd)::VARCHAR, sum(unpriced_requests)::VARCHAR
               FROM mart.spend_daily"""
        ).fetchall()
    names = ("days", "requests", "input_tokens", "output_tokens", "cost_usd", "unpriced_requests")
    return dict(zip(names, (days, requests, tokens_in, tokens_out, cost, unpriced), strict=True))
