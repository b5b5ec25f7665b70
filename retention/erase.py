"""Erasure as a saga: written down at once, then each step taken until it is done, whoever takes it up.

1 tombstones, and no version is read any more; the control store forgets (one transaction). 2 closed months are written
anew; the build's rows go, their receipts with them. 3 the build is written anew, published alone, every older version
emptied and unlinked; pages are back. 4 working files and copies go. 5 every file is searched. 6 the receipt. Killed
anywhere, the same step is taken again: each finds what is left of its work. A pass takes pending erasures up before it
reads, models or publishes.
"""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal

import duckdb

from retention import (
    erase_build,
    erasure_receipt,
    forget,
    frozen_rows,
    holds,
    owner_rules,
    people,
    policy,
    rewrite,
    self_scan,
    stones_anywhere,
    stores,
    subjects,
    tombstone_ledger,
    verify_receipt,
)
from retention.erase_build import Numbers
from retention.subjects import Subject
from warehouse import bill_tables, database, publication, withholding
from warehouse.control import audit, store_file, tombstone
from warehouse.control import erasure as erasures
from warehouse.control.erasure import Erasure
from warehouse.control.vault import Vault
from warehouse.home import Home
from warehouse.models import reconciliation
from warehouse.prices import PriceBook

Progress = Callable[[str, int, int], None]
# Whatever is under way gives way; one clause of an expiry, or a day of ten million calls, holds the locks for minutes.
PATIENCE_S = 900.0
REASONS = ("request", "minor", "inactive")
_SWEPT = ("S-work", "S-copies", "S-spill", "S-exports")


def begin(home: Home, control: sqlite3.Connection, subject: Subject, now: datetime, reason: str = "request") -> Erasure:
    """Write an erasure down: from here on nobody sees the subject, nothing of it lands, its data key is gone.

    Its bytes go with `carry_out`. `now` is naive UTC; `reason` is one of REASONS and stands in the audit chain.
    RetentionError where it is being erased already. While a version that tells of it is there none is read; of a member
    none tells.
    """
    people.hold_there(control, subject)
    if is_shown := people.is_shown(control, subject):
        withholding.withhold(home)
    with database.transaction(control):
        # Two who ask at once begin one erasure; the mark that is left over is taken away by whoever carries it out.
        people.hold_there(control, subject)
        vault = Vault(control, now)
        erasure = erasures.begin(control, subject.kind, now, is_shown=is_shown)
        stones = forget.stones_of(control, subject, now) + stones_anywhere.of(control, vault, subject, now)
        needles = people.needles(control, vault, subject)
        erasures.seal_needles(control, vault, erasure.erasure_no, needles, subjects.names(control, subject))
        tombstone.lay(control, erasure.erasure_no, stones)
        people.hand_over(control, vault, subject)
        erasure.counted(forget.forget(control, stones))
        erasures.keep(control, erasure)
        audit.note(control, "erasure.begun", now, object_no=erasure.erasure_no, detail=f"reason={reason}")
    if is_shown:
        # Whoever ended another erasure meanwhile has let versions be read again.
        withholding.withhold(home)
    store_file.empty_log(control)
    tombstone_ledger.keep(home, control)
    return erasure


def is_pending(home: Home) -> bool:
    """Whether an erasure waits to be carried out, or was broken off."""
    with database.control(home) as control:
        return withholding.is_withheld(home) or bool(erasures.pending(control))


def carry_out(home: Home, now: datetime, progress: Progress, patience_s: float = PATIENCE_S) -> list[str]:
    """Take every pending erasure to its end; gives their receipts. Several share one rewrite and one version.

    BusyError where a pass is under way for longer than `patience_s`; RetentionError where there is no room to write the
    build anew: the erasures stay pending, and no version is read until they are done.
    """
    with ExitStack() as stack:
        # Whoever reads an inbox or a bill numbers what it read before it holds the build; so these come first.
        for lock in (home.inbox_lock, *sorted(home.build_lock.parent.glob("pull-lock-*")), home.build_lock):
            stack.enter_context(database.held(lock, patience_s))
        control = stack.enter_context(database.control(home))
        pending = erasures.pending(control)
        waits = any(each.step in {"begun", "deleted"} for each in pending)
        # People may have an account before there is a build. One that was published and is lost has to come back first.
        if waits and (home.build_file.exists() or database.current_version(home) is not None):
            with database.build(home, deletes=True) as connection:
                for number, each in enumerate(pending):
                    progress("erasing", number, len(pending))
                    if each.step == "begun":
                        _delete(home, connection, control, each, now)
                _compare(home, connection, control, {month for each in pending for month in each.months})
                connection.execute("CHECKPOINT")
        if waits:
            _publish(home, control, pending, now, progress)
        # A mark without an erasure was laid by one that was killed before it was written down.
        if {each.step for each in erasures.pending(control) if each.is_shown} <= {"published"}:
            withholding.release(home)
            publication.mend(home)
            if any(each.is_shown for each in pending):
                # The copy that was made while nobody might open it.
                publication.withdraw(home)
        if not pending:
            return []
        return _prove(home, control, pending, now, progress)


