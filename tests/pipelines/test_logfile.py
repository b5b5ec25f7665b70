"""Log files of every hostile size: what is read of them, what is refused, and that memory stays flat beside it."""

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.gateways import logfile
from pipelines.gateways.logfile import LONGEST_LINE, LogFile
from tests.pipelines.gateway_log import line, one, put, quarantine, rows, take_in, taken
from warehouse.control.receipt import MOST_QUARANTINED
from warehouse.home import PROJECT, Home

MOST_EXTRA_BYTES = 256 * 1024 * 1024
# A child, so that the peak is that pass's own; a small pass before it, so that the base holds every library.
MEASURED_PASS = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from pipelines.passage import run_pass
from tests.pipelines.gateway_log import line, put
from warehouse.home import Home
home, inbox = Home(Path(sys.argv[1])).make(), Path(sys.argv[2])
now = datetime(2026, 11, 21, 22, tzinfo=UTC)
put(home, "base.jsonl", [line(request_id=f"base-{n}") for n in range(1000)])
run_pass(home, now, lambda *_: None)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in inbox.iterdir():
    file.rename(home.inbox / "gateway_jsonl" / file.name)
run_pass(home, now, lambda *_: None)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024)
"""


def ready(folder: Path) -> dict[str, LogFile]:
    """What an inbox has ready, by name."""
    return {file.path.name: file for file in logfile.ready(folder)}


def extra_bytes(home: Home, prepared: Path) -> int:
    """Take prepared files in and say by how much the pass's peak was above a small pass's."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED_PASS, str(home.root), str(prepared)],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return int(ran.stdout)


def write_bomb(path: Path, chunk: bytes, times: int, last: bytes = b"") -> None:
    """Write a gzip file that holds a chunk so many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as handle:
        for _ in range(times):
            handle.write(packer.compress(chunk))
        handle.write(packer.compress(last) + packer.flush())


def test_only_whole_regular_files_are_ready_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Hidden and unfinished files, links and folders are passed over; one renamed into place is not."""
    for name in ("b.jsonl", "a.jsonl.gz", ".hidden.jsonl", "c.jsonl.part", "d.jsonl.refused", "e.tmp"):
        (tmp_path / name).write_text(line())
    (tmp_path / "f").mkdir()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "b.jsonl")
    assert list(ready(tmp_path)) == ["a.jsonl.gz", "b.jsonl"]
    (tmp_path / "c.jsonl.part").rename(tmp_path / "c.jsonl")
    assert list(ready(tmp_path)) == ["a.jsonl.gz", "b.jsonl", "c.jsonl"]


@pytest.mark.parametrize("packed", [False, True])
def test_lines_come_numbered_and_a_long_one_as_its_length(packed: bool, tmp_path: Path) -> None:
    """Blank lines count, a last line without an end is a line, and one beyond 8 MiB is never held."""
    long = LONGEST_LINE * 2 + 3
    content = b"first\n\n" + b"x" * long + b"\r\n" + b"y" * LONGEST_LINE + b"\nlast"
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    # Packed like this it swells four hundred times, yet to less than what is free.
    read = list(logfile.lines(ready(tmp_path)[path.name]))
    assert read == [(1, b"first"), (2, b""), (3, long + 1), (4, b"y" * LONGEST_LINE), (5, b"last")]


@pytest.mark.parametrize(
    "break_off",
    [lambda packed: packed[:-9], lambda packed: packed[:40] + b"\0" * 40, lambda _: b"plain"],
    ids=["cut", "rotten", "plain"],
)
def test_what_is_no_whole_gzip_file_is_refused_whole(
    break_off: Callable[[bytes], bytes], home: Home, master_key: str
) -> None:
    """Cut short, rotten or not packed at all: set aside under another name, while its neighbours land."""
    assert master_key
    path = put(home, "broken.jsonl.gz", [line(request_id=f"lost-{n}") for n in range(1000)])
    path.write_bytes(break_off(path.read_bytes()))
    put(home, "good.jsonl", [line(request_id="good")])
    report = take_in(home)
    assert taken(report).refused == ["broken.jsonl.gz"]
    assert [entry.name for entry in path.parent.iterdir()] == ["broken.jsonl.gz.refused"]
    assert rows(home, "(SELECT request_id FROM model.requests)") == [("good",)]


@pytest.mark.soak
def test_of_a_file_refused_half_way_nothing_lands(home: Home, master_key: str) -> None:
    """Rows of a broken file that were read before it broke off are taken back, its neighbours' are not."""
    assert master_key
    put(home, "a.jsonl", [line(request_id="before")])
    pads = (line(request_id=f"lost-{number}") for number in range(120_000))
    path = put(home, "b.jsonl.gz", pads)
    path.write_bytes(path.read_bytes()[:-100])
    assert path.stat().st_size < 1024 * 1024 * 2
    put(home, "c.jsonl", [line(request_id="after")])
    assert taken(take_in(home)).refused == ["b.jsonl.gz"]
    assert rows(home, "(SELECT request_id FROM model.requests)") == [("after",), ("before",)]
    assert one(home, "SELECT count(*) FROM raw_gateway_jsonl.calls") == 2
    assert one(home, "SELECT rows FROM mart.freshness") == 2


def test_only_a_broken_file_and_nothing_else_leaves_the_home_as_it_was(home: Home, master_key: str) -> None:
    """A pass over one large broken file refuses it and ends well, and so does the next."""
    assert master_key
    path = put(home, "b.jsonl.gz", (line(request_id=f"lost-{number}") for number in range(60_000)))
    path.write_bytes(path.read_bytes()[:-100])
    assert taken(take_in(home)).refused == ["b.jsonl.gz"]
    take_in(home)
    assert one(home, "SELECT count(*) FROM model.requests") == 0


