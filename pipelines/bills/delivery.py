"""Bills that come as rows: in `inbox/<source>/`, which empties, in a folder, a bucket or a table, which stay.

Files that are there together are one delivery, a folder's each by itself, the newest last. A delivery replaces what was
told of its days before, part by part of the bill; it is stored whole or, where a file of a folder is none, not at all.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.bills import ai_service, bigquery, bill_file, bucket
from pipelines.bills.ai_service import AiServices
from pipelines.bills.bigquery import BillingExport
from pipelines.bills.bill_file import BillFile, Columns
from pipelines.bills.charge import NO_CHARGE, Charge, ChargeError, DaySums, Whose
from pipelines.bills.odd_row import OddRow
from pipelines.gateways import logfile
from pipelines.gateways.logfile import LogFile, RefusedFileError
from warehouse import database
from warehouse.control import bill_file as receipts
from warehouse.control import pull
from warehouse.control.bill_file import Cursor, FileReceipt
from warehouse.home import Home

FIRST_BACKFILL_DAYS = 90
Progress = Callable[[str, int, int], None]
# (provider, the payer's own account there): its days with their rows and the parts of the bill told of them.
Bills = dict[tuple[str, str], dict[date, tuple[list[dict[str, Any]], frozenset[str]]]]


@dataclass(frozen=True)
class Files:
    """How a source's files are read.

    `variable` names the setting of a folder or `s3://bucket/prefix`; `charges` makes a row of `columns` into charges,
    None where its service is not one that is kept; `whose` says of a row that is no charge whose bill lacks it, None
    where nobody can say; `table` is where the same rows lie in BigQuery. With `gaps` a day within a part of the bill
    that has no charge says that there was none.
    """

    variable: str
    columns: Columns
    needed: int
    charges: Callable[[tuple[Any, ...], AiServices], Sequence[Charge] | None]
    whose: Callable[[tuple[Any, ...], AiServices], Whose | None]
    gaps: bool = True
    table: BillingExport | None = None


@dataclass
class Delivery:
    """Files that belong together, read: the bills they hold, their receipts, what to say of them.

    `odd` says of each bill of which days rows are no charges, and why.
    """

    bills: Bills
    receipts: list[FileReceipt]
    notes: list[str]
    taken: list[LogFile] = field(default_factory=list)
    cursor: Cursor | None = None
    odd: dict[tuple[str, str], dict[date, list[OddRow]]] = field(default_factory=dict)

    def sign(self, control: sqlite3.Connection, now: datetime) -> None:
        """Write the receipts, once the bills have landed; then an inbox file goes, unless it was appended to."""
        receipts.sign(control, self.receipts, now)
        if self.cursor is not None:
            receipts.move(control, self.cursor)
            with database.transaction(control):
                pull.look(control, self.cursor.source, self.cursor.first_day, now.date())
        for file in self.taken:
            if file.same():
                file.path.unlink()


def waits(home: Home, source: str, files: Files) -> bool:
    """Whether a source has a file in its inbox or a folder to read; a sandbox reads no folder of yours."""
    inbox = home.inbox / source
    if files.table is not None and files.table.table(home):
        return True
    return bool(_place(home, files)) or (inbox.is_dir() and bool(logfile.ready(inbox)))


def deliveries(
    home: Home, source: str, files: Files, control: sqlite3.Connection, now: datetime, progress: Progress
) -> Iterator[Delivery]:
    """Give what is new, delivery by delivery; the next is read once the one before has landed.

    ProviderError where the bucket or the table cannot be read.
    """
    services = ai_service.in_use(home)
    if files.table is not None and (table := files.table.table(home)):
        progress(f"asking {source}", 0, 1)
        yield _of_table(source, files, files.table, table, services, control, now)
        progress(f"asking {source}", 1, 1)
    place = _place(home, files)
    folders = bucket.folders(place) if place else []
    for number, folder in enumerate(folders):
        progress(f"reading {source}", number, len(folders))
        sha256 = hashlib.sha256("\n".join(f"{file.name} {file.size} {file.state}" for file in folder).encode()).digest()
        if not receipts.known(control, source, sha256):
            yield _of_folder(source, files, folder, sha256, services)
    inbox = home.inbox / source
    if inbox.is_dir() and (ready := logfile.ready(inbox)):
        progress(f"reading {source}", len(folders), len(folders) + 1)
        yield _of_inbox(source, files, ready, services, control)


def _place(home: Home, files: Files) -> str:
    return "" if home.is_sandbox else os.environ.get(files.variable, "").strip()


def _of_table(
    source: str,
    files: Files,
    export: BillingExport,
    table: str,
    services: AiServices,
    control: sqlite3.Connection,
    now: datetime,
) -> Delivery:
    """What a table got since it was last read, and a little before: an export that is told again says the same.

    A table that is read after another of the source tells from its second day on: the first may not be whole in it. A
    day is of one table, the last that told of it: its `turn` makes each table's rows a form of their own.
    """
    form = export.form(table)
    place = hashlib.sha256(table.encode()).digest()
    cursor = receipts.cursor(control, source, place)
    last_turn = receipts.last_turn(control, source)
    is_second = cursor is None and last_turn is not None
    if cursor is None:
        first = (now - timedelta(days=FIRST_BACKFILL_DAYS)).date()
        turn = 0 if last_turn is None else last_turn + 1
        cursor = Cursor(source, place, first, datetime(first.year, first.month, first.day), turn)  # noqa: DTZ001 (UTC at rest is naive)
        since = cursor.read_to
    else:
        since = cursor.read_to - bigquery.AGAIN
    receipt, sums, reached = FileReceipt(source, place), DaySums(), cursor.read_to
    patterns = ai_service.patterns(services, "Google")
    for number, row in enumerate(export.rows(table, form, patterns, since, cursor.first_day), 1):
        if row is None:
            receipt.hold_back(number, 0, "no JSON object")
            continue
        try:
            for charge in form.charges(row, services) or ():
                sums.add(_of_turn(charge, export.part, cursor.turn))
                reached = max(reached, datetime.fromisoformat(charge.part.rpartition(" ")[2]))
        except NO_CHARGE as error:
            _hold_back(form.whose, row, services, (receipt, number, error), sums)
    first_day = cursor.first_day
    told = sums.first_day()
    if is_second and told is not None:
        first_day = told + timedelta(days=1)
        sums.begin(first_day)
    bills, odd = _bills(files, sums)
    # One that tells nothing yet has taken nobody's place.
    moved = None if is_second and told is None else Cursor(source, place, first_day, reached, cursor.turn)
    return Delivery(bills, [receipt], _said(receipt), cursor=moved, odd=odd)


def _of_turn(charge: Charge, column: str, turn: int) -> Charge:
    if not turn:
        return charge
    form, _, exported = charge.part.rpartition(" ")
    part = f"t{turn}{form} {exported}"
    return replace(charge, part=part, words=tuple((n, part if n == column else word) for n, word in charge.words))


def _of_folder(source: str, files: Files, folder: list[BillFile], sha256: bytes, services: AiServices) -> Delivery:
    receipt, sums = FileReceipt(source, sha256), DaySums()
    for file in folder:
        try:
            _read(file, files, services, receipt, sums)
        except RefusedFileError as error:
            return Delivery({}, [], [f"{error}; nothing of its folder was taken"])
    bills, odd = _bills(files, sums)
    return Delivery(bills, [receipt], _said(receipt), odd=odd)


def _of_inbox(
    source: str, files: Files, ready: list[LogFile], services: AiServices, control: sqlite3.Connection
) -> Delivery:
    whole = DaySums()
    given = Delivery({}, [], [])
    hashes: set[bytes] = set()
    for file in ready:
        receipt, sums = FileReceipt(source, file.sha256()), DaySums()
        if receipt.sha256 in hashes or receipts.known(control, source, receipt.sha256):
            given.taken.append(file)
            continue
        opened = BillFile(file.path.name, file.size, "", lambda path=file.path: _opened(path))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        try:
            _read(opened, files, services, receipt, sums)
        except RefusedFileError as error:
            logfile.refuse(file)
            given.notes.append(f"set aside: {error}")
            continue
        hashes.add(receipt.sha256)
        whole.merge(sums)
        given.receipts.append(receipt)
        given.taken.append(file)
        given.notes += _said(receipt)
    given.bills, given.odd = _bills(files, whole)
    return given


def _opened(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", 1024 * 1024)


def _read(file: BillFile, files: Files, services: AiServices, receipt: FileReceipt, sums: DaySums) -> None:
    if not file.is_readable:
        raise RefusedFileError(f"{file.name} is no {', '.join(bill_file.FORMS)}")
    for number, row in bill_file.rows(file, files.columns, files.needed, receipt.hold_back):
        try:
            charges = files.charges(row, services)
            if charges is None:
                receipt.left_out += 1
                continue
            for charge in charges:
                sums.add(charge)
            receipt.charges += 1
        except NO_CHARGE as error:
            _hold_back(files.whose, row, services, (receipt, number, error), sums)


def _hold_back(
    whose: Callable[[tuple[Any, ...], AiServices], Whose | None],
    row: tuple[Any, ...],
    services: AiServices,
    held: tuple[FileReceipt, int, Exception],
    sums: DaySums,
) -> None:
    receipt, number, error = held
    reason = str(error) if isinstance(error, ChargeError) else "a field of another kind than documented"
    receipt.hold_back(number, 0, reason)
    lacks = whose(row, services)
    if lacks is not None:
        sums.hold_back(lacks, reason)


def _bills(files: Files, sums: DaySums) -> tuple[Bills, dict[tuple[str, str], dict[date, list[OddRow]]]]:
    """Each bill's days, and which of them lack rows; a bill of which nothing else is told has no day otherwise."""
    each = list(dict.fromkeys((*sums.sums, *sums.odd)))
    bills = {bill: sums.days(*bill, gaps=files.gaps) if bill in sums.sums else {} for bill in each}
    odd = {bill: sums.held_back(*bill, days) for bill, days in bills.items() if bill in sums.odd}
    return {bill: days for bill, days in bills.items() if days or odd.get(bill)}, odd


def _said(receipt: FileReceipt) -> list[str]:
    said = []
    if receipt.left_out:
        said.append(f"{receipt.left_out:,} lines of services that are not listed as AI were left out")
    if receipt.quarantined:
        said.append(f"{receipt.quarantined:,} lines are in quarantine")
    return said
