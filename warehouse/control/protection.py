"""Protected mode: whether it is on, who may look at detail all the same, and when they did and why.

Every change and every look is written down with its reason; nothing here is ever unwritten but by its days.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warehouse import database
from warehouse.control.vault import Vault
from warehouse.errors import WarehouseError
from warehouse.home import Home

Kind = Literal["on", "off", "auditor", "detail"]
SHORTEST_REASON = 8
_SETTING = "protected"
_REASON = "look.sealed_reason"
# Reasons are the installation's: they stay when a member goes.
_INSTALLATION = 0


class ProtectionError(WarehouseError):
    """Who asks is no auditor, or does not say why."""


@dataclass(frozen=True)
class Look:
    """Something that was done under protected mode: what, by which member (None: the operator's terminal), why."""

    kind: str
    member_no: int | None
    reason: str
    looked_at: datetime


def is_on(home: Home) -> bool:
    """Whether what is published is protected; where there is no control store yet it is not."""
    if not home.control_file.exists():
        return False
    with database.control(home) as control:
        return is_set(control)


def is_set(control: sqlite3.Connection) -> bool:
    """The same of an open store."""
    return control.execute("SELECT 1 FROM setting WHERE name = ?", (_SETTING,)).fetchone() is not None


def put(control: sqlite3.Connection, vault: Vault, reason: str, now: datetime, *, on: bool) -> bool:
    """Turn it on or off, with the reason; whether it was the other way before. The caller publishes anew."""
    with database.transaction(control):
        if is_set(control) == on:
            return False
        _write(control, vault, "on" if on else "off", None, reason, now)
        if on:
            control.execute("INSERT INTO setting VALUES (?, x'01')", (_SETTING,))
        else:
            control.execute("DELETE FROM setting WHERE name = ?", (_SETTING,))
    return True


def name_auditor(control: sqlite3.Connection, vault: Vault, member_no: int, reason: str, now: datetime) -> None:
    """Let a member look at detail from now on, each time with a reason."""
    with database.transaction(control):
        _write(control, vault, "auditor", member_no, reason, now)
        control.execute("INSERT OR IGNORE INTO auditor VALUES (?, ?)", (member_no, database.stamp(now)))


def look(control: sqlite3.Connection, vault: Vault, member_no: int, reason: str, now: datetime) -> None:
    """Write down that an auditor looks at detail, before they do; ProtectionError for who is none."""
    with database.transaction(control):
        if not control.execute("SELECT 1 FROM auditor WHERE member_no = ?", (member_no,)).fetchone():
            raise ProtectionError("that member is no auditor; `apiledger protect auditor` names one")
        _write(control, vault, "detail", member_no, reason, now)


def looks(control: sqlite3.Connection, vault: Vault) -> list[Look]:
    """All that was done, the newest first."""
    rows = control.execute(
        "SELECT kind, member_no, sealed_reason, looked_at FROM look ORDER BY look_no DESC"
    ).fetchall()
    return [
        Look(kind, number, vault.open(_INSTALLATION, _REASON, sealed), database.moment(when))
        for kind, number, sealed, when in rows
    ]


def _write(
    control: sqlite3.Connection, vault: Vault, kind: Kind, member_no: int | None, reason: str, now: datetime
) -> None:
    if len(reason.strip()) < SHORTEST_REASON:
        raise ProtectionError(f"say why, in {SHORTEST_REASON} characters at least")
    sealed = vault.seal(_INSTALLATION, _REASON, reason.strip())
    control.execute(
        "INSERT INTO look (kind, member_no, sealed_reason, looked_at) VALUES (?, ?, ?, ?)",
        (kind, member_no, sealed, database.stamp(now)),
    )
