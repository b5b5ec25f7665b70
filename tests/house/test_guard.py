"""The guard in tests/conftest.py: what a test may not reach."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.home import PROJECT, Home


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 443), timeout=1),
        lambda: socket.create_connection(("telemetry.example", 443), timeout=1),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
        (PROJECT / "data" / "control.sqlite").open,
        (Path.home() / ".config" / "apiledger" / "key").open,
    ],
    ids=["an address", "a name", "a datagram", "the real home", "the real key"],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_what_lies_beyond_the_test_is_refused(reach: Callable[[], Any], guard: Any) -> None:
    """No test reaches the network, the real home or the real key."""
    with pytest.raises(OSError, match="refused in tests"):
        reach()
    assert len(guard.refused) == 1
    guard.refused.clear()


def test_a_server_on_loopback_is_reached() -> None:
    """The guard leaves 127.0.0.1 alone, by number and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_both_homes_lie_in_the_tests_own_folder(home: Home, tmp_path: Path) -> None:
    """A test that forgets to say which home gets one of its own."""
    assert Home.own() == home
    assert Home.sandbox().root.is_relative_to(tmp_path)
    assert os.environ["APILEDGER_KEY_FILE"].startswith(str(tmp_path))
    assert "APILEDGER_MASTER_KEY" not in os.environ
