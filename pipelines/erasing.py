"""Pending erasures are taken up before anything is read, modelled or published; backups' ledger learns of them.

A pass that is under way looks for one at its safe points: between sources and tries to reach one, between files and a
hundred thousand of their rows, parts of a load, runs of days, and before it publishes. It gives way: it lets go of its
locks as if it had been killed there, the erasure is carried out, and the pass takes up what it left. So do an expiry
between its clauses, a reprice between its days, and a backup, which is begun anew without whoever is erased meanwhile.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import duckdb

from pipelines.backups import ledger_copy
from pipelines.backups.errors import BackupError
from pipelines.errors import GaveWayError
from retention import erase, tombstone_ledger
from warehouse import closed_month, database, withholding
from warehouse.control import erasure as erasures
from warehouse.control import tombstone
from warehouse.control.vault import Vault
from warehouse.home import Home

GAVE_WAY = "gave way to an erasure"


def is_waited_for(home: Home, control: sqlite3.Connection | None = None) -> bool:
    """Whether an erasure waits that can be carried out; `control` where it is open."""
    if _is_lost(home):
        return False
    if control is not None:
        return erasures.is_waited_for(control)
    with database.control(home) as opened:
        return erasures.is_waited_for(opened)


def give_way(home: Home, control: sqlite3.Connection | None = None) -> None:
    """Raise GaveWayError where an erasure waits: whoever catches it holds no lock any more, and calls `resume`."""
    if is_waited_for(home, control):
        raise GaveWayError("somebody is to be erased, and goes first; the pass goes on afterwards")


def sleep(home: Home, control: sqlite3.Connection, seconds: float) -> None:
    """Wait, as before a provider is tried again; GaveWayError as soon as an erasure waits."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        give_way(home, control)
        time.sleep(min(left, 1.0))


@contextmanager
def build_after(
    home: Home, now: datetime, progress: Callable[[str, int, int], None]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build, held, once nobody waits to be erased."""
    while True:
        resume(home, now, progress)
        with database.held(home.build_lock), database.build(home) as connection:
            if not is_waited_for(home):
                yield connection
                return


def resume(
    home: Home, now: datetime, progress: Callable[[str, int, int], None], *, restored: bool = False
) -> list[str]:
    """Carry out what waits and give the receipts; with `restored` look whether an older home brought anybody back.

    What `erase.carry_out` raises stops the pass: nothing is read or published while somebody waits to be erased.
    """
    if _is_lost(home):
        return []
    now = now.replace(tzinfo=None)
    if closed_month.is_unsettled(home):
        with database.held(home.build_lock), database.control(home) as control:
            closed_month.settle(home, control)
    if restored:
        _take_up_forgotten(home, now)
    receipts = erase.carry_out(home, now, progress) if erase.is_pending(home) else []
    if restored and _came_back(home):
        receipts += erase.carry_out(home, now, progress)
    if ledger_copy.is_due(home):
        # Nobody waits for a place that cannot be reached: the next pass tries again, and `doctor` says it.
        with suppress(BackupError, OSError):
            ledger_copy.push(home)
    return receipts


def _is_lost(home: Home) -> bool:
    """Whether nobody is known yet, or the build is lost and comes back first."""
    is_lost = database.current_version(home) is not None and not home.build_file.exists()
    return not home.control_file.exists() or is_lost


def _take_up_forgotten(home: Home, now: datetime) -> None:
    """Begin again what a home that somebody put back, store and all, knows nothing of; the machine's ledger does."""
    with database.control(home) as control:
        if ledger := tombstone_ledger.forgotten(home, control):
            withholding.withhold(home)
            with database.transaction(control):
                vault = Vault(control, now)
            tombstone_ledger.take_up(control, vault, ledger)


def _came_back(home: Home) -> bool:
    with database.control(home) as control:
        if not tombstone.numbers(control) or not home.build_file.exists():
            return False
        with database.held(home.build_lock), database.build(home) as connection:
            return bool(erase.came_back(connection, control))
