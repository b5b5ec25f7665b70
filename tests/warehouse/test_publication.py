"""Publication: one version at a time, whole and private; a file for people that no careless hand can spoil for long."""

import filecmp
import hashlib
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from warehouse import database, file_copy, migrations, publication
from warehouse.errors import WarehouseError
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 12)  # noqa: DTZ001 (naive moments are UTC here)
# What a careless hand does: open for writing where a recipe says read_only=True. `chmod` first: root needs none.
_CARELESS = """
import os, sys, duckdb
os.chmod(os.path.realpath(sys.argv[1]), 0o600)
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
for statement in sys.stdin:
    connection.execute(statement)
    print("done", flush=True)
"""
_READ = """
import sys, duckdb
print(duckdb.connect(sys.argv[1], read_only=True).execute("SELECT version FROM mart.published").fetchall())
"""


def _publish(home: Home, *, kept: int = publication.KEPT_VERSIONS) -> int:
    """Publish a build whose table `proof` has a row for every version so far."""
    with database.held(home.build_lock), database.build(home) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS main.proof (n BIGINT)")
        connection.execute("INSERT INTO main.proof SELECT coalesce(max(n), 0) + 1 FROM main.proof")
        connection.execute("BEGIN")
        publication.changed(connection)
        connection.execute("COMMIT")
        return publication.publish(home, connection, NOW, kept=kept)


def _proof(path: Path) -> tuple[int, int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        (row,) = connection.execute("SELECT version, (SELECT count(*) FROM main.proof) FROM mart.published").fetchall()
    return row[0], row[1]


class Careless:
    """A process that has the people's file open for writing."""

    def __init__(self, home: Home) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CARELESS, home.people_file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "open"

    def write(self) -> None:
        """Commit something that a reader would notice."""
        assert self.process.stdin is not None
        self.process.stdin.write("INSERT INTO main.proof SELECT 99 FROM range(1000)\n")
        self.process.stdin.flush()
        assert self._said() == "done"

    def kill(self) -> None:
        """End it with kill -9: what it committed stays in a write-ahead log."""
        self.process.kill()
        self.process.communicate()

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def _careless(home: Home) -> Iterator[Careless]:
    one = Careless(home)
    try:
        yield one
    finally:
        one.kill()


def _opened_by_another(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _READ, path], capture_output=True, text=True, check=False)


def test_current_names_the_newest_version_and_the_last_two_are_kept(home: Home) -> None:
    """Five publications: what each version says of itself is its number, and nothing else is left."""
    for version in range(1, 6):
        assert _publish(home) == version
        assert database.current_version(home) == version
        assert _proof(home.published / "current") == _proof(home.people_file) == (version, version)
    assert sorted(path.name for path in home.published.iterdir()) == [
        "current",
        "people",
        "warehouse-4.duckdb",
        "warehouse-5.duckdb",
    ]
    assert _proof(home.published / "warehouse-4.duckdb") == (4, 4)


def test_after_an_erasure_only_the_new_version_is_kept(home: Home) -> None:
    """`kept=1` leaves one file for pages and one for people."""
    for _ in range(3):
        _publish(home)
    _publish(home, kept=1)
    assert len(list(home.published.glob("*.duckdb"))) == len(list(home.published.glob("people/*"))) == 1


def test_versions_are_private_read_only_and_files_of_their_own(home: Home) -> None:
    """Files 0400, folders 0700; the people's file shares no inode, and so no lock, with what pages read."""
    _publish(home)
    files = [home.published / "warehouse-1.duckdb", home.people_file.resolve()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o400, 0o400]
    assert [path.stat().st_nlink for path in files] == [1, 1]
    folders = [home.published, home.people_file.resolve().parent, home.root]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert home.people_file.resolve().is_relative_to(home.root)
    assert not Path(home.people_file.readlink()).is_absolute(), "a home that is moved keeps its file"