def test_a_file_that_grows_while_it_is_read_stays(home: Home, master_key: str) -> None:
    """What was appended between the reading and the unlinking is not lost: the file is read again, each call once."""
    assert master_key
    from pipelines.passage import run_pass
    from tests.pipelines.gateway_log import NOW

    path = put(home, "a.jsonl", [line(request_id="first")])

    def append_once(what: str, done: int, of: int) -> None:
        if what == "reading gateway_jsonl" and done == of and path.read_text().count("\n") == 1:
            with path.open("a") as handle:
                handle.write(line(request_id="second") + "\n")

    run_pass(home, NOW, append_once)
    assert path.exists()
    assert rows(home, "(SELECT request_id FROM model.requests)") == [("first",)]
    take_in(home)
    assert not path.exists()
    assert rows(home, "(SELECT request_id FROM model.requests)") == [("first",), ("second",)]


def test_a_file_seen_before_goes_unread(home: Home, master_key: str) -> None:
    """The same bytes again, under any name, in one pass or a later one, are known by their hash."""
    assert master_key
    for name in ("a.jsonl", "b.jsonl"):
        put(home, name, [line()])
    assert (taken(take_in(home)).files, one(home, "SELECT rows FROM mart.freshness")) == (1, 1)
    put(home, "c.jsonl", [line()])
    report = take_in(home)
    assert (taken(report).files, taken(report).known_files, report.version) == (0, 1, None)
    assert list((home.inbox / "gateway_jsonl").iterdir()) == []


def test_nothing_but_broken_lines_is_counted_and_the_first_are_told(home: Home, master_key: str) -> None:
    """Of a hundred thousand broken lines all are counted and ten thousand kept with their numbers."""
    assert master_key
    put(home, "a.jsonl", ["x"] * 100_000 + [line()])
    assert taken(take_in(home)).quarantined == 100_000
    assert len(quarantine(home)) == MOST_QUARANTINED
    assert one(home, "SELECT quarantined_rows FROM mart.freshness") == 100_000
    assert one(home, "SELECT count(*) FROM model.requests") == 1


def test_bombs_are_refused_or_held_back_in_little_memory(home: Home, master_key: str, tmp_path: Path) -> None:
    """Long lines, bombs of one line and of many, deep and wide JSON: the good lines beside them land, memory stays."""
    assert master_key
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    good = line(request_id="good-%s").encode() + b"\n"
    with (prepared / "long.jsonl").open("wb") as handle:
        handle.write(good % b"a" + b'{"model": "')
        handle.truncate(100_000_000)
        handle.seek(0, os.SEEK_END)
        handle.write(b'"}\n' + good % b"b")
    write_bomb(prepared / "one-line.jsonl.gz", b"x" * 2**20, 400)
    write_bomb(prepared / "many-lines.jsonl.gz", (b"x" * 1000 + b"\n") * 2**10, 400)
    write_bomb(prepared / "small.jsonl.gz", b"{}\n" * 2**12, 30, last=b"\n" + good % b"c")
    (prepared / "deep.jsonl").write_bytes(b"[" * 200_000 + b"\n" + b'{"a":' * 200_000 + b"\n" + good % b"d")
    wide = ",".join(f'"{number:x}":1' for number in range(600_000))
    (prepared / "wide.jsonl").write_bytes(f"{{{wide}}}\n".encode() + good % b"e")
    tags = ",".join(['"t"'] * 1_000_000)
    tagged = line(request_id="tags")[:-1] + f', "tags": [{tags}]}}\n'
    (prepared / "tags.jsonl").write_bytes(tagged.encode() + good % b"f")
    heavy = b"".join(
        line(request_id=f"heavy-{number}", user_agent="u" * 4_000_000).encode() + b"\n" for number in range(10)
    )
    (prepared / "heavy.jsonl").write_bytes(heavy + good % b"g")
    with (prepared / "heavier.jsonl").open("w") as handle:
        handle.writelines(line(request_id=f"heavier-{n}", user_agent=f"{n}" * 400_000) + "\n" for n in range(60))
    assert extra_bytes(home, prepared) < MOST_EXTRA_BYTES
    names = {name for (name,) in rows(home, "(SELECT request_id FROM model.requests)") if name[:4] != "base"}
    assert names == {f"good-{letter}" for letter in "abcdefg"}
    left = {entry.name for entry in (home.inbox / "gateway_jsonl").iterdir()}
    assert left == {"one-line.jsonl.gz.refused", "many-lines.jsonl.gz.refused"}


@pytest.mark.soak
def test_a_gigabyte_is_met_in_little_memory(home: Home, master_key: str, tmp_path: Path) -> None:
    """A plain line of 1 GiB, and gzip of a thousandth that swells to 1 GiB of one line and of many."""
    assert master_key
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    with (prepared / "long.jsonl").open("wb") as handle:
        handle.truncate(2**30)
        handle.seek(0, os.SEEK_END)
        handle.write(b"\n" + line(request_id="good").encode() + b"\n")
    write_bomb(prepared / "one-line.jsonl.gz", b"x" * 2**20, 1024)
    write_bomb(prepared / "many-lines.jsonl.gz", (b"{}" + b" " * 100 + b"\n") * 2**14, 636)
    assert (prepared / "one-line.jsonl.gz").stat().st_size < 1_100_000
    assert extra_bytes(home, prepared) < MOST_EXTRA_BYTES
    assert {("good",)} <= set(rows(home, "(SELECT request_id FROM model.requests)"))
    assert {entry.name for entry in (home.inbox / "gateway_jsonl").iterdir()} == {
        "one-line.jsonl.gz.refused",
        "many-lines.jsonl.gz.refused",
    }
