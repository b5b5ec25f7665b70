"""Every file of the home, searched for what was erased: as it is, and opened where it is packed or a database.

Read in pieces, so that memory stays flat; of files with the very same bytes, as a version and its copy for people are,
one is read. What is searched for is never written anywhere.
"""

import gzip
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from retention import lock_safe
from warehouse import database
from warehouse.home import Home

_PIECE = 1 << 22
_ROWS = 65_536
_OVERLAP = 512
_HEAD = 16


@dataclass
class Scan:
    """What was searched, and where something was found: places by kind, such as `inbox/litellm`, without a name."""

    files: int = 0
    bytes: int = 0
    hashes: dict[str, str] = field(default_factory=dict)
    found: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    needles: int = 0


def vocabulary(home: Home, control: sqlite3.Connection) -> str:
    """The words that a version has of itself or of others: an erased project that was called `search` is in no file.

    Its tables with their meanings, its views, providers, models, and the names that the control store still knows.
    """
    if database.current_version(home) is None:
        return words(control, None)
    with database.published(home) as connection:
        return words(control, connection)


def words(control: sqlite3.Connection, connection: duckdb.DuckDBPyConnection | None) -> str:
    """The same of a version, or of the build."""
    found = control.execute("SELECT DISTINCT label FROM label").fetchall()
    found += _of_version(connection) if connection else []
    return "\n".join(word for (word,) in found)


def _of_version(connection: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
    return connection.execute(
        """SELECT coalesce(sql, '') FROM duckdb_views() UNION ALL
           SELECT concat_ws(' ', schema_name, table_name, comment) FROM duckdb_tables() UNION ALL
           SELECT concat_ws(' ', column_name, comment) FROM duckdb_columns() UNION ALL
           SELECT DISTINCT concat_ws(' ', gateway, provider, model, price_version) FROM model.usage_daily UNION ALL
           SELECT DISTINCT concat_ws(' ', line, service, token_type, model) FROM model.charges"""
    ).fetchall()


def scan(home: Home, needles: list[str]) -> Scan:
    """Search every regular file below the home; a packed file that does not open is listed as unread."""
    done = Scan(needles=len(needles))
    hashed: dict[str, bool] = {}
    for path in sorted(home.root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            told, head, met = _raw(path, needles)
        except FileNotFoundError:
            continue
        done.files += 1
        done.bytes += path.stat().st_size
        done.hashes[str(path.relative_to(home.root))] = told
        if told in hashed and not path.with_name(f"{path.name}.wal").exists():
            met = hashed[told]
        elif not met and needles:
            try:
                met = any(_meets(text, needles) for text in _opened(home, path, head))
            except (OSError, EOFError, pa.ArrowException, duckdb.Error):
                done.unread.append(path)
        hashed[told] = met
        if met:
            done.found.append(path)
    return done


def _raw(path: Path, needles: list[str]) -> tuple[str, bytes, bool]:
    """The file's SHA-256, its first bytes, and whether it holds a needle as plain bytes."""
    hashing, head, met, tail = hashlib.sha256(), b"", False, b""
    patterns = [needle.encode() for needle in needles]
    for piece in lock_safe.pieces(path):
        hashing.update(piece)
        head = head or piece[:_HEAD]
        if not met:
            met = _holds(tail + piece, patterns)
            tail = piece[-_OVERLAP:]
    return hashing.hexdigest(), head, met


def _holds(piece: bytes, patterns: list[bytes]) -> bool:
    if len(patterns) <= 8:
        return any(pattern in piece for pattern in patterns)
    # One pass for all of them; latin-1 gives every byte a character.
    return _meets(pl.Series([piece.decode("latin-1")]), [pattern.decode("latin-1") for pattern in patterns])


def _meets(text: pl.Series, needles: list[str]) -> bool:
    return bool(needles) and bool(text.str.contains_any(needles).fill_null(value=False).any())


def _opened(home: Home, path: Path, head: bytes) -> Iterator[pl.Series]:
    """What a packed file or a database says, as texts; its first bytes tell which it is."""
    if head[:2] == b"\x1f\x8b":
        with gzip.open(path) as packed:
            yield from _pieces(packed)
    elif head[:4] == b"\x28\xb5\x2f\xfd":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as packed:
            yield from _pieces(packed)
    elif head[:4] == b"PAR1":
        for batch in pq.ParquetFile(path).iter_batches(_ROWS):
            for column in batch.columns:
                yield _texts(column)
    elif head[8:12] == b"DUCK":
        yield from _duckdb(home, path)
    elif head[:15] == b"SQLite format 3" and path != home.control_file:
        yield from _sqlite(path)


def _pieces(packed: object) -> Iterator[pl.Series]:
    tail = b""
    while piece := packed.read(_PIECE):  # type: ignore[attr-defined] # two libraries' files, alike in this
        # Bytes that are no text would hide the rest; ids are searched for in what is left.
        yield pl.Series([(tail + piece).decode("utf-8", "replace")])
        tail = piece[-_OVERLAP:]


def _texts(column: pa.Array) -> pl.Series:
    series = pl.Series(pl.from_arrow(column))
    return series.cast(pl.String, strict=False) if not series.dtype.is_nested() else pl.Series(map(str, series))


def _duckdb(home: Home, path: Path) -> Iterator[pl.Series]:
    opened = database.build(home) if path == home.build_file else database.read_only(path)
    with opened as connection:
        columns = connection.execute(
            """SELECT schema_name || '.' || table_name, column_name
               FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name)
               WHERE data_type NOT IN ('BIGINT', 'DATE', 'TIMESTAMP', 'SMALLINT', 'INTEGER', 'BOOLEAN', 'DOUBLE',
                 'TIMESTAMP WITH TIME ZONE') AND data_type NOT LIKE 'DECIMAL%'"""
        ).fetchall()
        for table, column in columns:
            found = connection.execute(f'SELECT "{column}"::VARCHAR AS text FROM {table}')
            for batch in found.to_arrow_reader(_ROWS):
                yield _texts(batch.column(0))


def _sqlite(path: Path) -> Iterator[pl.Series]:
    with database.tool_store(path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')
            while batch := rows.fetchmany(_ROWS // 16):
                yield pl.Series(["\x1f".join(map(str, row)) for row in batch])