def test_the_build_stays_locked_while_and_after_it_is_copied(home: Home) -> None:
    """POSIX drops a process's locks on a file when it closes any handle of it: the copy is made by another process."""
    try_it = "import sys, duckdb; duckdb.connect(sys.argv[1])"
    with database.held(home.build_lock), database.build(home) as connection:
        publication.publish(home, connection, NOW)
        other = subprocess.run(
            [sys.executable, "-c", try_it, home.build_file], capture_output=True, text=True, check=False
        )
    assert "Could not set lock" in other.stderr


def test_a_careless_writer_blocks_those_who_share_his_file_until_the_next_version(home: Home) -> None:
    """Pages and the publication go on; people's readers fail while he holds it, and open the next version."""
    _publish(home)
    with _careless(home):
        assert "Could not set lock" in _opened_by_another(home.people_file).stderr
        with database.published(home) as connection:
            assert connection.execute("SELECT version FROM mart.published").fetchone() == (1,)
        _publish(home)
        assert _opened_by_another(home.people_file).stdout.strip() == "[(2,)]"


def test_a_killed_writers_log_is_never_replayed_into_another_version(home: Home) -> None:
    """What he committed goes with his file."""
    _publish(home)
    with _careless(home) as one:
        one.write()
    assert _proof(home.people_file) == (1, 1001)
    _publish(home)
    assert _proof(home.people_file) == (2, 2)


def test_a_writer_who_stays_and_writes_later_does_not_reach_the_new_version(home: Home) -> None:
    """His log lies beside his own file's name, which no later version has."""
    _publish(home)
    with _careless(home) as one:
        _publish(home)
        one.write()
        assert _proof(home.people_file) == (2, 2)
        one.kill()
        assert _proof(home.people_file) == (2, 2)
    _publish(home)
    assert _proof(home.people_file) == (3, 3)
    _publish(home)
    assert [path.suffix for path in (home.published / "people").iterdir()] == [".duckdb", ".duckdb"]


def test_a_file_somebody_wrote_into_is_replaced_though_nothing_new_is_published(home: Home) -> None:
    """A pass without new calls mends it; a second one leaves it alone."""
    _publish(home)
    with _careless(home) as one:
        one.write()
    assert publication.mend(home)
    assert _proof(home.people_file) == (1, 1)
    mended = home.people_file.readlink()
    assert not publication.mend(home)
    assert home.people_file.readlink() == mended
    assert _proof(home.published / "current") == (1, 1)


def test_a_reader_of_the_old_file_goes_on_and_a_new_connection_sees_the_new_one(home: Home) -> None:
    """In one process, where DuckDB would hand out the instance it still has for a path."""
    _publish(home)
    old = duckdb.connect(str(home.people_file), read_only=True)
    with database.published(home) as page:
        for version in (2, 3, 4):
            _publish(home)
            assert _proof(home.people_file) == (version, version)
            assert old.execute("SELECT count(*) FROM main.proof").fetchone() == (1,)
            assert page.execute("SELECT count(*) FROM main.proof").fetchone() == (1,)
    old.close()


def test_threads_of_one_page_server_read_one_version_at_the_same_time(home: Home) -> None:
    """Two connections that overlap share an instance, whose configuration is locked."""
    _publish(home)
    with database.published(home) as one, database.published(home) as other:
        for connection in (one, other):
            assert connection.execute("SELECT count(*) FROM main.proof").fetchone() == (1,)
            with pytest.raises(duckdb.Error, match="locked"):
                connection.execute("SET enable_external_access = true")
            with pytest.raises(duckdb.PermissionException):
                connection.execute("FROM read_text('/etc/hostname')")


def test_a_publication_broken_off_after_the_build_was_marked_is_due_again(home: Home) -> None:
    """The build says version 2 before there is one: the next pass publishes it."""
    _publish(home)
    with database.held(home.build_lock), database.build(home) as connection:
        assert not publication.due(home, connection)
        connection.execute("UPDATE mart.published SET version = 2")
        assert publication.due(home, connection)


