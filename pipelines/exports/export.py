"""mart.* of the newest version -> files somebody else reads: FOCUS by billing period, or every mart as Parquet.

A folder gets files, an `s3://bucket/prefix` objects; a manifest with rows, sums and hashes is written last, so that
what has a manifest is whole. What an earlier export left and this one does not name goes.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pipelines import object_store
from pipelines.errors import PipelineError
from pipelines.exports import correction
from warehouse import closed_month, database, mart, withholding
from warehouse.control import budget, month_close, protection, restriction
from warehouse.home import Home
from warehouse.table_file import csv_bytes, parquet_bytes

FOCUS_VERSIONS = {"1.2": "mart.focus_1_2", "1.4": "mart.focus_1_4"}
FORMATS = ("csv", "parquet")
MANIFEST = "manifest.json"


class ExportError(PipelineError):
    """An export that could not be made; nothing of an earlier one was touched, or its manifest is gone."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote: where, how many rows, their cost in USD, and the calls it had to leave out."""

    target: str
    files: int
    rows: int
    cost_usd: Decimal
    unpriced_requests: int


def focus(home: Home, target: str, now: datetime, version: str = "1.2", form: str = "csv") -> Exported:
    """Write spend in FOCUS's columns, a file a billing period; calls without a known price have no row in FOCUS.

    ExportError where the target cannot be written; WarehouseError while nothing is published, WithheldError where
    somebody began to be erased meanwhile. `now` is UTC.
    """
    view = FOCUS_VERSIONS[version]
    with database.published(home) as connection:
        parts = (
            (f"billing_period={month:%Y-%m}/focus.{form}", table) for month, table in _periods(home, connection, view)
        )
        query = "SELECT coalesce(sum(unpriced_requests), 0)::BIGINT FROM mart.spend_daily"
        ((unpriced,),) = connection.execute(query).fetchall()
        about = {"dataset": "FOCUS CostAndUsage", "focus_version": version, "unpriced_requests_left_out": unpriced}
        return _write(target, _fenced(home, parts), form, about | _as_of(connection), now, "BilledCost")


def marts(home: Home, target: str, now: datetime) -> Exported:
    """Write every mart as one Parquet file, money as DECIMAL(38,12)."""
    with database.published(home) as connection:
        names = [name for name in mart.names() if not name.startswith("focus_")]
        parts = ((f"{name}.parquet", connection.execute(f"FROM mart.{name}").to_arrow_table()) for name in names)
        return _write(target, _fenced(home, parts), "parquet", {"dataset": "marts"} | _as_of(connection), now, "")


def _fenced(home: Home, parts: Iterator[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    """The parts without restricted accounts, up to the moment in which somebody begins to be erased.

    What was written then gets no manifest.
    """
    with database.control(home) as control:
        restricted = restriction.labels(control)
    for name, table in parts:
        withholding.hold(home)
        yield name, _without(table, restricted)
    withholding.hold(home)


def _without(table: pa.Table, accounts: tuple[str, ...]) -> pa.Table:
    # Whose key it is may be another than who pays.
    for column in ("BillingAccountId", "account", "key_account"):
        if accounts and column in table.column_names:
            listed = pc.is_in(table[column], value_set=pa.array(accounts))
            table = table.filter(pc.invert(pc.fill_null(listed, False)))
    return table


def _as_of(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    ((version, as_of, home),) = connection.execute("SELECT version, as_of, home FROM mart.published").fetchall()
    return {"published_version": version, "as_of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}", "home": home}


def _periods(home: Home, connection: duckdb.DuckDBPyConnection, view: str) -> Iterator[tuple[datetime, pa.Table]]:
    """Each month with its rows: a closed one as it was frozen, the open one with what changed of those.

    In protected mode neither tells more of a frozen month than the version does.
    """
    with database.control(home) as control:
        folders = [closed_month.folder(home, one.month) for one in month_close.listed(control)]
        is_protected = protection.is_set(control)
    kept = correction.frozen(connection, view, folders, is_protected=is_protected)
    months = {*correction.months(connection, view), *kept}
    corrected = None
    if kept:
        open_month = datetime.combine(budget.month(max(kept).date())[1], time.min)
        found = correction.corrections(connection, view, kept, open_month)
        corrected = (open_month, found) if found.num_rows else None
    for month in sorted(months | ({corrected[0]} if corrected else set())):
        if month in kept:
            yield month, kept[month]
            continue
        table = correction.today(connection, view, month)
        yield month, pa.concat_tables([table, corrected[1]]) if corrected and corrected[0] == month else table


def _write(
    target: str, parts: Iterator[tuple[str, pa.Table]], form: str, about: dict[str, Any], now: datetime, cost: str
) -> Exported:
    system, root = object_store.opened(target, writes=True)
    try:
        _forget(system, root)
        files: list[dict[str, Any]] = []
        rows, total = 0, Decimal(0)
        for name, table in parts:
            body = csv_bytes(table) if form == "csv" else parquet_bytes(table)
            object_store.put(system, f"{root}/{name}", body)
            amount = sum(table[cost].to_pylist(), Decimal(0)) if cost else Decimal(0)
            said = {"billed_cost_usd": str(amount)} if cost else {}
            hashed = hashlib.sha256(body).hexdigest()
            files.append({"path": name, "rows": table.num_rows, "bytes": len(body), "sha256": hashed} | said)
            rows, total = rows + table.num_rows, total + amount
        made = f"{now.astimezone(UTC) if now.tzinfo else now:%Y-%m-%dT%H:%M:%SZ}"
        manifest = about | {"made_at": made, "format": form, "rows": rows, "files": files}
        if cost:
            manifest["billed_cost_usd"] = str(total)
        object_store.put(system, f"{root}/{MANIFEST}", json.dumps(manifest, indent=2).encode())
        _sweep(system, root, {MANIFEST, *(str(file["path"]) for file in files)})
    except OSError as error:
        why = f"{target} cannot be written ({type(error).__name__}); look at its address and rights"
        raise ExportError(why) from None
    return Exported(target, len(files), rows, total, int(about.get("unpriced_requests_left_out", 0)))


def _forget(system: fs.FileSystem, root: str) -> None:
    """Take the old manifest away first: half an export is told from a whole one by it."""
    if system.get_file_info(f"{root}/{MANIFEST}").type == fs.FileType.File:
        system.delete_file(f"{root}/{MANIFEST}")


def _sweep(system: fs.FileSystem, root: str, kept: set[str]) -> None:
    """Remove files of an earlier export's form that this one did not write; what is not ours stays."""
    for found in system.get_file_info(fs.FileSelector(root, recursive=True)):
        name = str(PurePosixPath(found.path).relative_to(root))
        is_ours = PurePosixPath(name).name.startswith("focus.") and name.startswith("billing_period=")
        if found.type == fs.FileType.File and is_ours and name not in kept:
            system.delete_file(found.path)
