"""mart.* of an account, or of all -> one envelope for one key: what a disclosure that was approved may take along.

Nothing is written unencrypted on the way: each mart goes as Parquet into a zip that goes into the envelope.
"""

import json
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse import database, envelope, mart, withholding
from warehouse.control import disclosure
from warehouse.envelope import Envelope
from warehouse.home import Home

_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Disclosed:
    """What was written out: how many rows of how many marts."""

    marts: int
    rows: int


class _Position:
    """A part of a zip that knows how far it was written, as Parquet asks."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self._position = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self._position += len(data)
        return self._inner.write(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def write(home: Home, disclosure_no: int, key_file: Path, target: Path, now: datetime) -> Disclosed:
    """Write an approved disclosure to a new file, for the key it was approved for; `now` is naive UTC.

    DisclosureError where it may not be, EnvelopeError for a key or a target that is none, WithheldError where somebody
    began to be erased meanwhile: then there is no file.
    """
    key = envelope.public_key(key_file)
    with envelope.private_file(target) as file:
        try:
            with database.control(home) as control:
                approved = disclosure.make(control, disclosure_no, envelope.fingerprint(key), now)
            sealing = Envelope(file, key)
            with database.published(home) as connection, zipfile.ZipFile(cast("IO[bytes]", sealing), "w") as packed:
                name = None if approved.account_no is None else _name(connection, approved.account_no)
                done = _packed(home, connection, packed, approved.account_no, name)
                about = {"disclosure_no": disclosure_no, "ground": approved.ground, "marts": done.marts}
                packed.writestr("about.json", json.dumps(about | {"rows": done.rows}))
            withholding.hold(home)
            sealing.seal()
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return done


def _name(connection: duckdb.DuckDBPyConnection, account_no: int) -> str:
    """What marts call an account."""
    query = (
        "SELECT label FROM model.account WHERE account_no = ? ORDER BY valid_to IS NULL DESC, valid_from DESC LIMIT 1"
    )
    row = connection.execute(query, [account_no]).fetchone()
    return f"account {account_no}" if row is None or row[0] is None else str(row[0])


def _packed(
    home: Home, connection: duckdb.DuckDBPyConnection, packed: zipfile.ZipFile, account_no: int | None, name: str | None
) -> Disclosed:
    marts, rows = 0, 0
    for each in mart.names():
        columns = {row[0] for row in connection.execute(f"DESCRIBE mart.{each}").fetchall()}
        # What does not say whose it is is nobody's to hand over by itself.
        if account_no is not None and "account" not in columns:
            continue
        withholding.hold(home)
        only, bound = ("", []) if name is None else ("WHERE account = ?", [name])
        reader = connection.execute(f"FROM mart.{each} {only}", bound).to_arrow_reader(_BATCH_ROWS)
        rows += _part(packed, f"{each}.parquet", reader)
        marts += 1
    return Disclosed(marts, rows)


def _part(packed: zipfile.ZipFile, name: str, reader: Any) -> int:
    rows = 0
    with packed.open(name, "w", force_zip64=True) as part:
        sink = pa.PythonFile(_Position(part), mode="w")
        with pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        sink.close()
    return rows


def open_envelope(file: Path, key_file: Path, target: Path) -> int:
    """What the recipient does: open an envelope into a new file; gives its bytes. EnvelopeError, and then no file."""
    key = envelope.private_key(key_file)
    size = 0
    with file.open("rb") as source, envelope.private_file(target) as opened:
        try:
            for chunk in envelope.opened(source, key):
                size += opened.write(chunk)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return size
