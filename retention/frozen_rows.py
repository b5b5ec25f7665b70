"""closes/<month>/*: closed months without whoever is erased, or under a name that was put right; the rest as it was.

An account's rows go. Where somebody else pays the bill, what they said of it joins the row that says what the bill is
more than its detail, as when the warehouse makes that row anew, so that the bill's total stays. Sums of a connection
that are told of nobody stay as they were frozen.
"""

import csv
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from retention import bill_rest, self_scan
from retention.bill_rest import Payers
from retention.errors import RetentionError
from warehouse import closed_month, database, focus_rules, table_file
from warehouse.closed_month import MANIFEST, Content
from warehouse.control import erasure as erasures
from warehouse.control import month_close
from warehouse.control.erasure import Erasure
from warehouse.control.month_close import Close
from warehouse.control.vault import Vault
from warehouse.home import Home

Files = dict[str, Content]
# What names of people may be in, in rows of somebody else: what they called their own things.
_TOLD = frozenset({"SubAccountId", "SubAccountName", "Tags", "plan"})
# A file that somebody changed or laid there is no table of ours: `close verify` says so, and the search looks into it.
_NOT_FROZEN = (pa.ArrowException, csv.Error, KeyError, ValueError)
# Who a row is of, in whichever of the files.
_ACCOUNT = ("BillingAccountId", "account")
_NAMES = {
    "account": ("BillingAccountId", "BillingAccountName", "account"),
    "project": ("SubAccountId", "SubAccountName"),
    "team": ("Tags",),
    "key": ("Tags",),
}


@dataclass(frozen=True)
class Gone:
    """Whose rows go, by name; the texts that no other cell may hold any more; and who pays for their calls."""

    names: Collection[str]
    texts: Collection[str]
    payers: Payers

    def left(self, column: str, text: str) -> str | None:
        """What is left of a cell; None where nothing is. An id of digits is no reason to blank an amount."""
        if column not in _TOLD or not any(needle in text for needle in self.texts):
            return text
        if column != "Tags":
            return None
        return _tags({key: value for key, value in json.loads(text).items() if self.left("plan", value) is not None})


def forget(
    home: Home,
    build: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    erasure: Erasure,
    accounts: list[int],
    now: datetime,
) -> None:
    """Take the subject of an erasure out of every closed month, while the build still says who pays for its calls.

    `accounts` are its numbers. The caller holds the build. RetentionError where there is no room: the months are then
    what they were.
    """
    closed_month.settle(home, control)
    if not month_close.listed(control):
        return
    gone = _gone(build, control, erasure, accounts, now)
    counts: dict[str, int] = {}

    def without(month: str) -> Files:
        files: Files = {}
        for path in _files(home, month):
            with suppress(*_NOT_FROZEN):
                for name, content, rows in _without(path, gone):
                    files[name] = content
                    stem = name.partition(".")[0]
                    counts[f"closes.{stem}"] = counts.get(f"closes.{stem}", 0) + rows
        return files

    closes = _written(home, control, without, f"erasure {erasure.erasure_no}", now)
    if counts:
        with database.transaction(control):
            month_close.rehash(control, closes)
            erasure.counted(counts)
            erasures.keep(control, erasure)
        closed_month.settle(home, control)


def _gone(
    build: duckdb.DuckDBPyConnection, control: sqlite3.Connection, erasure: Erasure, accounts: list[int], now: datetime
) -> Gone:
    vault = Vault(control, now)
    query = "SELECT label FROM model.account WHERE account_no IN (SELECT unnest(?))"
    names = {name for (name,) in build.execute(query, [accounts]).fetchall()}
    # A pass that was under way may have taken the names out of the build.
    names |= {*erasures.names(control, vault, erasure.erasure_no)}
    # What somebody else is called as well does not say whose a row is.
    names -= {label for (label,) in control.execute("SELECT DISTINCT label FROM label")}
    words = self_scan.words(control, build)
    texts = [needle for needle in erasures.needles(control, vault, erasure.erasure_no) if needle not in words]
    return Gone(names, texts, bill_rest.payers(build, accounts))


def renamed(
    home: Home, control: sqlite3.Connection, accounts: Collection[str], kind: str, old: str, new: str, now: datetime
) -> list[Close]:
    """Write closed months with the new name of an account, project, team or key of the accounts of these names.

    Gives the closes as they will be: `month_close.rehash` them, then `closed_month.settle`. The caller holds the build.
    """
    columns = _NAMES[kind]

    def put_right(column: str, text: str) -> str:
        if column == "InvoiceId" and kind == "account" and text.startswith("provisional-"):
            return text.replace(f"-{old}-", f"-{new}-")
        if column not in columns:
            return text
        if column != "Tags":
            return new if text == old else text
        tags = json.loads(text)
        return _tags(tags | {kind: new}) if tags.get(kind) == old else text

    def anew(month: str) -> Files:
        files: Files = {}
        for path in _files(home, month):
            with suppress(*_NOT_FROZEN):
                files |= dict(_put_right(path, accounts, put_right))
        return files

    return _written(home, control, anew, "a rectification", now)


