"""A bundle: one zip that a person takes with them, each dataset as JSON lines, CSV and Parquet, with a manifest.

`schema.json` says what each dataset and column is and how long it is kept; `manifest.json`, written last, has rows,
bytes and the SHA-256 of every file, so that a bundle that was cut off or changed is known.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from retention.errors import RetentionError
from retention.held_data import Dataset

FORM = "apiledger-rights-1"
MANIFEST, SCHEMA = "manifest.json", "schema.json"
# Text that a spreadsheet would run (OWASP, CSV injection).
_FORMULA = r"^[=+\-@\t\r\n]"
_ARROW = {
    "BIGINT": pa.int64(), "INTEGER": pa.int32(), "SMALLINT": pa.int16(), "BOOLEAN": pa.bool_(), "DOUBLE": pa.float64(),
    "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "VARCHAR[]": pa.list_(pa.string()),
}  # fmt: skip


class _Hashed:
    """What is written goes on to a file of the zip, hashed and counted."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Hash, count and write."""
        self.sha256.update(data)
        self.bytes += len(memoryview(data).cast("B"))
        return self._handle.write(data)

    def tell(self) -> int:
        """How much was written, which Parquet's footer needs."""
        return self.bytes

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """The zip closes its own file."""
        self.closed = True


@dataclass
class Bundle:
    """A bundle that is being written."""

    archive: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    schema: dict[str, Any] = field(default_factory=dict)

    def add(self, dataset: Dataset, held: dict[str, Any] | None = None) -> int:
        """Write a dataset in three forms; how many rows. `held` says under which clause it is kept."""
        columns = [{"name": c.name, "type": c.type, "meaning": c.meaning} for c in dataset.columns]
        self.schema[dataset.name] = {"meaning": dataset.meaning, "columns": columns} | (held or {})
        rows = self._put(f"json/{dataset.name}.jsonl", _json_lines(dataset))
        self._put(f"csv/{dataset.name}.csv", _csv(dataset))
        with self._entry(f"parquet/{dataset.name}.parquet", packed=True) as (told, handle):
            told["rows"] = _write_parquet(dataset, handle)
        return rows

    def add_focus(self, month: str, dataset: Dataset) -> None:
        """Write a billing period of FOCUS."""
        self._put(f"focus/billing_period={month}/focus.csv", _csv(dataset))

    def add_file(self, name: str, content: bytes) -> None:
        """Write a file as it is."""
        self._put(name, iter([(content, 0)]))

    def _put(self, name: str, parts: Iterator[tuple[bytes, int]]) -> int:
        with self._entry(name) as (told, handle):
            for part, rows in parts:
                handle.write(part)
                told["rows"] += rows
        return int(told["rows"])

    @contextmanager
    def _entry(self, name: str, *, packed: bool = False) -> Iterator[tuple[dict[str, Any], _Hashed]]:
        # Parquet is packed by itself, and read where it lies.
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        told: dict[str, Any] = {"path": name, "rows": 0}
        with self.archive.open(info, "w", force_zip64=True) as handle:
            hashed = _Hashed(handle)
            yield told, hashed
        self.files.append(told | {"bytes": hashed.bytes, "sha256": hashed.sha256.hexdigest()})