def test_an_older_build_is_copied_before_it_is_migrated(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git pull && make up` can be taken back: the copy opens, and has what the build had."""

    def m999_added(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("ALTER TABLE main.proof ADD COLUMN added BIGINT")

    _publish(home)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, m999_added))
    with database.held(home.build_lock), database.build(home) as connection:
        assert connection.execute("SELECT n, added FROM main.proof").fetchall() == [(1, None)]
    copy = home.build_file.with_name("warehouse.before-m999_added.duckdb")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with duckdb.connect(str(copy), read_only=True) as before:
        assert before.execute("FROM main.proof").fetchall() == [(1,)]
    monkeypatch.undo()
    with database.held(home.build_lock), pytest.raises(WarehouseError, match="newer"), database.build(home):
        pass


def test_a_migration_that_fails_leaves_the_build_as_it_was(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next program starts from the same rows."""

    def m999_broken(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("DELETE FROM main.proof")
        connection.execute("SELECT nothing")

    _publish(home)
    released = migrations.MIGRATIONS
    monkeypatch.setattr(migrations, "MIGRATIONS", (*released, m999_broken))
    with database.held(home.build_lock), pytest.raises(duckdb.BinderException), database.build(home):
        pass
    monkeypatch.setattr(migrations, "MIGRATIONS", released)
    with database.held(home.build_lock), database.build(home) as connection:
        assert connection.execute("FROM main.proof").fetchall() == [(1,)]


@pytest.mark.parametrize("kept_bytes", [0, 100, 5_000, 300_000])
def test_a_truncated_build_is_said_to_be_damaged_with_the_next_step(home: Home, kept_bytes: int) -> None:
    """No DuckDB error without a word on what to do."""
    _publish(home)
    home.build_file.write_bytes(home.build_file.read_bytes()[:kept_bytes])
    with database.held(home.build_lock), pytest.raises(WarehouseError, match="restore"), database.build(home):
        pass
    assert _proof(home.published / "current") == (1, 1)


def _inode(home: Home, version: int) -> int:
    return (home.published / f"warehouse-{version}.duckdb").stat().st_ino


def test_a_file_whose_time_is_up_becomes_the_next_version(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what differs is written: the third version is the first one's file, with the build's own bytes."""
    monkeypatch.setattr(file_copy, "_PATCHED_FROM", 0)
    _publish(home)
    first = _inode(home, 1)
    _publish(home)
    _publish(home)
    assert _inode(home, 3) == first
    assert filecmp.cmp(home.published / "warehouse-3.duckdb", home.people_file, shallow=False)
    assert _proof(home.people_file) == (3, 3)


def test_a_file_that_somebody_reads_never_changes_under_him(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies an old version, or keeps a second name for it, has the bytes he began with."""
    monkeypatch.setattr(file_copy, "_PATCHED_FROM", 0)
    _publish(home)
    kept = home.root / "kept.duckdb"
    kept.hardlink_to(home.published / "people" / "warehouse-1-1.duckdb")
    whole = hashlib.sha256(kept.read_bytes()).digest()
    with (home.published / "warehouse-1.duckdb").open("rb") as reader:
        first = _inode(home, 1)
        _publish(home)
        _publish(home)
        assert _inode(home, 3) != first
        assert hashlib.sha256(reader.read()).digest() == whole
    assert hashlib.sha256(kept.read_bytes()).digest() == whole
    assert _proof(home.people_file) == (3, 3)


def test_a_publication_broken_off_before_its_link_keeps_the_file_that_is_pointed_to(home: Home) -> None:
    """Readers find a version at every moment, even where a newer file lies beside it that nothing points to."""
    _publish(home)
    (home.published / "warehouse-2.duckdb").write_bytes(b"broken off")
    pointed_to = _inode(home, 1)
    assert _publish(home) == 3
    assert _inode(home, 3) != pointed_to
    assert _proof(home.people_file) == (3, 2)
