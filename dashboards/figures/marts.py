"""published/warehouse-<n>.duckdb -> pages: the one road by which a page reads, remembered per version and viewer.

An answer depends on nothing but the home, the version, the viewer and what was asked, and all four are its key in the
cache: a new version or another viewer never meets an old answer. No connection that a page asked outlives its run.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import streamlit as st

from dashboards.figures import held_version, viewer, withheld
from dashboards.figures.viewer import Viewer
from warehouse import database, withholding
from warehouse.errors import WithheldError
from warehouse.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Question = Callable[["DuckDBPyConnection", Viewer, Asked], Answer]

_ANSWERS_KEPT = 256


@dataclass
class _Reading:
    """A version that is open for the run of a page: opening one takes as long as several questions."""

    held: ExitStack
    open: dict[tuple[str, int | None], "DuckDBPyConnection"] = field(default_factory=dict)

    def connection(self) -> "DuckDBPyConnection":
        """The newest version, opened once; a newer one than that takes its place."""
        newest = (str(home().root), version())
        if newest not in self.open:
            self.held.close()
            self.open = {newest: self.held.enter_context(held_version.opened(home()))}
        return self.open[newest]


_reading: ContextVar[_Reading | None] = ContextVar("_reading", default=None)


@contextmanager
def reading() -> Iterator[None]:
    """Ask all questions of one run of a page of one opened version; outside of it each question opens its own."""
    with ExitStack() as held:
        token = _reading.set(_Reading(held))
        try:
            yield
        finally:
            _reading.reset(token)


@contextmanager
def _opened(looks: Viewer) -> Iterator["DuckDBPyConnection"]:
    """The newest version, for a question of this viewer's; WithheldError where it may show them whom it must not."""
    run = _reading.get()
    with ExitStack() as held:
        connection = run.connection() if run is not None else held.enter_context(held_version.opened(home()))
        # Asked each time: nobody reads what is withheld, however it came to be open.
        withheld.hold(home(), connection, looks)
        asked = version()
        try:
            yield connection
        except database.ReadError:
            if version() == asked:
                raise
            raise WithheldError("this version was withdrawn while it was read; the next one is there") from None


def home() -> Home:
    """The home these pages show: APILEDGER_HOME, else `data/`; whoever starts the server chooses."""
    return Home.own()


def version() -> int | None:
    """The newest published version, None before the first."""
    return database.current_version(home())


def answer(question: Question[Asked, Answer], asked: Asked) -> Answer:
    """What `question` answers to `asked` for this viewer, from the newest version.

    Raises WarehouseError while nothing is published, WithheldError while somebody is being erased whom this viewer
    might be shown. What is remembered is forgotten then, so that each is looked at.
    """
    if withholding.is_withheld(home()):
        forget()
    name = f"{question.__module__}.{question.__qualname__}"
    found = _remembered(str(home().root), version(), viewer.current(), name, asked, question)
    return cast("Answer", found)


def once(question: Question[Asked, Answer], asked: Asked, who: Callable[[], Viewer] | None = None) -> Answer:
    """The same without remembering it: for what is asked once and may be large, such as a download.

    `who` is viewer.again() where it is asked after the page's run.
    """
    looks = viewer.current() if who is None else who()
    with _opened(looks) as connection:
        return question(connection, looks, asked)


def forget() -> None:
    """Drop every remembered answer of every home: after an erasure nothing of it may wait in memory."""
    held_version.let_go()
    _remembered.clear()


@st.cache_data(max_entries=_ANSWERS_KEPT, show_spinner=False)
def _remembered(
    root: str,  # noqa: ARG001 - part of the key: two homes in one process never share an answer
    version: int | None,  # noqa: ARG001 - part of the key: an answer lasts as long as its version
    looks: Viewer,
    name: str,  # noqa: ARG001 - part of the key, standing for the function, which Streamlit cannot hash
    asked: object,
    _question: Callable[..., object],
) -> object:
    with _opened(looks) as connection:
        return _question(connection, looks, asked)
