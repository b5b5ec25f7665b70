"""The search at the end of an erasure: it finds a word in every kind of file, packed or not, and tells where."""

import gzip
import pickle
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from retention import self_scan
from warehouse.home import Home

WORD = "zq777wordxv"


def _texts() -> list[str]:
    """Texts that a database packs: many like one another, one with the word in its middle."""
    dice = random.Random(7)  # noqa: S311 (repeatable, not secret)
    texts = [f"project {dice.randrange(9)} of somebody" for _ in range(20_000)]
    texts[12_345] = f"a {WORD} b"
    return texts


def _duckdb(path: Path, *, packed: bool) -> None:
    with duckdb.connect(str(path)) as connection:
        if not packed:
            connection.execute("SET force_compression = 'uncompressed'")
        connection.register("frame", pl.DataFrame({"text": _texts()}).to_arrow())
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t AS FROM frame")


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (text)")
        connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in _texts()])
    connection.close()


def _zstd(path: Path) -> None:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as packed:
        packed.write("\n".join(_texts()).encode())


KINDS: dict[str, Callable[[Path], object]] = {
    "plain": lambda path: path.write_text("\n".join(_texts())),
    "gzip": lambda path: path.write_bytes(gzip.compress("\n".join(_texts()).encode())),
    "zstd": _zstd,
    "parquet": lambda path: pl.DataFrame({"text": _texts()}).write_parquet(path, compression="zstd"),
    "duckdb": lambda path: _duckdb(path, packed=True),
    "duckdb uncompressed": lambda path: _duckdb(path, packed=False),
    "sqlite": _sqlite,
    "pickle": lambda path: path.write_bytes(pickle.dumps(_texts())),
}


@pytest.mark.clause("AL-4.2")
@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_found_in_every_kind_of_file(home: Home, kind: str) -> None:
    """The control of every erasure: planted it is found, another word is not, and the file is named."""
    KINDS[kind](home.tmp / "file")
    scan = self_scan.scan(home, [WORD])
    assert [path.name for path in scan.found] == ["file"]
    assert scan.unread == []
    assert self_scan.scan(home, ["zq778wordxv"]).found == []


def test_a_word_across_two_pieces_is_found(home: Home) -> None:
    """A file is read in pieces of four megabytes; what lies on the border is no less there."""
    border = (1 << 22) - 5
    (home.tmp / "file").write_bytes(b"." * border + WORD.encode() + b"." * 100)
    assert [path.name for path in self_scan.scan(home, [WORD]).found] == ["file"]
    # More words than eight are searched for together.
    many = [WORD, *(f"zq{number}otherxv" for number in range(20))]
    assert [path.name for path in self_scan.scan(home, many).found] == ["file"]


def test_a_packed_file_that_does_not_open_is_told(home: Home) -> None:
    """It may hold anything: the receipt says that it was not looked into."""
    (home.tmp / "torn.gz").write_bytes(gzip.compress(WORD.encode() * 1_000)[:40])
    scan = self_scan.scan(home, [WORD])
    assert (scan.found, [path.name for path in scan.unread]) == ([], ["torn.gz"])