def _tags(tags: dict[str, str]) -> str:
    return json.dumps(tags, separators=(",", ":"), ensure_ascii=False)


def _files(home: Home, month: str) -> list[Path]:
    """The files of a month that are read: of spend the Parquet file, of which the CSV is made."""
    there = [path for path in sorted(closed_month.folder(home, month).glob("[!.]*.*")) if path.is_file()]
    tables = {path.stem for path in there if path.suffix == ".parquet"}
    return [path for path in there if path.name != MANIFEST and (path.suffix == ".parquet" or path.stem not in tables)]


def _written(
    home: Home, control: sqlite3.Connection, changed: Callable[[str], Files], by: str, now: datetime
) -> list[Close]:
    try:
        return closed_month.written_anew(home, control, changed, by, now)
    except OSError as error:
        raise RetentionError(
            f"{closed_month.folder(home, '')} cannot be written anew ({type(error).__name__}): make room; the closed "
            "months are what they were until then"
        ) from None


def _without(path: Path, gone: Gone) -> Iterator[tuple[str, Content, int]]:
    """A file, and what is made of it, without who is gone: name, content, rows that went; nothing if as it was."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        left = _of_others(table, gone)
        if not left.equals(table):
            for name, content in _spend(path, left):
                yield name, content, table.num_rows - left.num_rows if name.endswith(".parquet") else 0
    elif path.suffix == ".csv":
        head, *rows = table_file.csv_rows(path.read_bytes())
        at = next((head.index(name) for name in _ACCOUNT if name in head), None)
        kept = [row for row in rows if at is None or table_file.text_of(row[at]) not in gone.names]
        blanked = [[gone.left(head[n], cell) or "" for n, cell in enumerate(row)] for row in kept]
        if blanked != rows:
            content = Content(table_file.csv_of_rows([head, *blanked]), len(blanked))
            yield path.name, content, len(rows) - len(blanked)


def _of_others(table: pa.Table, gone: Gone) -> pa.Table:
    """Spend without the rows of who is gone, the rests of others' bills larger by what was in them."""
    theirs = pc.fill_null(pc.is_in(table["BillingAccountId"], value_set=pa.array(gone.names, pa.string())), False)
    kept = table.filter(pc.invert(theirs))
    if kept.num_rows < table.num_rows:
        is_rest = pc.equal(kept["x_Basis"], "bill")
        rests = kept.filter(is_rest)
        before = rests.to_pylist()
        after = bill_rest.moved(table.filter(theirs).to_pylist(), [dict(row) for row in before], gone.payers)
        if after != before:
            kept = pa.concat_tables(
                [kept.filter(pc.invert(is_rest)), pa.Table.from_pylist(after, schema=table.schema)]
            ).sort_by([(name, "ascending") for name in table.column_names])
    return _changed(kept, None, gone.left)


def _changed(table: pa.Table, mine: list[bool] | None, change: Callable[[str, str], str | None]) -> pa.Table:
    """A table with its texts changed, in all rows or in those that are `mine`."""
    for at, column in enumerate(table.schema):
        if not pa.types.is_string(column.type):
            continue
        texts = table[column.name].to_pylist()
        new = {text: change(column.name, text) for text in {*texts} - {None}}
        if any(text != told for text, told in new.items()):
            told = [
                new.get(text) if mine is None or is_mine else text
                for text, is_mine in zip(texts, mine or [True] * len(texts), strict=True)
            ]
            table = table.set_column(at, column, pa.array(told, column.type))
    return table


def _spend(path: Path, table: pa.Table) -> Iterator[tuple[str, Content]]:
    """A file of spend in both forms, and the report on it where the month has one."""
    cost = str(sum(table["BilledCost"].to_pylist(), Decimal(0)))
    yield path.name, Content(table_file.parquet_bytes(table), table.num_rows, cost)
    yield f"{path.stem}.csv", Content(body := table_file.csv_bytes(table), table.num_rows, cost)
    if path.with_name(f"{path.stem}_rules.csv").exists():
        report = focus_rules.report(body, table)
        yield f"{path.stem}_rules.csv", Content(report.body, report.rules)


def _cell(before: str, text: str) -> str:
    # A number with a sign is no text that a spreadsheet would run.
    return before if table_file.text_of(before) == text else table_file.csv_text(text)


def _put_right(
    path: Path, accounts: Collection[str], change: Callable[[str, str], str]
) -> Iterator[tuple[str, Content]]:
    """A file, and what is made of it, with the texts of these accounts' rows changed; nothing if as it was."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        mine = [name in accounts for name in table["BillingAccountId"].to_pylist()]
        changed = _changed(table, mine, change)
        if not changed.equals(table):
            yield from _spend(path, changed)
    elif path.suffix == ".csv":
        head, *rows = table_file.csv_rows(path.read_bytes())
        at = next((head.index(name) for name in _ACCOUNT if name in head), None)
        new = [
            [_cell(cell, change(head[n], table_file.text_of(cell))) for n, cell in enumerate(row)]
            if at is not None and table_file.text_of(row[at]) in accounts
            else row
            for row in rows
        ]
        if new != rows:
            yield path.name, Content(table_file.csv_of_rows([head, *new]), len(new))
