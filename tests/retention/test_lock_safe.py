"""A store that this process has open is searched, and stays one that others see it write to."""

import subprocess
import sys
from pathlib import Path

import pytest

from retention import lock_safe, self_scan
from retention.errors import RetentionError
from warehouse import database
from warehouse.home import PROJECT, Home

# What another process sees of the store, which it then closes; were it the last one, it would remove the log.
_OTHER = """
import sys
from pathlib import Path
from warehouse import database
from warehouse.home import Home
with database.control(Home(Path(sys.argv[1]))) as control:
    print(*(name for (name,) in control.execute("SELECT name FROM setting ORDER BY name")))
"""


def _seen_by_another(home: Home) -> list[str]:
    command = [sys.executable, "-c", _OTHER, str(home.root)]
    return subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def test_what_is_written_after_a_search_is_seen_by_others(home: Home) -> None:
    """An erasure has the store open when it searches all files, and writes its receipt afterwards."""
    with database.control(home) as control:
        control.execute("INSERT INTO setting VALUES ('before', x'00')")
        found = self_scan.scan(home, ["before"]).found
        assert {path.name for path in found} & {"control.sqlite", "control.sqlite-wal"}
        assert "before" in _seen_by_another(home)
        assert home.control_file.with_name("control.sqlite-wal").exists()
        control.execute("INSERT INTO setting VALUES ('after', x'00')")
        assert {"after", "before"} <= set(_seen_by_another(home))


def test_a_file_read_here_would_take_the_locks_away(home: Home) -> None:
    """What the search is kept from: the log of the store is gone while this process has it open."""
    with database.control(home) as control:
        control.execute("INSERT INTO setting VALUES ('before', x'00')")
        for path in home.root.glob("control.sqlite*"):
            path.read_bytes()
        _seen_by_another(home)
        assert not home.control_file.with_name("control.sqlite-wal").exists()
        control.execute("INSERT INTO setting VALUES ('after', x'00')")
        assert "after" not in _seen_by_another(home)


@pytest.mark.parametrize("name", ["plain.jsonl", "control.sqlite", "index.db-wal", "of two words.db"])
def test_every_byte_is_read(name: str, tmp_path: Path) -> None:
    """Whichever way, and a file that is gone is told by the name of that error."""
    content = bytes(range(256)) * 40_000
    (file := tmp_path / name).write_bytes(content)
    assert b"".join(lock_safe.pieces(file)) == content
    assert next(lock_safe.pieces(file)) == content[: 1 << 22]
    file.unlink()
    with pytest.raises(FileNotFoundError):
        list(lock_safe.pieces(file))


def test_a_search_that_can_read_no_store_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was found there because nothing was looked for: that is no result."""
    with database.control(home):
        monkeypatch.setenv("PATH", "")
        with pytest.raises(RetentionError, match="cat"):
            self_scan.scan(home, ["word"])
