"""The newest version stays open between pages, and no longer than it may: nothing else is read in its place."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.figures import held_version
from tests.dashboards import made_version
from tests.dashboards.conftest import UNTIL
from warehouse import withholding
from warehouse.home import Home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which files are open")
FEWER = "DELETE FROM mart.spend_daily WHERE provider = 'openai'"


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """No test meets what another holds."""
    held_version.let_go()
    yield
    held_version.let_go()


def _open(home: Home) -> list[str]:
    """The versions this process has open, those without a name too."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            name = os.readlink(handle)  # noqa: PTH115 - a file without a name reads "… (deleted)", which is no path
        except FileNotFoundError:
            continue
        if name.startswith(f"{home.published}/warehouse-"):
            found.append(name.removeprefix(f"{home.published}/"))
    return found


def _rows(home: Home) -> int:
    with held_version.opened(home) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM mart.spend_daily").fetchall()
    assert isinstance(count, int)
    return count


def _comes(home: Home, names: list[str]) -> None:
    """These and no others are open within five seconds."""
    for _ in range(100):
        if _open(home) == names:
            return
        time.sleep(0.05)
    assert _open(home) == names


def test_a_version_stays_open_after_a_page(home: Home) -> None:
    """The next page finds it open; nobody else is kept from it."""
    made_version.publish(home, 1, UNTIL)
    assert _rows(home) > 0
    assert _open(home) == ["warehouse-1.duckdb"]
    assert _rows(home) > 0
    assert _open(home) == ["warehouse-1.duckdb"]


def test_a_newer_version_is_open_before_a_page_asks(home: Home) -> None:
    """And the older one is let go, so that its bytes are gone from the disk once it has no name."""
    made_version.publish(home, 1, UNTIL)
    _rows(home)
    made_version.publish(home, 2, UNTIL)
    _comes(home, ["warehouse-2.duckdb"])


def test_nothing_is_held_while_somebody_is_erased(home: Home) -> None:
    """No block of a version that shows the erased waits in memory, and a page that may go on holds none either."""
    made_version.publish(home, 1, UNTIL)
    _rows(home)
    withholding.withhold(home)
    _comes(home, [])
    assert _rows(home) > 0
    assert _open(home) == []
    withholding.release(home)
    _comes(home, ["warehouse-1.duckdb"])


def test_a_version_is_let_go_where_nobody_asks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overnight the memory is free; in the morning it is opened again."""
    monkeypatch.setattr(held_version, "IDLE_S", 0.2)
    made_version.publish(home, 1, UNTIL)
    _rows(home)
    _comes(home, [])
    assert _rows(home) > 0
    assert _open(home) == ["warehouse-1.duckdb"]


def _read_bytes(home: Home) -> int:
    """What DuckDB holds of the tables that were read."""
    with held_version.opened(home) as connection:
        query = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        ((count,),) = connection.execute(query).fetchall()
    assert isinstance(count, int)
    return count


def test_what_was_read_is_let_go_where_it_is_much(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is opened anew, with none of its blocks."""
    made_version.publish(home, 1, UNTIL)
    opened = _read_bytes(home)
    with held_version.opened(home) as connection:
        connection.execute("SELECT max(columns(*)) FROM mart.spend_hourly").fetchall()
    before = _read_bytes(home)
    assert before > opened
    monkeypatch.setattr(held_version, "MOST_BYTES", before - 1)
    for _ in range(100):
        if _read_bytes(home) == opened:
            break
        time.sleep(0.05)
    assert _read_bytes(home) == opened
    _comes(home, ["warehouse-1.duckdb"])


def test_another_file_of_the_same_name_is_not_taken_for_the_one_held(home: Home, tmp_path: Path) -> None:
    """A restored home may call a file as the one before was called."""
    made_version.publish(home, 1, UNTIL)
    before = _rows(home)
    restored = Home(tmp_path / "restored")
    made_version.publish(restored, 1, UNTIL, extra=FEWER)
    (restored.published / "warehouse-1.duckdb").replace(home.published / "warehouse-1.duckdb")
    assert 0 < _rows(home) < before


def test_a_home_behind_a_link_is_held_too(home: Home, tmp_path: Path) -> None:
    """Its folder, or the one of its versions, may lie on another disk."""
    made_version.publish(home, 1, UNTIL)
    linked = Home(tmp_path / "linked")
    linked.root.symlink_to(home.root)
    rows = _rows(linked)
    assert rows == _rows(linked) > 0
    assert _open(home) == ["warehouse-1.duckdb"]


def test_a_version_that_cannot_be_opened_ends_no_watch(home: Home) -> None:
    """The page says what is wrong; the next good version is held again."""
    made_version.publish(home, 1, UNTIL)
    _rows(home)
    (home.published / "warehouse-2.duckdb").write_bytes(b"not a database" * 1000)
    link = home.published / "next"
    link.symlink_to("warehouse-2.duckdb")
    link.replace(home.published / "current")
    _comes(home, [])
    made_version.publish(home, 3, UNTIL)
    _comes(home, ["warehouse-3.duckdb"])
