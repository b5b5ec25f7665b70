"""P3 at nine groups in ten rows: the same as `roll_up` with a user for nearly every call."""

from pathlib import Path

from tests.benchmarks import roll_up

QUESTION = "the same, with nearly as many groups as rows"
_USERS = 1_000_000


def prepare(rows: int, folder: Path) -> None:
    """As in roll_up, with many users."""
    roll_up.prepare(rows, folder, _USERS)


def ours(rows: int, folder: Path, work: Path) -> list[object]:
    """As the models do it."""
    return roll_up._ours(rows, folder, work, _USERS)


def yardstick(rows: int, folder: Path, work: Path) -> list[object]:
    """One statement over all days."""
    return roll_up._yardstick(rows, folder, work, _USERS)