def _delete(
    home: Home, connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, erasure: Erasure, now: datetime
) -> None:
    """Step 2: first what will be gone is written down, then it goes, then the receipts of loads lose it."""
    # What has come back with an older build has no receipts to lose, and whoever has returned since is somebody new.
    came_back = erasures.has_receipt(control, erasure.erasure_no)
    with database.transaction(control):
        stones = tombstone.of_erasure(control, erasure.erasure_no) if came_back else []
        if not came_back:
            vault = Vault(control, erasure.begun_at)
            stones = forget.late(control, erasure.erasure_no)
            stones += stones_anywhere.late(control, vault, erasure.erasure_no)
            tombstone.lay(control, erasure.erasure_no, stones)
        erasure.counted(forget.forget(control, stones))
    numbers = Numbers.of(tombstone.of_erasure(control, erasure.erasure_no))
    # Before the build forgets who paid for their calls.
    frozen_rows.forget(home, connection, control, erasure, numbers.accounts, now)
    rows = owner_rules.forget(home, connection, control, erasure, numbers.accounts, now)
    rows |= erase_build.counted(connection, numbers)
    landed = erase_build.landed_rows(connection, numbers.accounts)
    clients = erase_build.own_clients(connection, numbers)
    with database.transaction(control):
        holds.keep(connection, control, erasure.begun_at.date(), numbers.accounts)
        if landed and not came_back:
            control.execute("DELETE FROM erased_load WHERE erasure_no = ?", (erasure.erasure_no,))
            query = f"INSERT INTO erased_load VALUES ({erasure.erasure_no}, ?, ?, ?, ?, ?, ?)"
            control.executemany(query, landed)
        erasure.counted({**rows, "control.client": forget.clients(control, clients)})
        months = reconciliation.months(connection, erase_build.days_of(connection, numbers.accounts))
        erasure.months = sorted({*erasure.months, *(month.isoformat() for month in months)})
        erasures.keep(control, erasure)
        # An account that had no data yet costs nobody a rewrite, nor a moment without pages.
        if any(rows.values()) or erasure.is_shown:
            rewrite.mark(control)
    if any(rows.values()):
        erase_build.carry_out(connection, numbers)
    with database.transaction(control):
        _receipts_lose(control, erasure.erasure_no)
        erasure.step = "deleted"
        erasures.keep(control, erasure)


def _compare(home: Home, connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, months: set[str]) -> None:
    """Say anew why log and bill differ in the months that lost calls; nothing where no bill is read."""
    ((pulled,),) = connection.execute(f"SELECT count(*) FROM {bill_tables.BUILT_PULL.full_name}").fetchall()
    if not pulled or not months:
        return
    book = PriceBook.of_home(home.root).as_known(connection, control)
    for month in sorted(months):
        connection.execute("BEGIN")
        reconciliation.write(connection, date.fromisoformat(month), book)
        connection.execute("COMMIT")


