"""The ledger of tombstones: who was erased, kept outside the home, so that no backup brings anybody back.

A home that was put back from a backup knows nothing of whom was erased since. The ledger does: the same keyed hashes,
numbers and dates as the control store, with the receipts, as lines of JSON beside the master key and beside every
backup. It tells of nobody, and only ever grows: what one copy lacks it takes from the other.
"""

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retention import forget, subjects, verify_receipt
from retention.subjects import Subject
from warehouse import database, file_copy
from warehouse.control import erasure as erasures
from warehouse.control import tombstone
from warehouse.control.tombstone import Tombstone
from warehouse.control.vault import Vault, master_key_file
from warehouse.errors import WarehouseError
from warehouse.home import Home

_HOME_ID = "home_id"
FOLDER = "APILEDGER_TOMBSTONES"


@dataclass
class Entry:
    """One erasure: its number, kind, moment (as stamped), tombstones by number, receipts with their chain."""

    erasure_no: int
    kind: str
    begun_at: str
    stones: dict[int, Tombstone] = field(default_factory=dict)
    receipts: list[tuple[str, str]] = field(default_factory=list)


Ledger = dict[tuple[int, str], Entry]


def home_id(control: sqlite3.Connection) -> str:
    """The random name of a home, made once; its backups carry it."""
    query = "SELECT value FROM setting WHERE name = ?"
    if (row := control.execute(query, (_HOME_ID,)).fetchone()) is None:
        made = (_HOME_ID, secrets.token_hex(4).encode())
        control.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", made)
        row = control.execute(query, (_HOME_ID,)).fetchone()
    return str(row[0].decode())


def _folder() -> Path:
    folder = os.environ.get(FOLDER)
    return Path(folder).absolute() if folder else master_key_file().parent / "tombstones"


def path(home: Home, name: str) -> Path:
    """Where this machine keeps the ledger of a home: in APILEDGER_TOMBSTONES, else beside the master key.

    One for each place a home lies at: what is tried in a copy erases nobody in the home it is a copy of.
    """
    return _folder() / f"{name}-{hashlib.sha256(os.fsencode(home.root)).hexdigest()[:8]}.jsonl"


def of_control(control: sqlite3.Connection) -> Ledger:
    """The ledger as a control store knows it."""
    ledger: Ledger = {}
    rows = control.execute("SELECT erasure_no, kind, begun_at FROM erasure ORDER BY erasure_no").fetchall()
    told = "SELECT receipt, chain FROM erasure_receipt WHERE erasure_no = ? ORDER BY receipt_no"
    for erasure_no, kind, begun_at in rows:
        stones = {each.number: each for each in tombstone.of_erasure(control, erasure_no)}
        receipts = control.execute(told, (erasure_no,)).fetchall()
        ledger[erasure_no, begun_at] = Entry(erasure_no, kind, begun_at, stones, receipts)
    return ledger


def merged(ledgers: Iterable[Ledger]) -> Ledger:
    """One ledger of several: every tombstone and receipt that any of them has."""
    whole: Ledger = {}
    for ledger in ledgers:
        for key, entry in ledger.items():
            known = whole.setdefault(key, Entry(entry.erasure_no, entry.kind, entry.begun_at))
            known.stones |= entry.stones
            known.receipts += [receipt for receipt in entry.receipts if receipt not in known.receipts]
    return dict(sorted(whole.items()))


def text(ledger: Ledger) -> str:
    """A ledger as lines of JSON, one an erasure."""
    return "".join(
        json.dumps(
            {
                "erasure_no": entry.erasure_no,
                "kind": entry.kind,
                "begun_at": entry.begun_at,
                "tombstones": [
                    [stone.number, stone.kind, stone.gateway, stone.lookup.hex(), database.stamp(stone.erased_at)]
                    for stone in entry.stones.values()
                ],
                "receipts": entry.receipts,
            }
        )
        + "\n"
        for entry in ledger.values()
    )


def parsed(told: str) -> Ledger:
    """The reverse of `text`; WarehouseError where a line is none of a ledger."""
    ledger: Ledger = {}
    for number, line in enumerate(told.splitlines(), 1):
        try:
            said = json.loads(line)
            entry = Entry(said["erasure_no"], said["kind"], said["begun_at"])
            for own, kind, gateway, lookup, erased_at in said["tombstones"]:
                entry.stones[own] = Tombstone(
                    kind, gateway, bytes.fromhex(lookup), int(own), database.moment(erased_at)
                )
            entry.receipts = [(str(receipt), str(chain)) for receipt, chain in said["receipts"]]
        except (ValueError, KeyError, TypeError):
            raise WarehouseError(
                f"line {number} of the ledger of tombstones cannot be read: take a whole copy of it"
            ) from None
        ledger[entry.erasure_no, entry.begun_at] = entry
    return ledger


