"""Receipts: which file was landed as which load, with rows and sums, kept outside the warehouse file.

A file is removed from the inbox only after its receipt is written; raw rows without a receipt are never read. So a pass
killed anywhere is taken up by the next, and what a file held can be held against what is stored.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from warehouse import database

# A file of nothing but broken lines has millions of them: the first tell what is wrong with it, the rest are counted.
MOST_QUARANTINED = 10_000


@dataclass(frozen=True)
class Quarantined:
    """A line that did not pass: where it stands and why, never what it says. `line_no` 0 is the whole file."""

    line_no: int
    bytes: int
    reason: str


@dataclass
class Receipt:
    """What one file gave: its load number, rows and sums, the days it touches, and what was held back."""

    load_no: int
    gateway: str
    file_sha256: bytes
    file_bytes: int
    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    logged_cost_usd: Decimal = Decimal(0)
    first_at: datetime | None = None
    last_at: datetime | None = None
    days: dict[date, int] = field(default_factory=dict)
    quarantined: int = 0
    # Rows of days that are closed: counted, and nothing else of them is kept.
    late_rows: int = 0
    quarantine: list[Quarantined] = field(default_factory=list)
    odd_keys: Mapping[str, int] = field(default_factory=dict)

    def add(
        self,
        day: date,
        rows: int,
        input_tokens: int,
        output_tokens: int,
        cost_usd: Decimal,
        first: datetime,
        last: datetime,
    ) -> None:
        """Add what a part of the file gave for one day."""
        self.rows += rows
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.logged_cost_usd += cost_usd
        self.days[day] = self.days.get(day, 0) + rows
        self.first_at = first if self.first_at is None else min(first, self.first_at)
        self.last_at = last if self.last_at is None else max(last, self.last_at)

    def hold_back(self, line_no: int, line_bytes: int, reason: str) -> None:
        """Count a line that did not pass; where it stands and why is kept of the first MOST_QUARANTINED."""
        self.quarantined += 1
        if len(self.quarantine) < MOST_QUARANTINED:
            self.quarantine.append(Quarantined(line_no, line_bytes, reason))

    def clear(self) -> None:
        """Take back what was added: the file is read again another way."""
        self.rows = self.input_tokens = self.output_tokens = self.quarantined = self.late_rows = 0
        self.logged_cost_usd = Decimal(0)
        self.first_at = self.last_at = None
        self.days, self.quarantine = {}, []


def landed(control: sqlite3.Connection, gateway: str, file_sha256: bytes) -> bool:
    """Whether a file with these bytes has been landed for this gateway."""
    query = "SELECT 1 FROM load WHERE gateway = ? AND file_sha256 = ? AND state = 'landed'"
    return control.execute(query, (gateway, file_sha256)).fetchone() is not None


def begin(control: sqlite3.Connection, gateway: str, file_sha256: bytes, file_bytes: int, now: datetime) -> Receipt:
    """Open a load for a file; its number is never used twice."""
    cursor = control.execute(
        "INSERT INTO load (gateway, file_sha256, file_bytes, state, begun_at) VALUES (?, ?, ?, 'begun', ?)",
        (gateway, file_sha256, file_bytes, database.stamp(now)),
    )
    if cursor.lastrowid is None:
        raise AssertionError("an INSERT gives a row id")
    return Receipt(cursor.lastrowid, gateway, file_sha256, file_bytes)


def unfinished(control: sqlite3.Connection, gateway: str) -> list[int]:
    """Loads that were begun and never got a receipt: their raw rows, if any, are to be removed."""
    query = "SELECT load_no FROM load WHERE gateway = ? AND state = 'begun'"
    return [load_no for (load_no,) in control.execute(query, (gateway,))]


def forget(control: sqlite3.Connection, load_nos: list[int]) -> None:
    """Drop loads that were begun and broke off, once their raw rows are gone."""
    control.executemany("DELETE FROM load WHERE load_no = ? AND state = 'begun'", [(no,) for no in load_nos])


def sign(control: sqlite3.Connection, receipts: list[Receipt], now: datetime) -> None:
    """Write the receipts of landed loads, all or none; the caller holds no transaction."""
    moment = database.stamp(now)
    with database.transaction(control):
        for receipt in receipts:
            control.execute(
                """UPDATE load SET state = 'landed', landed_at = ?, rows = ?, quarantined = ?,
                   first_at = ?, last_at = ?, input_tokens = ?, output_tokens = ?, logged_cost_usd = ?, late_rows = ?
                   WHERE load_no = ?""",
                (
                    moment,
                    receipt.rows,
                    receipt.quarantined,
                    receipt.first_at and database.stamp(receipt.first_at),
                    receipt.last_at and database.stamp(receipt.last_at),
                    receipt.input_tokens,
                    receipt.output_tokens,
                    str(receipt.logged_cost_usd),
                    receipt.late_rows,
                    receipt.load_no,
                ),
            )
            days = [(receipt.load_no, day.isoformat(), rows) for day, rows in receipt.days.items()]
            control.executemany("INSERT INTO load_day VALUES (?, ?, ?)", days)
            control.executemany(
                "INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (receipt.file_sha256, q.line_no, receipt.gateway, q.bytes, q.reason, moment)
                    for q in receipt.quarantine
                ],
            )
            control.executemany(
                """INSERT INTO odd_key VALUES (?, ?, ?)
                   ON CONFLICT (gateway, name) DO UPDATE SET lines = lines + excluded.lines""",
                [(receipt.gateway, name, lines) for name, lines in receipt.odd_keys.items()],
            )


def load_days(control: sqlite3.Connection) -> list[tuple[str, str, int, int]]:
    """Every landed load's days: gateway, day (ISO), load number, rows."""
    return control.execute(
        """SELECT gateway, day, load_no, load_day.rows FROM load_day JOIN load USING (load_no)
           WHERE state = 'landed' ORDER BY day, gateway, load_no"""
    ).fetchall()


def states(control: sqlite3.Connection) -> list[tuple[object, ...]]:
    """What has arrived from each source, in the columns of tables.SOURCE_STATE."""
    rows = control.execute(
        """SELECT gateway, max(last_at), max(landed_at), count(*), sum(rows), sum(quarantined) FROM load
           WHERE state = 'landed' GROUP BY gateway ORDER BY gateway"""
    )
    return [
        (gateway, last and database.moment(last), database.moment(landed_at), files, total, held)
        for gateway, last, landed_at, files, total, held in rows
    ]