def _receipts_lose(control: sqlite3.Connection, erasure_no: int) -> None:
    """Take what was erased off the receipts of its loads, once: what is stored is what they say."""
    rows = control.execute(
        "SELECT load_no, day, rows, input_tokens, output_tokens, logged_cost_usd FROM erased_load WHERE erasure_no = ?",
        (erasure_no,),
    ).fetchall()
    for load_no, day, count, tokens_in, tokens_out, cost in rows:
        control.execute("UPDATE load_day SET rows = rows - ? WHERE load_no = ? AND day = ?", (count, load_no, day))
        (logged,) = control.execute("SELECT logged_cost_usd FROM load WHERE load_no = ?", (load_no,)).fetchone()
        control.execute(
            """UPDATE load SET rows = rows - ?, input_tokens = input_tokens - ?, output_tokens = output_tokens - ?,
                 logged_cost_usd = ? WHERE load_no = ?""",
            (count, tokens_in, tokens_out, str(Decimal(logged or 0) - Decimal(cost)), load_no),
        )
    control.execute("DELETE FROM erased_load WHERE erasure_no = ?", (erasure_no,))


def _publish(
    home: Home, control: sqlite3.Connection, pending: list[Erasure], now: datetime, progress: Progress
) -> None:
    """Step 3: nothing but the new file has the live rows and none of the erased."""
    if rewrite.is_due(control):
        progress("writing anew", 0, 1)
        rewrite.rewrite(home)
        progress("publishing", 0, 1)
        rewrite.publish(home, control, now)
    with database.transaction(control):
        for each in pending:
            each.step = "published"
            erasures.keep(control, each)


def _prove(
    home: Home, control: sqlite3.Connection, pending: list[Erasure], now: datetime, progress: Progress
) -> list[str]:
    """Steps 4 to 6: sweep, search every file, write the receipts."""
    held = policy.load(home.root / "policy.toml")
    for clause_id in _SWEPT:
        for pattern in held.clause(clause_id).holds:
            stores.remove(sorted(home.root.glob(pattern.replace("/**", "/*"))))
    store_file.renew(control)
    vault = Vault(control, now)
    needles = sorted({text for each in pending for text in erasures.needles(control, vault, each.erasure_no)})
    words = self_scan.vocabulary(home, control)
    told = [needle for needle in needles if needle not in words]
    progress("searching", 0, 1)
    scan = self_scan.scan(home, told)
    # Logs that were set aside, and what works in tmp without a lock: nothing of it is the only copy of anything.
    removed = [path for path in scan.found if path.suffix == ".refused" or path.is_relative_to(home.tmp)]
    stores.remove(removed)
    receipts = []
    with database.transaction(control):
        for each in pending:
            kept_back = holds.of_receipt(control, Numbers.of(tombstone.of_erasure(control, each.erasure_no)).accounts)
            receipt = erasure_receipt.written(
                home,
                each,
                scan,
                removed=removed,
                words=len(needles) - len(told),
                beside={"audit": audit.tail(control), "held": kept_back},
                now=now,
            )
            erasures.end(control, each, receipt, verify_receipt.link(erasures.last_chain(control), receipt), now)
            receipts.append(receipt)
            audit.note(control, "erasure.done", now, object_no=each.erasure_no)
    store_file.renew(control)
    tombstone_ledger.keep(home, control)
    progress("erased", len(pending), len(pending))
    return receipts


def came_back(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> list[int]:
    """Erasures whose subjects are there again, as after an older build was put back; they are pending from here on.

    Looked for only where a tombstone lies; the caller holds the build.
    """
    numbers = tombstone.numbers(control)
    there = erase_build.numbers_there(connection, {number: kind for number, (kind, _) in numbers.items()})
    there |= forget.numbers_there(control)
    again = sorted({numbers[number][1] for number in there} - {each.erasure_no for each in erasures.pending(control)})
    with database.transaction(control):
        for erasure_no in again:
            erasures.again(control, erasure_no)
    return again


def wrong(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> list[str]:
    """What of past erasures does not hold: who waits, who is back in the build or the store, receipts that changed."""
    said = [
        f"erasure {each.erasure_no} waits since {each.begun_at:%Y-%m-%d %H:%M} UTC; run `apiledger erase resume`"
        for each in erasures.pending(control)
    ]
    numbers = tombstone.numbers(control)
    there = erase_build.numbers_there(connection, {number: kind for number, (kind, _) in numbers.items()})
    there |= forget.numbers_there(control)
    back = sorted({numbers[number][1] for number in there})
    said += [f"whom erasure {number} erased is here again; run `apiledger erase resume`" for number in back]
    chained = erasures.receipts(control)
    return said + [
        f"the receipt of erasure {number} was changed, or one before it" for number in verify_receipt.broken(chained)
    ]
