"""Frames into DuckDB: every row as it was, whatever pieces the frame is made of."""

import time

import duckdb
import polars as pl
import pyarrow as pa

from warehouse import frame


def _frame(first: int, rows: int, word: str) -> pl.DataFrame:
    numbers = pl.int_range(first, first + rows, eager=True)
    return pl.DataFrame({"n": numbers}).with_columns(
        pl.format(f"{word}-{{}}", pl.col("n") % 1000).cast(pl.Categorical).alias("word"),
        pl.when(pl.col("n") % 7 == 0).then(None).otherwise(pl.format("id-{}", "n")).alias("text"),
    )


def _inserted(rows: pl.DataFrame) -> pl.DataFrame:
    with duckdb.connect(config={"preserve_insertion_order": "false"}) as connection:
        connection.execute("CREATE TABLE stored (n BIGINT, word VARCHAR, text VARCHAR, doubled BIGINT)")
        frame.insert(connection, rows, "stored", ("n", "word", "text", "doubled"), {"doubled": "2 * n"})
        return connection.execute("FROM stored ORDER BY n").pl()


def test_a_frame_of_many_pieces_is_stored_row_by_row() -> None:
    """Categories, nulls and texts of frames that were put together, over many batches."""
    rows = pl.concat([_frame(0, 100_000, "one"), _frame(100_000, 77_777, "two"), _frame(177_777, 130_000, "three")])
    stored = _inserted(rows)
    expected = rows.with_columns(pl.col("word").cast(pl.String), (pl.col("n") * 2).alias("doubled"))
    assert stored.equals(expected)


def test_a_frame_without_rows_stores_none() -> None:
    """A day of nothing but failures has no latency."""
    assert _inserted(_frame(0, 0, "none")).height == 0


def test_what_is_read_once_is_let_go_within_the_transaction() -> None:
    """A column of what was read holds all of it: registered as a table it is there until the transaction ends."""
    held = {}
    for name, handed in (("table", pl.DataFrame.to_arrow), ("read once", frame.read_once)):
        memory = pa.proxy_memory_pool(pa.default_memory_pool())
        with duckdb.connect() as connection:
            connection.execute("BEGIN")
            numbers = pa.array(range(500_000), memory_pool=memory)
            read = pl.DataFrame(pl.from_arrow(pa.table({"n": numbers})))
            del numbers
            connection.register("numbers", handed(read))
            assert connection.execute("SELECT sum(n) FROM numbers").fetchall() == [(499_999 * 250_000,)]
            connection.unregister("numbers")
            del read
            # A thread of DuckDB's may be the last to let go.
            deadline = time.monotonic() + (10 if name == "read once" else 0)
            while (held_bytes := memory.bytes_allocated()) and time.monotonic() < deadline:
                time.sleep(0.01)
            held[name] = held_bytes
            connection.execute("COMMIT")
    assert held["table"] >= 4_000_000
    assert held["read once"] == 0
