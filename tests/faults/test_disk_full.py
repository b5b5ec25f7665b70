"""A disk with no room: the pass fails and says so, the version before stands, and the next pass with room heals."""

import resource
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.faults import whole_pass
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from warehouse import database, file_copy
from warehouse.errors import WarehouseError
from warehouse.home import Home


def _no_larger_than(size: int) -> None:
    """What a full disk does to a process: a write beyond the limit fails with an error, wherever it is made."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Truth]:
    """A home with a first version and more files in its inboxes."""
    home, truth = Home(tmp_path_factory.mktemp("begun") / "own").make(GATEWAYS), Truth()
    truth.drop(home, 0)
    assert whole_pass.ended(whole_pass.start(home)) == 0
    truth.drop(home, 1, rows=600)
    return home, truth


# Shares of the build as it is: from no room for a Parquet part to none for the last copy.
@pytest.mark.parametrize(
    "share", [0.001, 0.9, *(pytest.param(share, marks=pytest.mark.soak) for share in (0.01, 0.1, 0.5, 1.0))]
)
def test_a_pass_without_room_fails_and_the_next_one_heals(
    begun: tuple[Home, Truth], tmp_path: Path, share: float
) -> None:
    """Nothing is lost, whichever file it was that had no room."""
    home, truth = Home(tmp_path / "copy"), begun[1]
    shutil.copytree(begun[0].root, home.root, symlinks=True)
    limit: Callable[[], None] = partial(_no_larger_than, int(home.build_file.stat().st_size * share))
    assert whole_pass.ended(whole_pass.start(home, limit=limit)) == 1
    with database.published(home) as connection:
        assert connection.execute("SELECT version FROM mart.published").fetchone() == (1,)
    assert whole_pass.ended(whole_pass.start(home)) == 0
    assert_healed(home, truth)


def test_a_copy_without_room_says_so_and_leaves_what_was_there(tmp_path: Path) -> None:
    """No part of it stays, and the error names the room that is needed."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(3_000_000))
    target.write_bytes(b"old")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, allowed[1]))
    try:
        with pytest.raises(WarehouseError, match=r"target cannot be written .*make room for 4 MB"):
            file_copy.copied(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
