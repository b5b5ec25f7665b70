"""A source's records -> rows of numbers and checked labels, as Parquet parts for dlt.

Everything personal stops here: IP and user agent are sealed into the control store, outside ids become our own random
numbers, texts that are no labels are replaced. What dlt and every later step see is what is written here.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.gateways import account_part, key_project
from retention.tombstones import Tombstones
from warehouse import database, labels, sealing, tables
from warehouse.control import client, key_rule, outside_id, told_apart
from warehouse.control.receipt import Receipt
from warehouse.control.vault import Vault

# One of DuckDB's row groups: whole groups are written once, past the write-ahead log.
PART_ROWS = 122_880
# dlt loads a part in a job and a transaction of its own, each with a price of its own.
MOST_ROWS = 16 * PART_ROWS
_PLACE = ("account", "key", "key_name", "project", "project_name", "team", "team_name", "upstream")
_SERVICE = ("provider", "model", "service_tier", "region", "tags")
# Nearly every row has its own; whatever else repeats is written and read in half the time by a dictionary.
_OWN = frozenset({"request_id", "request_no", "requested_at", "logged_cost_usd"})
# Half a kilobyte each; clients are new every day, and a file may have millions.
_MOST_KNOWN = 20_000
_CLIENT = ("day", "account_no", "ip", "user_agent")
_Row = tuple[Any, ...]


class Boundary:
    """Turns admitted records of one gateway into Parquet parts; one a pass, so that numbers are looked up once."""

    def __init__(self, control: sqlite3.Connection, gateway: str, folder: Path, now: datetime) -> None:
        self._control = control
        self._gateway = gateway
        self._folder = folder
        with database.transaction(control):
            self._vault = Vault(control, now)
        self._ids = outside_id.OutsideIds(control, self._vault, now)
        self._known: dict[tuple[str, ...], dict[_Row, _Row]] = {}
        self._refused_days = sealing.refused_days(control, gateway)
        self._refused_before = sealing.refused_before(control)
        self._tombstones = Tombstones(control, self._vault, gateway)
        self._apart = told_apart.listed(control)
        self._projects = key_rule.listed(control)
        self.parts: list[tuple[Path, int]] = []
        self._writer: pq.ParquetWriter | None = None
        self.pepper = self._vault.lookup("request_no", gateway).hex()[:16]

    def cut(self) -> int:
        """Close the part that is being written; how many parts there are."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        return len(self.parts)

    def drop_parts(self, kept: int) -> None:
        """Take back the parts written after the first `kept`: their file is read again another way."""
        self.cut()
        for path, _ in self.parts[kept:]:
            path.unlink()
        del self.parts[kept:]

    def forget(self, load_no: int, kept: int) -> None:
        """Take a load's rows out of the parts written after the first `kept`: its file was refused half-way."""
        self.cut()
        late, self.parts = self.parts[kept:], self.parts[:kept]
        for path, _ in late:
            rows = pl.read_parquet(path).filter(pl.col("load_no") != load_no)
            path.unlink()
            if rows.height:
                self._write(rows)

    def _write(self, rows: pl.DataFrame) -> None:
        """Add rows to the part that is being written, as a row group of their own."""
        table = rows.to_arrow()
        if self._writer is None or self.parts[-1][1] + rows.height > MOST_ROWS:
            self.cut()
            path = self._folder / f"part-{len(self.parts):05d}.parquet"
            repeated = [name for name in table.column_names if name not in _OWN]
            self._writer = pq.ParquetWriter(
                path, table.schema, compression="lz4", use_dictionary=repeated, write_statistics=False
            )
            path.chmod(0o600)
            self.parts.append((path, 0))
        self._writer.write_table(table)
        path, written = self.parts.pop()
        self.parts.append((path, written + rows.height))

    def admit(self, batch: pa.Table, receipts: Mapping[int, Receipt]) -> None:
        """Write a batch (columns of `record.admitted`) to the part and add its rows and sums to the loads' receipts."""
        if batch.num_rows == 0:
            return
        records = self._tombstones.passed(pl.DataFrame(pl.from_arrow(batch)), receipts)
        if self._apart:
            # Whoever was erased, in the whole or in the part, lands in neither.
            records = self._tombstones.passed(account_part.told_apart(records, self._apart), receipts)
        if self._projects:
            records = key_project.of_keys(records, self._projects)
        records = self._landable(records, receipts)
        if records.height == 0:
            return
        with database.transaction(self._control):
            records = self._numbered(records)
        rows = records.select(column.name for column in tables.RAW_CALLS)
        self._write(rows)
        _add_sums(rows, receipts)

    def _landable(self, records: pl.DataFrame, receipts: Mapping[int, Receipt]) -> pl.DataFrame:
        """Without the rows of closed days, before an id or a client of theirs is looked at; how many is counted."""
        day = pl.col("requested_at").dt.date()
        late = records.select(day.is_in(self._refused_days) | (day < self._refused_before)).to_series()
        if not late.any():
            return records
        for load_no, rows in records.filter(late).group_by("load_no").len().iter_rows():
            receipts[load_no].late_rows += rows
        return records.filter(~late)

    def _numbered(self, records: pl.DataFrame) -> pl.DataFrame:
        numbers = {f"{kind}_no": pl.Int64 for kind in ("account", "key", "project", "team", "upstream")}
        records = self._mapped(records, _PLACE, self._placed, numbers)
        for kind in ("user", "end_user"):
            records = self._mapped(records, ("account", kind), partial(self._persons, kind), {f"{kind}_no": pl.Int64})
        labelled = {f"{name}_label": pl.String for name in _SERVICE}
        records = self._mapped(records, _SERVICE, self._served, labelled)
        records = records.with_columns(pl.col("requested_at").dt.date().alias("day"))
        records = self._mapped(records, _CLIENT, self._clients, {"client_no": pl.Int64})
        return records.drop(_SERVICE).rename({f"{name}_label": name for name in _SERVICE})

    def _mapped(
        self,
        records: pl.DataFrame,
        columns: tuple[str, ...],
        numbered: Callable[[list[_Row]], list[_Row]],
        result: Mapping[str, type[pl.DataType]],
    ) -> pl.DataFrame:
        """Add what stands for each distinct row of some columns; only what was not seen lately is looked up."""
        distinct = records.select(columns).unique()
        rows = distinct.rows()
        known = self._known.setdefault(columns, {})
        if len(known) > _MOST_KNOWN:
            known.clear()
        keys = [tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in rows]
        new = [(key, row) for key, row in zip(keys, rows, strict=True) if key not in known]
        known.update(zip((key for key, _ in new), numbered([row for _, row in new]), strict=True))
        values = pl.DataFrame([known[key] for key in keys], schema=result, orient="row")
        mapping = pl.concat([distinct, values], how="horizontal")
        return records.join(mapping, on=columns, how="left", nulls_equal=True, maintain_order="left")

    def _placed(self, rows: list[_Row]) -> list[_Row]:
        accounts = self._ids.accounts(self._gateway, {row[0] for row in rows})
        placed = []
        for account, key, key_name, project, project_name, team, team_name, upstream in rows:
            owner = accounts[account]
            ids = (("key", key, key_name), ("project", project, project_name), ("team", team, team_name))
            numbers = (self._one(kind, owner, text, name) for kind, text, name in (*ids, ("upstream", upstream, None)))
            placed.append((owner, *numbers))
        return placed

    def _persons(self, kind: str, rows: list[_Row]) -> list[_Row]:
        accounts = self._ids.accounts(self._gateway, {row[0] for row in rows})
        return [(self._one(kind, accounts[account], text, None),) for account, text in rows]

    def _one(self, kind: str, account_no: int, text: str | None, name: str | None) -> int | None:
        if text is None or text == "":
            return None
        return self._ids.numbers(kind, self._gateway, [(account_no, text, name)])[account_no, text]

    def _clients(self, rows: list[_Row]) -> list[_Row]:
        known = [row for row in rows if row[2] is not None or row[3] is not None]
        listed = ((day.isoformat(), account_no, ip, agent) for day, account_no, ip, agent in known)
        numbers = dict(zip(known, client.numbers(self._control, self._vault, listed), strict=True))
        return [(numbers.get(row),) for row in rows]

    def _served(self, rows: list[_Row]) -> list[_Row]:
        return [
            (
                self._word("provider", provider, labels.PROVIDER),
                self._word("model", model, labels.MODEL),
                self._word("tier", tier, labels.PROVIDER),
                self._word("region", region, labels.PROVIDER),
                self._tag_list(tags),
            )
            for provider, model, tier, region, tags in rows
        ]

    def _word(self, kind: str, text: str | None, pattern: str) -> str | None:
        if text is None or (re.fullmatch(pattern, text) and not labels.is_telling(text)):
            return text
        return self._stand_in(kind, text)

    def _stand_in(self, kind: str, text: str) -> str:
        """A keyed number for a text that is no label: two texts stay two, and neither can be read off it."""
        return f"{kind} {int.from_bytes(self._vault.lookup(kind, text)[:6])}"

    def _tag_list(self, tags: Iterable[str | None] | None) -> str | None:
        """Tags as a JSON list of labels, sorted and each once."""
        kept = {tag if labels.is_label(tag) else self._stand_in("tag", tag) for tag in tags or () if tag}
        return json.dumps(sorted(kept), ensure_ascii=False) if kept else None


def _add_sums(rows: pl.DataFrame, receipts: Mapping[int, Receipt]) -> None:
    summed = rows.group_by("load_no", pl.col("requested_at").dt.date().alias("day")).agg(
        pl.len(),
        pl.sum_horizontal(pl.col(tables.INPUT_CLASSES).sum()).alias("input"),
        pl.sum_horizontal(pl.col(tables.OUTPUT_CLASSES).sum()).alias("output"),
        pl.col("logged_cost_usd").sum(),
        pl.col("requested_at").min().alias("first"),
        pl.col("requested_at").max().alias("last"),
    )
    for load_no, *sums in summed.iter_rows():
        receipts[load_no].add(*sums)
