"""A large file read in slices by two streams is every line of it once, in about its order, or an error."""

import os
from contextlib import closing
from pathlib import Path

import duckdb
import psutil  # type: ignore[import-untyped]  # no types are shipped
import pytest

from pipelines.gateways import file_stream
from pipelines.gateways.logfile import LONGEST_LINE
from tests.pipelines.gateway_log import line, put, quarantine, take_in, taken
from warehouse import database
from warehouse.home import Home

MEGABYTE = 1024 * 1024


def query(files: str) -> str:
    """The numbers in a file of lines."""
    return f"SELECT n FROM read_json({files}, format='newline_delimited', columns={{n: 'BIGINT'}})"


def numbers(scratch: duckdb.DuckDBPyConnection, path: Path) -> list[int]:
    """What the streams of a file read, in the order in which it comes."""
    with file_stream.opened(scratch, path) as streams:
        if not streams:
            return []
        with closing(file_stream.batches(scratch, [query(files) for files in streams], {})) as batches:
            return [number for batch in batches for number in batch.column("n").to_pylist()]


def written(path: Path, rows: int, first: int = 0, width: int = 100) -> Path:
    """A file of `rows` lines that say their number."""
    path.write_text("".join(f'{{"n": {first + n}, "said": "{"x" * width}"}}\n' for n in range(rows)))
    return path


@pytest.mark.parametrize("slice_bytes", [1, 1000, MEGABYTE, 1024 * MEGABYTE])
def test_every_line_is_read_once_wherever_it_is_cut(
    slice_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices of a line each, of a few, of many, and in one."""
    monkeypatch.setattr(file_stream, "_SLICE_BYTES", slice_bytes)
    rows = 40 if slice_bytes == 1 else 20_000
    path = written(tmp_path / "log.jsonl", rows)
    with database.scratch(tmp_path / "spill") as scratch:
        assert sorted(numbers(scratch, path)) == list(range(rows))
        # Of another file of the same bounds nothing is remembered.
        assert sorted(numbers(scratch, written(tmp_path / "other.jsonl", rows))) == list(range(rows))
        with path.open("rb+") as file:
            file.truncate(path.stat().st_size - 1)
        assert len(numbers(scratch, path)) == rows, "the last line needs no end"


def test_streams_keep_about_the_order_of_the_file(tmp_path: Path) -> None:
    """Days are looked for by where their rows lie: a row is some batches away from its place, and no further."""
    rows = 400_000
    path = written(tmp_path / "log.jsonl", rows, width=40)
    with database.scratch(tmp_path / "spill") as scratch:
        read = numbers(scratch, path)
    assert sorted(read) == list(range(rows))
    assert max(abs(place - number) for place, number in enumerate(read)) < 4 * file_stream.BATCH_ROWS


def test_an_empty_file_and_one_of_an_endless_line_have_no_stream(tmp_path: Path) -> None:
    """Nobody looks for the end of a line for a gigabyte: the careful road holds it back by its number."""
    (empty := tmp_path / "empty.jsonl").touch()
    endless = written(tmp_path / "endless.jsonl", 100_000)
    with endless.open("a") as file:
        file.write("y" * (2 * LONGEST_LINE))
    with database.scratch(tmp_path / "spill") as scratch:
        assert numbers(scratch, empty) == numbers(scratch, endless) == []


def test_a_file_that_is_cut_off_while_it_is_read_is_no_shorter_file(tmp_path: Path) -> None:
    """Fewer rows without a word would be signed as all of them."""
    path = written(tmp_path / "log.jsonl", 100_000)
    with database.scratch(tmp_path / "spill") as scratch, file_stream.opened(scratch, path) as streams:
        os.truncate(path, path.read_bytes().index(b"\n", 5 * MEGABYTE) + 1)
        with (
            pytest.raises(duckdb.Error, match="cut off while it was read"),
            closing(file_stream.batches(scratch, [query(files) for files in streams], {})) as batches,
        ):
            list(batches)


def test_whoever_stops_early_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a thread that reads on, nor an open file, nor a name that the next file would find."""
    path = written(tmp_path / "log.jsonl", 200_000)
    before = psutil.Process().num_fds()
    with database.scratch(tmp_path / "spill") as scratch:
        for _ in range(5):
            with (
                file_stream.opened(scratch, path) as streams,
                closing(file_stream.batches(scratch, [query(files) for files in streams], {})) as batches,
            ):
                next(batches)
        with pytest.raises(duckdb.Error):
            scratch.execute(query(streams[0])).fetchall()
    assert psutil.Process().num_fds() <= before


@pytest.mark.parametrize("place", [0.1, 0.99])
def test_a_wrong_line_in_any_slice_is_held_back_and_the_rest_loads(place: float, home: Home) -> None:
    """What both streams had read of the file by then is taken back."""
    rows = 25_000
    wrong = int(rows * place)
    said = [line(request_id=f"call-{number}", input_tokens=-1 if number == wrong else 7) for number in range(rows)]
    put(home, "log.jsonl", said)
    result = taken(take_in(home))
    assert (result.rows, result.quarantined) == (rows - 1, 1)
    assert [held[0] for held in quarantine(home)] == [wrong + 1]
