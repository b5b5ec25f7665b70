"""Everything at rest in a home as bytes: each file as it is, and opened where it is packed, pickled or a database.

Databases are copied first, so that looking changes nothing. A pattern that is found nowhere proves nothing by itself:
tests plant it and find it first.
"""

import gzip
import hashlib
import io
import pickletools
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from retention import lock_safe


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every regular file below `root` with its raw bytes, then unpacked and read table by table where it can be.

    Of files with the very same bytes, as a version and its copy for people have, one is enough.
    """
    seen: set[bytes] = set()
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name, raw = str(path.relative_to(root)), b"".join(lock_safe.pieces(path))
        told = hashlib.sha256(raw).digest()
        # A database is more than its file where a log lies beside it.
        if told in seen and not Path(f"{path}.wal").exists() and not Path(f"{path}-wal").exists():
            continue
        seen.add(told)
        yield name, raw
        if raw[8:12] == b"DUCK":
            yield f"{name} read", _duckdb_rows(path)
        elif raw[:15] == b"SQLite format 3":
            yield f"{name} read", _sqlite_rows(path)
        else:
            yield from _opened(name, raw)


def _opened(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """What is in a packed or pickled file, and in what is packed in that; nothing that a pickle says is done."""
    inner: list[tuple[str, bytes]] = []
    if raw[:2] == b"\x1f\x8b":
        inner.append((f"{name} unpacked", gzip.decompress(raw)))
    elif raw[:4] == b"\x28\xb5\x2f\xfd":
        inner.append((f"{name} unpacked", pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read()))
    elif raw[:4] == b"PAR1":
        rows = pq.read_table(pa.BufferReader(raw)).to_pylist()
        yield f"{name} read", "\n".join(map(str, rows)).encode()
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inner += [(f"{name} {each}", archive.read(each)) for each in archive.namelist()]
    elif raw[:1] == b"\x80" and raw[-1:] == b".":
        # A text is told once, and a short one may lie between two frames' headers.
        told = [argument for _, argument, _ in pickletools.genops(raw) if isinstance(argument, str | bytes)]
        inner += [(f"{name} unpickled", one.encode() if isinstance(one, str) else one) for one in told]
    for each, content in inner:
        yield each, content
        yield from _opened(each, content)


def _copy(path: Path, copy: Path, log: str) -> None:
    """A database and its log; a server of the same process may have a SQLite store open."""
    for suffix in ("", log):
        if Path(f"{path}{suffix}").exists():
            Path(f"{copy}{suffix}").write_bytes(b"".join(lock_safe.pieces(Path(f"{path}{suffix}"))))


def _duckdb_rows(path: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.duckdb")
        _copy(path, copy, ".wal")
        with duckdb.connect(str(copy)) as connection:
            tables = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
            found = [
                row for (t,) in tables for (row,) in connection.execute(f"SELECT t::VARCHAR FROM {t} AS t").fetchall()
            ]
    return "\n".join(found).encode()


def _sqlite_rows(path: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.sqlite")
        _copy(path, copy, "-wal")
        connection = sqlite3.connect(copy)
        text = "\n".join(connection.iterdump())
        connection.close()
    return text.encode()


def found(root: Path, pattern: bytes) -> dict[str, set[bytes]]:
    """What a pattern meets, by the file it was met in and how that was read."""
    met = ((name, set(re.findall(pattern, data))) for name, data in contents(root))
    return {name: what for name, what in met if what}
