"""Pending erasures are taken up before anything is read, modelled or published."""

from collections.abc import Callable
from datetime import datetime

from retention import erase
from warehouse import database
from warehouse.control import tombstone
from warehouse.home import Home


def resume(
    home: Home, now: datetime, progress: Callable[[str, int, int], None], *, restored: bool = False
) -> list[str]:
    """Carry out what waits and give the receipts; with `restored` look whether an older build brought anybody back.

    What `erase.carry_out` raises stops the pass: nothing is read or published while somebody waits to be erased.
    """
    # Nobody is known yet, or the build is lost and comes back first.
    is_lost = database.current_version(home) is not None and not home.build_file.exists()
    if not home.control_file.exists() or is_lost:
        return []
    now = now.replace(tzinfo=None)
    receipts = erase.carry_out(home, now, progress) if erase.is_pending(home) else []
    if restored and _came_back(home):
        receipts += erase.carry_out(home, now, progress)
    return receipts


def _came_back(home: Home) -> bool:
    with database.control(home) as control:
        if not tombstone.numbers(control) or not home.build_file.exists():
            return False
        with database.held(home.build_lock), database.build(home) as connection:
            return bool(erase.came_back(connection, control))
