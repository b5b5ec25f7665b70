"""A source's records -> rows of numbers and checked labels, as Parquet parts for dlt.

Everything personal stops here: IP and user agent are sealed into the control store, outside ids become our own random
numbers, texts that are no labels are replaced. What dlt, the warehouse and every later step see is what is written here.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse import database, labels, tables
from warehouse.control import client, outside_id
from warehouse.control.receipt import Receipt
from warehouse.control.vault import Vault

PART_ROWS = 250_000
_PLACE = ("account", "key", "key_name", "project", "project_name", "team", "team_name", "upstream")
_SERVICE = ("provider", "model", "service_tier", "region", "tags")
_CLIENT = ("day", "account_no", "ip", "user_agent")
_NO = pa.int64()
_TEXT = pa.string()


class Boundary:
    """Turns admitted records of one gateway into Parquet parts; one object a pass, so that numbers are looked up once."""

    def __init__(
        self, scratch: duckdb.DuckDBPyConnection, control: sqlite3.Connection, gateway: str, folder: Path, now: datetime
    ) -> None:
        self._scratch = scratch
        self._control = control
        self._gateway = gateway
        self._folder = folder
        with database.transaction(control):
            self._vault = Vault(control, now)
        self._ids = outside_id.OutsideIds(control, self._vault, now)
        self._services: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._places: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._people: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = {"user": {}, "end_user": {}}
        self.parts: list[tuple[Path, int]] = []
        self.pepper_hex = self._vault.pepper.hex()
        scratch.execute(f"SET VARIABLE pepper = '{self.pepper_hex}'")

    def drop_parts(self, kept: int) -> None:
        """Take back the parts written after the first `kept`: their file is read again another way."""
        for path, _ in self.parts[kept:]:
            path.unlink()
        del self.parts[kept:]

    def admit(self, batch: pa.Table, receipts: dict[int, Receipt]) -> None:
        """Write a batch (columns of `record.admitted`) as one part and add its rows and sums to the loads' receipts."""
        if batch.num_rows == 0:
            return
        self._scratch.register("batch", batch)
        with database.transaction(self._control):
            # Only what was not seen before is looked up; clients are new each day and are not remembered.
            self._map(
                "place",
                _PLACE,
                self._places,
                self._placed,
                [(f"{k}_no", _NO) for k in ("account", "key", "project", "team", "upstream")],
            )
            self._map(
                "service", _SERVICE, self._services, self._served, [(f"{name}_label", _TEXT) for name in _SERVICE]
            )
            for kind in ("user", "end_user"):
                columns = ("account", kind)
                self._map(kind, columns, self._people[kind], self._person(kind), [(f"{kind}_no", _NO)])
            self._map_clients()
        path = self._folder / f"part-{len(self.parts):05d}.parquet"
        self._scratch.execute(f"COPY ({self._rows()}) TO '{path}' (FORMAT parquet, COMPRESSION lz4_raw)")
        path.chmod(0o600)
        self._scratch.unregister("batch")
        self.parts.append((path, batch.num_rows))
        self._add_sums(path, receipts)

    def _map(
        self,
        name: str,
        columns: tuple[str, ...],
        known: dict[tuple[Any, ...], tuple[Any, ...]],
        numbered: Callable[[list[tuple[Any, ...]]], list[tuple[Any, ...]]],
        result: list[tuple[str, pa.DataType]],
    ) -> None:
        """Make the table `name_map` of this batch's distinct values and what stands for them."""
        listed = ", ".join(f'"{column}"' for column in columns)
        distinct = self._scratch.execute(f"SELECT DISTINCT {listed} FROM batch").to_arrow_table()
        rows = list(zip(*(column.to_pylist() for column in distinct.columns), strict=True))
        keys = [_hashable(row) for row in rows]
        new = [(key, row) for key, row in zip(keys, rows, strict=True) if key not in known]
        known.update(zip((key for key, _ in new), numbered([row for _, row in new]), strict=True))
        values = list(zip(*(known[key] for key in keys), strict=True))
        for (column, kind), value in zip(result, values, strict=True):
            distinct = distinct.append_column(column, pa.array(value, type=kind))
        self._scratch.register(f"{name}_map", distinct)

    def _placed(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        accounts = self._ids.accounts(self._gateway, {row[0] for row in rows})
        placed = []
        for account, key, key_name, project, project_name, team, team_name, upstream in rows:
            account_no = accounts[account]
            named = (
                ("key", key, key_name),
                ("project", project, project_name),
                ("team", team, team_name),
                ("upstream", upstream, None),
            )
            placed.append((account_no, *(self._one(kind, account_no, text, name) for kind, text, name in named)))
        return placed

    def _person(self, kind: str) -> Callable[[list[tuple[Any, ...]]], list[tuple[Any, ...]]]:
        def numbered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            accounts = self._ids.accounts(self._gateway, {row[0] for row in rows})
            return [(self._one(kind, accounts[account], text, None),) for account, text in rows]

        return numbered

    def _served(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
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
        if text is None or (re.fullmatch(pattern, text) and not re.search(labels.SECRET, text)):
            return text
        return self._stand_in(kind, text)

    def _stand_in(self, kind: str, text: str) -> str:
        """A keyed number for a text that is no label: two texts stay two, and neither can be read off it."""
        return f"{kind} {int.from_bytes(self._vault.lookup(kind, text)[:6])}"

    def _tag_list(self, tags: Iterable[str | None] | None) -> str | None:
        """Tags as a JSON list of labels, sorted and each once."""
        kept = {tag if labels.is_label(tag) else self._stand_in("tag", tag) for tag in tags or () if tag}
        return json.dumps(sorted(kept), ensure_ascii=False) if kept else None

    def _one(self, kind: str, account_no: int, text: str | None, name: str | None) -> int | None:
        if text is None or text == "":
            return None
        return self._ids.numbers(kind, self._gateway, [(account_no, text, name)])[account_no, text]

    def _map_clients(self) -> None:
        distinct = self._scratch.execute(
            """SELECT DISTINCT strftime(requested_at, '%Y-%m-%d') AS day, account_no, ip, user_agent
               FROM batch JOIN (SELECT DISTINCT account, account_no FROM place_map) USING (account)
               WHERE ip IS NOT NULL OR user_agent IS NOT NULL"""
        ).to_arrow_table()
        rows = zip(*(column.to_pylist() for column in distinct.columns), strict=True)
        numbers = client.numbers(self._control, self._vault, rows)
        self._scratch.register("client_map", distinct.append_column("client_no", pa.array(numbers, type=_NO)))

    def _rows(self) -> str:
        """The part's rows, in the columns of tables.RAW_CALLS."""
        same = {
            "place": _PLACE,
            "service": _SERVICE,
            "user": ("account", "user"),
            "end_user": ("account", "end_user"),
        }
        joins = " ".join(
            f"JOIN {name}_map ON " + " AND ".join(f'batch."{c}" IS NOT DISTINCT FROM {name}_map."{c}"' for c in columns)
            for name, columns in same.items()
        )
        special = {
            "request_no": f"(md5_number_lower(getvariable('pepper') || '{self._gateway}' || request_id) >> 1)::BIGINT",
            "account_no": "place_map.account_no",
            "provider": "provider_label",
            "model": "model_label",
            "service_tier": "service_tier_label",
            "region": "region_label",
            "tags": "tags_label",
        }
        selected = ", ".join(f'{special.get(c.name, c.name)} AS "{c.name}"' for c in tables.RAW_CALLS)
        return f"""SELECT {selected} FROM batch {joins}
            LEFT JOIN client_map ON client_map.account_no = place_map.account_no
              AND client_map.day = strftime(requested_at, '%Y-%m-%d')
              AND client_map.ip IS NOT DISTINCT FROM batch.ip
              AND client_map.user_agent IS NOT DISTINCT FROM batch.user_agent"""

    def _add_sums(self, path: Path, receipts: dict[int, Receipt]) -> None:
        summed = self._scratch.execute(
            f"""SELECT load_no, requested_at::DATE, count(*), sum({"+".join(tables.INPUT_CLASSES)})::BIGINT,
                  sum({"+".join(tables.OUTPUT_CLASSES)})::BIGINT, coalesce(sum(logged_cost_usd), 0), min(requested_at), max(requested_at)
                FROM read_parquet('{path}') GROUP BY ALL"""
        ).fetchall()
        for load_no, *sums in summed:
            receipts[load_no].add(*sums)


def _hashable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)