@contextmanager
def written(path: Path, about: dict[str, Any]) -> Iterator[Bundle]:
    """Write a bundle to `path`, 0600; it has that name once it is whole. `about` is what its manifest begins with."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    working = path.with_name(f".{path.name}.part")
    working.unlink(missing_ok=True)
    working.touch(mode=0o600)
    try:
        with zipfile.ZipFile(working, "w") as archive:
            bundle = Bundle(archive)
            yield bundle
            bundle.add_file(SCHEMA, json.dumps(bundle.schema, indent=2, ensure_ascii=False).encode())
            manifest = {"form": FORM} | about | {"files": bundle.files}
            archive.writestr(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False), zipfile.ZIP_DEFLATED)
        working.replace(path)
    finally:
        working.unlink(missing_ok=True)


def _json_lines(dataset: Dataset) -> Iterator[tuple[bytes, int]]:
    for batch in dataset.batches():
        # A decimal number that a reader takes for a float has lost its last places.
        yield batch.with_columns(cs.decimal().cast(pl.String)).write_ndjson().encode(), batch.height


def _csv(dataset: Dataset) -> Iterator[tuple[bytes, int]]:
    yield (",".join(column.name for column in dataset.columns) + "\r\n").encode(), 0
    for batch in dataset.batches():
        plain = batch.with_columns(
            # Trailing zeros say nothing.
            cs.decimal().cast(pl.String).str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix("."),
            *(_harmless(name) for name, kind in batch.schema.items() if kind == pl.String),
            *(_listed(name) for name, kind in batch.schema.items() if kind == pl.List(pl.String)),
        )
        moments = "%Y-%m-%dT%H:%M:%S%.6fZ"
        text = plain.write_csv(include_header=False, line_terminator="\r\n", datetime_format=moments)
        yield text.encode(), batch.height


def _harmless(name: str) -> pl.Expr:
    text = pl.col(name)
    return pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text).alias(name)


def _listed(name: str) -> pl.Expr:
    """A list of tags as JSON has it: a cell of CSV holds one text."""
    quoted = pl.col(name).list.eval(pl.format('"{}"', pl.element().str.replace_all(r'(["\\])', r"\$1")))
    return pl.format("[{}]", quoted.list.join(",")).alias(name)


def _write_parquet(dataset: Dataset, handle: _Hashed) -> int:
    schema = pa.schema([pa.field(column.name, _arrow(column.type)) for column in dataset.columns])
    rows = 0
    with pq.ParquetWriter(pa.PythonFile(handle, mode="w"), schema, compression="zstd") as writer:
        for batch in dataset.batches():
            writer.write_table(batch.to_arrow().cast(schema))
            rows += batch.height
    return rows


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("DECIMAL("):
        precision, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return _ARROW.get(kind, pa.string())


class Opened:
    """A bundle that was checked: its manifest, its schema, and its datasets as tables."""

    def __init__(self, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
        self._archive = archive
        self.manifest = manifest
        self.schema: dict[str, Any] = json.loads(archive.read(SCHEMA))

    @property
    def names(self) -> list[str]:
        """The datasets, sorted."""
        return sorted(self.schema)

    def table(self, name: str) -> pa.Table:
        """A dataset's rows."""
        with self._archive.open(f"parquet/{name}.parquet") as handle:
            return pq.read_table(handle)

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """A dataset's rows in batches."""
        with self._archive.open(f"parquet/{name}.parquet") as handle:
            yield from pq.ParquetFile(handle).iter_batches(65_536)

    def arrow_schema(self, name: str) -> pa.Schema:
        """A dataset's columns as Arrow types."""
        return pa.schema([(c["name"], _arrow(c["type"])) for c in self.schema[name]["columns"]])

    def digest(self, name: str) -> bytes:
        """The SHA-256 of a dataset's Parquet file."""
        return next(
            bytes.fromhex(file["sha256"])
            for file in self.manifest["files"]
            if file["path"] == f"parquet/{name}.parquet"
        )


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """A bundle, once every file in it is what the manifest says; RetentionError names the first that is not."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest.get("form") != FORM:
                raise RetentionError(f"{path.name} is a bundle of another form: {FORM} is read")
            listed = {file["path"]: file["sha256"] for file in manifest["files"]}
            if odd := sorted(set(archive.namelist()) ^ {*listed, MANIFEST}):
                raise RetentionError(f"{path.name} is not what its manifest says: {odd[0]}; take the bundle again")
            for name, told in listed.items():
                with archive.open(name) as handle:
                    if hashlib.file_digest(handle, "sha256").hexdigest() != told:  # type: ignore[arg-type] # it reads
                        raise RetentionError(
                            f"{path.name} is not what its manifest says: {name}; take the bundle again"
                        )
            yield Opened(archive, manifest)
    except (OSError, zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise RetentionError(f"{path} is no bundle that can be read ({type(error).__name__})") from None
