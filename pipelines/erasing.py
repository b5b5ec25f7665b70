"""Pending erasures are taken up before anything is read, modelled or published; backups' ledger learns of them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pipelines.backups import ledger_copy
from pipelines.backups.errors import BackupError
from retention import erase, tombstone_ledger
from warehouse import closed_month, database, withholding
from warehouse.control import tombstone
from warehouse.control.vault import Vault
from warehouse.home import Home


def resume(
    home: Home, now: datetime, progress: Callable[[str, int, int], None], *, restored: bool = False
) -> list[str]:
    """Carry out what waits and give the receipts; with `restored` look whether an older home brought anybody back.

    What `erase.carry_out` raises stops the pass: nothing is read or published while somebody waits to be erased.
    """
    # Nobody is known yet, or the build is lost and comes back first.
    is_lost = database.current_version(home) is not None and not home.build_file.exists()
    if not home.control_file.exists() or is_lost:
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
