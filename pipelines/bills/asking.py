"""Connections that are asked a few at a time: who waits for one provider's answer asks for the next key meanwhile.

A key is in clear from the moment its connection is asked until that has answered, and a few of them at most are.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from queue import Empty, SimpleQueue

from pipelines.bills import billing_key, report_reader
from pipelines.bills.biller import Biller
from pipelines.bills.billing_api import BillingApi, Clock
from pipelines.bills.report_reader import Progress, Told
from pipelines.errors import ProviderError
from warehouse.control.connection import Connection
from warehouse.control.pull import ReportDay

# Each is another organisation's key, with a limit of its own; what they answer is held in memory together.
MOST_AT_ONCE = 4
# What was read is not kept waiting for longer by one that is slow.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Question:
    """A connection that is asked: its key's keyed hash, and what is known of it."""

    connection: Connection
    connection_no: int | None
    lookup: bytes
    known: list[ReportDay]
    dialect: str | None

    @property
    def is_stored(self) -> bool:
        """Whether the key is a stored one, not the environment's."""
        return self.connection_no is not None


# With its key in clear, which nobody keeps.
Keyed = tuple[Question, str]
Answer = tuple[Question, Told | ProviderError]
_Ask = Callable[[Question, str, Progress, Clock], Told]


class _StoppedError(ProviderError):
    """Nobody waits for the answer any more."""


def answers(
    biller: Biller, questions: Iterator[Keyed], now: datetime, progress: Progress, clock: Clock | None, *, many: bool
) -> Iterator[Answer | None]:
    """What each was told, or why it was not, as they come; None where none came for a while.

    A question is taken when there is room for it. A single one is asked in the caller's own thread.
    """
    if many:
        yield from _at_once(questions, lambda one, key, go_on, kept: _ask(biller, one, key, now, go_on, kept))
        return
    for one, key in questions:
        try:
            told: Told | ProviderError = _ask(biller, one, key, now, progress, clock)
        except ProviderError as error:
            told = error
        yield one, told


class _Askers:
    """Threads that ask, one a question, and what they came back with."""

    def __init__(self, ask: _Ask) -> None:
        self._ask = ask
        self._came: SimpleQueue[tuple[Question, Told | BaseException]] = SimpleQueue()
        self._stopped = threading.Event()
        self.under_way = 0

    def start(self, one: Question, key: str) -> None:
        # A process that ends does not wait for a provider.
        threading.Thread(target=self._work, args=(one, key), daemon=True).start()
        self.under_way += 1

    def wait(self) -> Answer | None:
        try:
            one, told = self._came.get(timeout=PATIENCE_S)
        except Empty:
            return None
        self.under_way -= 1
        if isinstance(told, BaseException) and not isinstance(told, ProviderError):
            raise told
        return one, told

    def stop(self) -> None:
        self._stopped.set()

    def _work(self, one: Question, key: str) -> None:
        try:
            self._came.put((one, self._ask(one, key, self._go_on, Clock(sleep=self._sleep))))
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            self._came.put((one, error))

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _go_on(self, *_: object) -> None:
        if self._stopped.is_set():
            raise _StoppedError("the pull was stopped")


def _at_once(questions: Iterator[Keyed], ask: _Ask) -> Iterator[Answer | None]:
    askers = _Askers(ask)
    try:
        for one, key in questions:
            askers.start(one, key)
            while askers.under_way >= MOST_AT_ONCE:
                yield askers.wait()
        while askers.under_way:
            yield askers.wait()
    finally:
        askers.stop()


def _ask(biller: Biller, one: Question, key: str, now: datetime, progress: Progress, clock: Clock | None) -> Told:
    address, headers = billing_key.address(biller), biller.headers(key)
    with BillingApi(biller.title, address, headers, clock, organisation_header=biller.organisation_header) as api:
        api.dialect = one.dialect
        return report_reader.read(api, biller, _since(one.connection, one.known), one.known, now, progress)


def _since(connection: Connection, known: list[ReportDay]) -> dict[str, date]:
    """From which day on each report is due: after its last day, or where the connection went back to."""
    ends: dict[str, date] = {}
    for day in known:
        ends[day.report] = max(day.day + timedelta(days=1), ends.get(day.report, day.day))
    return {
        name: end if connection.read_until is None else min(end, connection.read_until) for name, end in ends.items()
    }
