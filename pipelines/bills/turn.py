"""A turn of pulls: some connections of one provider, asked one beside the other and landed together.

What each may be asked is looked up first; its key is opened when it is asked. One that fails stops no other. Between
an answer and its landing, the connection may have been removed, or its account restricted: it is looked at again.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pipelines import erasing
from pipelines.bills import asking, bill_bounds, billing_key, landing
from pipelines.bills.asking import Keyed, Question
from pipelines.bills.bill_boundary import BillBoundary
from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import Clock, is_loopback
from pipelines.bills.landing import Landing, Pulled
from pipelines.bills.report_reader import Progress, Told, report_name
from pipelines.errors import GaveWayError, KeyRefusedError, ProviderError
from warehouse import database
from warehouse.control import connection as connections
from warehouse.control import consent, coverage, credential, restriction
from warehouse.control import pull as receipts
from warehouse.control.connection import Connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.errors import BusyError, KeyUnavailableError
from warehouse.home import Home

_RETRY_REFUSED = timedelta(days=1)
# Rows that wait in memory to be landed; what one connection told is landed as a whole.
_MOST_ROWS = 20_000
# Why a connection gave nothing, where that is an error.
Failure = ProviderError | BusyError | KeyUnavailableError
# By stored connection; None is the environment's key.
Found = dict[int | None, Pulled | Failure]


@dataclass(frozen=True)
class _Due:
    """A connection that may be asked, whose key is still sealed."""

    connection_no: int | None
    number: int
    lookup: bytes


def may_ask(home: Home, biller: Biller) -> bool:
    """Whether a provider may be asked; a sandbox asks no one but a server of this machine."""
    return not home.is_sandbox or is_loopback(billing_key.address(biller))


def alone(home: Home, biller: Biller) -> AbstractContextManager[None]:
    """Two pulls of one provider would tell its days twice."""
    return database.held(home.build_lock.with_name(f"pull-lock-{biller.name}"), patience_s=5)


def pull(
    home: Home,
    biller: Biller,
    numbers: Sequence[int | None],
    now: datetime,
    progress: Progress,
    clock: Clock | None = None,
) -> Found:
    """Pull some connections of a provider: what each gave, or why not. BusyError where another pull is under way.

    Of those that are to be asked again, since an erasure waits, nothing is said.
    """
    if None in numbers and (unfit := _unfit(home, biller)):
        others = [number for number in numbers if number is not None]
        rest = pull(home, biller, others, now, progress, clock) if others else {}
        return {**rest, None: Pulled(biller.name, skipped=unfit)}
    with alone(home, biller), database.control(home) as control:
        found: Found = {}
        due = _due(control, biller, numbers, found, now)
        if due:
            biller = _looked_at(home, control, biller, due)
            _ask(home, control, biller, due, found, now, progress, clock)
    return found


def _unfit(home: Home, biller: Biller) -> str | None:
    """Why the environment's key is not to be used; None where it is."""
    key = billing_key.held(biller)
    if not (key and may_ask(home, biller)):
        return f"{biller.key_variable} is not set"
    return billing_key.wrong(biller, key, billers().values())


def _due(
    control: sqlite3.Connection, biller: Biller, numbers: Sequence[int | None], found: Found, now: datetime
) -> list[_Due]:
    """Those that may be asked; of the others, `found` says why."""
    due = []
    for connection_no in numbers:
        try:
            one = _looked_up(control, biller, connection_no, now)
        except KeyUnavailableError as error:
            found[connection_no] = error
            continue
        if isinstance(one, _Due) and (held := _held_back(control, biller, one, now)):
            one = held
        if isinstance(one, _Due):
            due.append(one)
        else:
            found[connection_no] = Pulled(biller.name, skipped=one, connection_no=connection_no)
    return due


def _looked_up(control: sqlite3.Connection, biller: Biller, connection_no: int | None, now: datetime) -> _Due | str:
    if connection_no is not None:
        lookup = credential.living_lookup(control, connection_no)
        return _Due(connection_no, connection_no, lookup) if lookup else "the connection was removed"
    with database.transaction(control):
        vault = Vault(control, now)
        lookup = credential.lookup_of(vault, biller.name, billing_key.held(biller))
        if credential.is_held(control, biller.name, lookup):
            return f"{biller.key_variable} holds the key of a connection, which reads the bill already"
        ids = OutsideIds(control, vault, now)
        number = connections.of_environment(control, ids, biller.name, biller.name, now).connection_no
    return _Due(None, number, lookup)


def _held_back(control: sqlite3.Connection, biller: Biller, one: _Due, now: datetime) -> str | None:
    """Why a connection may not be asked now; None where it may."""
    if withheld := _withheld(control, connections.of_number(control, one.number)):
        return withheld
    refused = connections.refused_since(control, one.number, one.lookup)
    # A refusal from tomorrow was noted by a clock that ran ahead.
    if refused is not None and abs(now - refused) < _RETRY_REFUSED:
        is_stored = one.connection_no is not None
        return f"the key was refused; {billing_key.another(biller, is_stored=is_stored)}"
    return None


def _withheld(control: sqlite3.Connection, connection: Connection) -> str | None:
    """Why a connection may not be read by the rights of its account; None where it may."""
    if consent.is_withdrawn(control, connection.connection_no):
        return "the account has withdrawn its consent to this connection; it is not read"
    if connection.account_no in restriction.numbers(control):
        return "the account's data is restricted; it is read again once that is lifted"
    return None