def _read(place: Path) -> Ledger:
    return parsed(place.read_text(encoding="utf-8")) if place.exists() else {}


def here(name: str) -> Ledger:
    """What this machine knows of a home, wherever it lay; empty where there is nothing."""
    return merged(_read(place) for place in sorted(_folder().glob(f"{name}-*.jsonl")))


def keep(home: Home, control: sqlite3.Connection) -> bool:
    """Take what the control store knows over into the machine's ledger; whether that could be written.

    An erasure does not wait for it: `lacking` says what is not in it yet, and each later erasure tries again.
    """
    place, known = path(home, home_id(control)), of_control(control)
    if not known:
        return True
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with database.held(place.with_suffix(".lock")):
            written = text(merged([_read(place), known]))
            part = place.with_suffix(".part")
            part.touch(mode=0o600)
            with part.open("w", encoding="utf-8") as handle:
                handle.write(written)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(place)
            file_copy.synced(place.parent)
    except OSError:
        return False
    return True


def lacking(home: Home, control: sqlite3.Connection) -> int:
    """How many tombstones the machine's ledger lacks."""
    known = {number for entry in _read(path(home, home_id(control))).values() for number in entry.stones}
    return len(tombstone.numbers(control).keys() - known)


def forgotten(home: Home, control: sqlite3.Connection) -> Ledger:
    """The machine's ledger of this home, where it knows of somebody of whom the control store knows nothing any more.

    Somebody put an older home back, by whatever means; empty where nobody did.
    """
    row = control.execute("SELECT value FROM setting WHERE name = ?", (_HOME_ID,)).fetchone()
    if row is None:
        return {}
    ledger, known = _read(path(home, row[0].decode())), tombstone.numbers(control)
    return ledger if any(number not in known for entry in ledger.values() for number in entry.stones) else {}


def take_up(control: sqlite3.Connection, vault: Vault, ledger: Ledger) -> list[int]:
    """Begin again every erasure that a restored control store knows nothing of; gives their new numbers.

    What was done keeps its number and its receipts; what brings the erased back out again is an erasure of its own,
    which forgets them here at once, while their rows and bytes go with `erase.carry_out`.
    """
    known = of_control(control)
    begun = []
    with database.transaction(control):
        # Before anything is begun anew, which would take the number of one that was done.
        for key, entry in ledger.items():
            if key not in known:
                _take_over(control, entry)
        for entry in ledger.values():
            # Asked each time: of one who was brought back and erased once more two erasures tell.
            there = tombstone.numbers(control)
            stones = [stone for number, stone in entry.stones.items() if number not in there]
            if stones:
                begun.append(_begin(control, vault, entry, stones))
    return begun


def _take_over(control: sqlite3.Connection, entry: Entry) -> None:
    """Write down what was done, as it was told; a receipt that does not follow from the last one here is left out."""
    row = (entry.erasure_no, entry.kind, entry.begun_at, entry.begun_at)
    done = """INSERT OR IGNORE INTO erasure (erasure_no, kind, step, begun_at, done_at, counts)
              VALUES (?, ?, 'done', ?, ?, '{}')"""
    if not control.execute(done, row).rowcount:
        return
    for receipt, chain in entry.receipts:
        if verify_receipt.link(erasures.last_chain(control), receipt) == chain:
            control.execute(
                "INSERT INTO erasure_receipt (erasure_no, receipt, chain) VALUES (?, ?, ?)",
                (entry.erasure_no, receipt, chain),
            )


def _begin(control: sqlite3.Connection, vault: Vault, entry: Entry, stones: list[Tombstone]) -> int:
    erasure = erasures.begin(control, entry.kind, database.moment(entry.begun_at))
    there = tuple(_numbered(control, stones))
    if there:
        subject = Subject(entry.kind, there)
        needles = subjects.needles(control, vault, subject)
        erasures.seal_needles(control, vault, erasure.erasure_no, needles, subjects.names(control, subject))
    tombstone.lay(control, erasure.erasure_no, stones)
    erasure.counted(forget.forget(control, stones))
    erasures.keep(control, erasure)
    return erasure.erasure_no


def _numbered(control: sqlite3.Connection, stones: list[Tombstone]) -> Iterator[tuple[int, str, int, bytes]]:
    query = "SELECT no, gateway, account_no, lookup FROM outside_id WHERE no = ?"
    for stone in stones:
        yield from control.execute(query, (stone.number,)).fetchall()
