"""Nothing leaves: over pulls, a pass, pages' questions, exports and an audit, only who is configured is asked.

Every connection of this process is seen by an audit hook, also those of libraries and of threads; a first one of the
test's own shows that it sees.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboards.figures import overview_figures, spend_figures
from dashboards.figures.spend_filter import SpendFilter
from dashboards.figures.viewer import Viewer
from pipelines.evidence import processors, proof
from pipelines.exports import export
from tests.pipelines.billed_world import KEYS, LATER, world
from warehouse import database

_SEEN: list[tuple[str, Any]] = []
_LOOKING = [False]
_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _LOOKING[0] and event in _EVENTS:
        address = arguments[:2] if event == "socket.getaddrinfo" else arguments[1]
        if isinstance(address, tuple):
            _SEEN.append((str(address[0]), address[1]))


sys.addaudithook(_hook)


@contextmanager
def _looking() -> Iterator[list[tuple[str, Any]]]:
    _SEEN.clear()
    _LOOKING[0] = True
    try:
        yield _SEEN
    finally:
        _LOOKING[0] = False


@pytest.mark.clause("AL-2.6")
@pytest.mark.clause("AL-3.3")
@pytest.mark.clause("AL-10.1")
@pytest.mark.clause("VA-5.2")
@pytest.mark.clause("VA-9.1")
def test_only_the_configured_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> None:
    """The addresses that are met are those of the processors that the report names, all of them and no other."""
    assert master_key
    with world(tmp_path, monkeypatch, days=3, calls=120) as made, _looking() as seen:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", 1), timeout=5).close()
        assert seen
        seen.clear()
        for provider in KEYS:
            made.pull(provider)
        made.take_in()
        now = LATER.replace(tzinfo=None)
        with database.published(made.home) as connection:
            today = LATER.date()
            viewer = Viewer()
            assert overview_figures.month_to(connection, viewer, today) is not None
            asked = SpendFilter(today - timedelta(days=70), today).within_reach()
            assert spend_figures.view(connection, viewer, asked) is not None
        export.focus(made.home, str(tmp_path / "focus"), LATER)
        export.marts(made.home, str(tmp_path / "marts"), LATER)
        assert proof.found(made.home, now)["egress"] == []
        listed = {urlsplit(one.url).netloc for one in processors.configured(made.home, now)}
    met = {f"{host}:{port}" for host, port in seen}
    assert met == listed
    assert len(met) == 2