def _looked_at(home: Home, control: sqlite3.Connection, biller: Biller, due: list[_Due]) -> Biller:
    """Look for days that were lost; gives the provider with the window that was measured of it."""
    with database.held(home.build_lock), database.build(home) as build:
        biller = biller.as_measured(build)
        lost = landing.lost(build, biller, [day for one in due for day in receipts.days(control, one.number)])
    if lost:
        receipts.lose(control, lost)
    return biller


def _ask(
    home: Home,
    control: sqlite3.Connection,
    biller: Biller,
    due: list[_Due],
    found: Found,
    now: datetime,
    progress: Progress,
    clock: Clock | None,
) -> None:
    waiting: list[tuple[Question, Told]] = []
    questions, many, answered = _questions(control, biller, due, found, now), len(due) > 1, 0
    give_way = partial(erasing.give_way, home, control)
    clock = clock or Clock(sleep=partial(erasing.sleep, home, control))

    def go_on(what: str, done: int, total: int) -> None:
        if done < total:
            give_way()
        progress(what, done, total)

    with suppress(GaveWayError), closing(asking.answers(biller, questions, now, go_on, clock, many=many)) as answers:
        for answer in answers:
            if answer is not None:
                one, told = answer
                if isinstance(told, Told):
                    waiting.append((one, told))
                else:
                    _note_failure(control, biller, one, told, now)
                    found[one.connection_no] = told
                answered += 1
                if many:
                    progress(f"asking {biller.name}", answered, len(due))
            if answer is None or sum(len(rows) for _, told in waiting for rows in told.days.values()) > _MOST_ROWS:
                found |= _landed(home, control, biller, waiting, now)
                waiting = []
            if answered < len(due):
                give_way()
    found |= _landed(home, control, biller, waiting, now)


def _questions(
    control: sqlite3.Connection, biller: Biller, due: list[_Due], found: Found, now: datetime
) -> Iterator[Keyed]:
    """Each connection with its key in clear, when there is room to ask it; of those without, `found` says why."""
    for one in due:
        try:
            with database.transaction(control):
                key = _opened(control, biller, one, now)
                known = receipts.days(control, one.number) if key else []
                is_read = biller.is_daily and any(day.read_on == now.date() for day in known)
                if key and not is_read:
                    connections.use(control, one.number, one.lookup, now)
                elif key and one.connection_no is not None:
                    credential.note(control, one.connection_no, "working", now)
        except KeyUnavailableError as error:
            found[one.connection_no] = error
            continue
        if key and not is_read:
            connection = connections.of_number(control, one.number)
            dialect = coverage.dialect(control, one.number)
            yield Question(connection, one.connection_no, one.lookup, known, dialect), key
        else:
            skipped = None if key else "the connection was removed"
            found[one.connection_no] = Pulled(biller.name, skipped=skipped, connection_no=one.connection_no)


def _opened(control: sqlite3.Connection, biller: Biller, one: _Due, now: datetime) -> str | None:
    if one.connection_no is None:
        return billing_key.held(biller)
    opened = credential.opened(control, Vault(control, now), one.connection_no)
    return opened[1] if opened else None


def _note_failure(
    control: sqlite3.Connection, biller: Biller, one: Question, error: ProviderError, now: datetime
) -> None:
    number = one.connection.connection_no
    if not isinstance(error, KeyRefusedError):
        connections.skip(control, number, str(error), now)
    elif not one.is_stored or credential.is_held(control, biller.name, one.lookup, number):
        connections.refuse(control, one.connection, one.lookup, str(error), now)
        credential.note(control, number, "refused", now)


def _landed(
    home: Home, control: sqlite3.Connection, biller: Biller, waiting: list[tuple[Question, Told]], now: datetime
) -> Found:
    if not waiting:
        return {}
    found: Found = {}
    try:
        with database.held(home.build_lock), database.build(home) as build:
            landings = _admitted(control, biller, waiting, found, now)
            landed = landing.land(build, control, home, biller, list(landings.values()), now)
    except (ProviderError, BusyError, KeyUnavailableError) as error:
        return {one.connection_no: error for one, _ in waiting}
    with database.transaction(control):
        for connection_no, pulled in zip(landings, landed, strict=True):
            found[connection_no] = pulled
            if isinstance(pulled, Pulled) and connection_no is not None:
                pulled.connection_no = connection_no
                credential.note(control, connection_no, "working", now)
            elif not isinstance(pulled, Pulled):
                connections.skip(control, landings[connection_no].connection.connection_no, str(pulled), now)
    return found


def _admitted(
    control: sqlite3.Connection,
    biller: Biller,
    waiting: list[tuple[Question, Told]],
    found: Found,
    now: datetime,
) -> dict[int | None, Landing]:
    """What was told, its ids in our numbers; of a connection that may not be read any more, `found` says so."""
    tables = {report.name: report.table for report in biller.reports}
    landings: dict[int | None, Landing] = {}
    with database.transaction(control):
        vault = Vault(control, now)
        ids = OutsideIds(control, vault, now)
        for one, told in waiting:
            is_gone = one.is_stored and not credential.is_held(
                control, biller.name, one.lookup, one.connection.connection_no
            )
            why = (
                "the connection was removed while it was read; nothing was stored"
                if is_gone
                else _withheld(control, one.connection)
            )
            if why:
                found[one.connection_no] = Pulled(biller.name, skipped=why, connection_no=one.connection_no)
                continue
            bill_bounds.bound(control, vault, one.connection, told, now, key=one.lookup)
            boundary = BillBoundary(ids, vault, one.connection)
            told.days = {
                (name, day): boundary.admit(tables[report_name(name)], day, rows)
                for (name, day), rows in told.days.items()
            }
            landings[one.connection_no] = Landing(one.connection, told, one.known)
    return landings
