"""What says from outside how far the audit chain went: a line a day beside the master key, versions, erasure receipts.

Whoever may write in the home can make a chain that is whole in itself. The lines outside only ever grow: a number, a
hash and a moment, of nobody. A backup that was put back has a shorter chain than they tell of: a line says so, dated,
and which lines are of the home before; without it an older chain is one that was cut.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from retention import tombstone_ledger
from warehouse import database, file_copy
from warehouse.audit_tables import AUDIT_ANCHOR
from warehouse.control import audit, erasure
from warehouse.control.audit import Anchor
from warehouse.errors import WarehouseError
from warehouse.home import Home

RESTORED = "home.restored"
# Where the last line was written, so that a file that is gone is missed; not after the home has moved.
_WRITTEN = "audit_anchored"


@dataclass(frozen=True)
class Line:
    """The chain's end at a moment (UTC, as stamped). `void` are hashes that a home which was put back knows nothing of.

    A restored line counts only in a chain that has its act: a restore that was broken off leaves one that does not.
    """

    at: str
    audit_no: int
    chain: str
    restored: bool = False
    void: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """Its UTC day, in ISO form."""
        return self.at[:10]


def path(home: Home, control: sqlite3.Connection) -> Path:
    """Where the lines of a home are: in APILEDGER_TOMBSTONES, else beside the master key, a file a place."""
    return tombstone_ledger.path(home, tombstone_ledger.home_id(control)).with_suffix(".anchors")


def lines(home: Home, control: sqlite3.Connection) -> list[Line]:
    """Every line there is, oldest first; WarehouseError where one cannot be read, or all are gone."""
    place = path(home, control)
    if not place.exists():
        row = control.execute("SELECT value FROM setting WHERE name = ?", (_WRITTEN,)).fetchone()
        if row is not None and row[0].decode() == str(place):
            raise WarehouseError(f"the audit chain was anchored in {place}, and that file is gone")
        return []
    found = []
    # What follows the last line's end was broken off while it was written.
    *whole, _ = place.read_text(encoding="utf-8").split("\n")
    for number, text in enumerate(whole, 1):
        try:
            said = json.loads(text)
            restored, void = bool(said.get("restored")), tuple(map(str, said.get("void", ())))
            found.append(Line(str(said["at"]), int(said["audit_no"]), str(said["chain"]), restored, void))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise WarehouseError(f"line {number} of {place} cannot be read: it is none of apiledger's") from None
    return found


def keep(home: Home, control: sqlite3.Connection, now: datetime, *, always: bool = False) -> bool:
    """Write the chain's end down outside, once a UTC day or `always`; whether it stands there."""
    end = audit.tail(control)
    if end is None:
        return True
    try:
        newest = max(lines(home, control), key=lambda line: line.at, default=None)
    except (WarehouseError, OSError):
        # What is wrong with the file is said by whoever verifies; it still grows.
        newest = None
    is_today = newest is not None and newest.day == f"{now:%Y-%m-%d}" and not always
    if newest is not None and not newest.restored and (is_today or (newest.audit_no, newest.chain) == end):
        return True
    try:
        _write(path(home, control), Line(database.stamp(now), *end))
    except OSError:
        return False
    control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_WRITTEN, str(path(home, control)).encode()))
    return True


def _write(place: Path, line: Line) -> None:
    """Append a line; OSError where that cannot be."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    said: dict[str, object] = {"at": line.at, "audit_no": line.audit_no, "chain": line.chain}
    if line.restored:
        said |= {"restored": True, "void": list(line.void)}
    with database.held(place.with_suffix(".lock")):
        place.touch(mode=0o600)
        with place.open("r+b") as handle:
            text = handle.read()
            # A line that was broken off is no line.
            handle.seek(text.rfind(b"\n") + 1)
            handle.truncate()
            handle.write(f"{json.dumps(said)}\n".encode())
            handle.flush()
            os.fsync(handle.fileno())
        file_copy.synced(place.parent)


def restored(home: Home, control: sqlite3.Connection, now: datetime, origin: str, older: Home | None = None) -> int:
    """Say in the chain and outside that an older home is put in `home`'s place; how many anchors are of the one before.

    `older` is where it lies still, `control` its store, `origin` says in our own words where it is from. OSError where
    nothing can be written outside: the home then must not take the other's place.
    """
    known = [*_active(_readable(home, control), control), *_of_receipts(control), *_of_version(older or home)]
    void = tuple(sorted({each.chain for each in known if not audit.holds(control, each)}))
    audit.note(control, RESTORED, now, detail=f"from={origin} anchors of the home before={len(void)}")
    end = audit.tail(control)
    if end is not None:
        _write(path(home, control), Line(database.stamp(now), *end, restored=True, void=void))
    return len(void)


def _readable(home: Home, control: sqlite3.Connection) -> list[Line]:
    try:
        return lines(home, control)
    except WarehouseError:
        return []


def _voided(found: list[Line], control: sqlite3.Connection) -> set[str]:
    """The hashes that a restore has set aside, of those that this chain has been through."""
    taken = (line for line in found if line.restored and audit.holds(control, Anchor("", line.audit_no, line.chain)))
    return {chain for line in taken for chain in line.void}


def _active(found: list[Line], control: sqlite3.Connection) -> Iterator[Anchor]:
    void = _voided(found, control)
    for line in found:
        if not line.restored and line.chain not in void:
            yield Anchor(f"the anchor of {line.day} outside the home", line.audit_no, line.chain)


def _of_receipts(control: sqlite3.Connection) -> Iterator[Anchor]:
    for number, (receipt, _) in enumerate(erasure.receipts(control), 1):
        if said := json.loads(receipt).get("audit"):
            yield Anchor(f"the receipt of erasure {number}", *said)


def _of_version(home: Home) -> Iterator[Anchor]:
    try:
        with database.published(home) as connection:
            (version,) = connection.execute("SELECT version FROM mart.published").fetchall()[0]
            rows = connection.execute(f"SELECT audit_no, chain FROM {AUDIT_ANCHOR.full_name}").fetchall()
    except (WarehouseError, duckdb.Error):
        # Nothing is published yet, nobody may read meanwhile, or an older program published it.
        return
    yield from (Anchor(f"version {version}", *row) for row in rows)


def wrong(home: Home, control: sqlite3.Connection) -> list[str]:
    """What of the audit chain does not hold, by itself or by what says of its end."""
    try:
        found, said = lines(home, control), []
    except (WarehouseError, OSError) as error:
        found, said = [], [str(error)]
    void = _voided(found, control)
    beside = [each for each in (*_of_version(home), *_of_receipts(control)) if each.chain not in void]
    return [*audit.wrong(control, [*beside, *_active(found, control)]), *said]


def last(home: Home, control: sqlite3.Connection) -> Line | None:
    """The newest line outside; None where there is none."""
    return max(_readable(home, control), key=lambda line: line.at, default=None)
