"""A provider's billing API -> raw_<provider>.*: what it says of the days that may have changed, whole or not at all.

Read are whole UTC days: from where the last pull ended, less the provider's look-back window, up to today; once a day
`late_days` back, since what comes later than a provider says is part of the bill, too. A day that says the same again
is not stored again. Each connection is a pull of its own; a key is in clear within its pull alone. What is stored,
and how it heals, stands in `landing.py`.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta

from pipelines.bills import billing_key, delivery, landing, report_reader
from pipelines.bills.bill_boundary import BillBoundary
from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import BillingApi, Clock, is_loopback
from pipelines.bills.landing import Pulled
from pipelines.bills.report_reader import Told, report_name
from pipelines.errors import KeyRefusedError, ProviderError
from warehouse import database
from warehouse.control import bill_file as file_receipts
from warehouse.control import connection as connections
from warehouse.control import consent, coverage, credential, restriction
from warehouse.control import pull as receipts
from warehouse.control.connection import Connection
from warehouse.control.outside_id import OutsideIds
from warehouse.control.pull import ReportDay
from warehouse.control.vault import Vault
from warehouse.errors import BusyError, KeyUnavailableError
from warehouse.home import Home

Progress = Callable[[str, int, int], None]
_RETRY_REFUSED = timedelta(days=1)


def is_connected(home: Home, biller: Biller) -> bool:
    """Whether a key is stored or in the environment; a sandbox asks no one but a server of this machine.

    A source of files is, where a file waits or a folder is named.
    """
    if biller.files is not None:
        return delivery.waits(home, biller.name, biller.files)
    return _may_ask(home, biller) and (bool(billing_key.held(biller)) or bool(_stored(home, biller)))


def _may_ask(home: Home, biller: Biller) -> bool:
    return not home.is_sandbox or is_loopback(billing_key.address(biller))


def _stored(home: Home, biller: Biller) -> list[int]:
    if not home.control_file.exists():
        return []
    with database.control(home) as control:
        return credential.living(control, biller.name)


def pull(
    home: Home,
    biller: Biller,
    now: datetime,
    progress: Progress,
    clock: Clock | None = None,
    connection_no: int | None = None,
) -> Pulled:
    """Pull one provider's reports with the key of the environment, or that of a connection; `now` is UTC.

    ProviderError where it gives no usable answer, nothing was stored then; BusyError where another pull or pass is
    under way. A provider without a key, with one that is another's, or that refused it today, is skipped and said.
    """
    now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    if biller.files is not None:
        return _delivered(home, biller, biller.files, now, progress)
    if connection_no is None and not (billing_key.held(biller) and _may_ask(home, biller)):
        return Pulled(biller.name, skipped=f"{biller.key_variable} is not set")
    if connection_no is None and (unfit := billing_key.wrong(biller, billing_key.held(biller), billers().values())):
        return Pulled(biller.name, skipped=unfit)
    with _alone(home, biller), database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
            ids = OutsideIds(control, vault, now)
            keyed = _keyed(control, vault, ids, biller, connection_no, now)
        if isinstance(keyed, str):
            return Pulled(biller.name, skipped=keyed, connection_no=connection_no)
        pulled = _pull(home, control, vault, ids, biller, *keyed, now, progress, clock)
        pulled.connection_no = connection_no
        if connection_no is not None and pulled.skipped is None:
            credential.note(control, connection_no, "working", now)
        return pulled


def _keyed(
    control: sqlite3.Connection,
    vault: Vault,
    ids: OutsideIds,
    biller: Biller,
    connection_no: int | None,
    now: datetime,
) -> tuple[Connection, str] | str:
    """The connection to pull with its key in clear, or why there is nothing to pull."""
    if connection_no is not None:
        return credential.opened(control, vault, connection_no) or "the connection was removed"
    key = billing_key.held(biller)
    if credential.is_held(control, biller.name, credential.lookup_of(vault, biller.name, key)):
        return f"{biller.key_variable} holds the key of a connection, which reads the bill already"
    return connections.of_environment(control, ids, biller.name, biller.name, now), key


def _pull(
    home: Home,
    control: sqlite3.Connection,
    vault: Vault,
    ids: OutsideIds,
    biller: Biller,
    connection: Connection,
    key: str,
    now: datetime,
    progress: Progress,
    clock: Clock | None,
) -> Pulled:
    number, lookup = connection.connection_no, credential.lookup_of(vault, biller.name, key)
    is_stored = credential.is_held(control, biller.name, lookup, number)
    if held := _held_back(control, connection):
        return Pulled(biller.name, skipped=held)
    refused = connections.refused_since(control, number, lookup)
    # A refusal from tomorrow was noted by a clock that ran ahead.
    if refused is not None and abs(now - refused) < _RETRY_REFUSED:
        return Pulled(biller.name, skipped=f"the key was refused; {billing_key.another(biller, is_stored=is_stored)}")
    with database.held(home.build_lock), database.build(home) as build:
        receipts.lose(control, landing.lost(build, biller, receipts.days(control, number)))
    connection = connections.of_number(control, number)
    known = receipts.days(control, number)
    if biller.is_daily and any(day.read_on == now.date() for day in known):
        return Pulled(biller.name)
    connections.use(control, number, lookup, now)
    try:
        with BillingApi(biller.title, billing_key.address(biller), biller.headers(key), clock) as api:
            api.dialect = coverage.dialect(control, number)
            told = report_reader.read(api, biller, _since(connection, known), known, now, progress)
    except KeyRefusedError as error:
        if not is_stored or credential.is_held(control, biller.name, lookup, number):
            connections.refuse(control, connection, lookup, str(error), now)
            credential.note(control, number, "refused", now)
        raise
    except ProviderError as error:
        connections.skip(control, number, str(error), now)
        raise
    if is_stored and not credential.is_held(control, biller.name, lookup, number):
        return Pulled(biller.name, skipped="the connection was removed while it was read; nothing was stored")
    with database.transaction(control):
        boundary = BillBoundary(ids, vault, connection)
        tables = {report.name: report.table for report in biller.reports}
        told.days = {
            (name, day): boundary.admit(tables[report_name(name)], day, rows) for (name, day), rows in told.days.items()
        }
    return landing.land(home, biller, connection, told, now)


def _delivered(home: Home, biller: Biller, files: delivery.Files, now: datetime, progress: Progress) -> Pulled:
    """Take what has come as files: each bill is landed by itself, and a file goes once all that it holds has landed."""
    given = Pulled(biller.name)
    (report,) = biller.reports
    with _alone(home, biller), database.control(home) as control:
        for connection_no in connections.numbers(control, biller.name):
            with database.held(home.build_lock), database.build(home) as build:
                lost = landing.lost(build, biller, receipts.days(control, connection_no))
            if lost:
                receipts.lose(control, lost)
                file_receipts.forget(control, biller.name)
        for one in delivery.deliveries(home, biller.name, files, control, now, progress):
            for (provider, payer), days in one.bills.items():
                if connections.numbers(control, provider):
                    one.notes.append(f"the bill of {provider} is read from its API, so its lines here were not counted")
                    continue
                with database.transaction(control):
                    vault = Vault(control, now)
                    ids = OutsideIds(control, vault, now)
                    connection = connections.of_bill(control, ids, biller.name, provider, payer, now)
                    boundary = BillBoundary(ids, vault, connection)
                    told = Told(read_until=max(days) + timedelta(days=1))
                    for day, (rows, _) in days.items():
                        told.days[report.name, day] = boundary.admit(report.table, day, rows)
                parts = {(report.name, day): parts for day, (_, parts) in days.items()}
                landed = landing.land(home, biller, connection, told, now, parts)
                given.days += landed.days
                given.new_days += landed.new_days
                given.rows += landed.rows
            one.sign(control, now)
            given.notes += one.notes
    return given


def _held_back(control: sqlite3.Connection, connection: Connection) -> str | None:
    """Why a connection may not be read by the rights of its account; None where it may."""
    if consent.is_withdrawn(control, connection.connection_no):
        return "the account has withdrawn its consent to this connection; it is not read"
    if connection.account_no in restriction.numbers(control):
        return "the account's data is restricted; it is read again once that is lifted"
    return None


def pull_all(home: Home, now: datetime, progress: Progress) -> list[Pulled]:
    """Pull every connection of every account; one that fails is skipped and said, the others land."""
    return [
        pulled
        for biller in billers().values()
        if is_connected(home, biller)
        for pulled in pull_each(home, biller, now, progress)
    ]


def pull_each(home: Home, biller: Biller, now: datetime, progress: Progress) -> list[Pulled]:
    """Pull one provider: each connection with its own stored key, and then with the environment's."""
    stored = _stored(home, biller) if _may_ask(home, biller) else []
    numbers = [*stored, *([None] if billing_key.held(biller) or not stored else [])]
    return [pull_or_say(home, biller, now, progress, number) for number in numbers]


def pull_or_say(
    home: Home, biller: Biller, now: datetime, progress: Progress, connection_no: int | None = None
) -> Pulled:
    """Pull one provider with one key; why there was nothing stands in `skipped`."""
    try:
        return pull(home, biller, now, progress, connection_no=connection_no)
    except (ProviderError, BusyError) as error:
        return Pulled(biller.name, skipped=str(error), connection_no=connection_no)
    except KeyUnavailableError as error:
        if connection_no is None:
            raise
        return Pulled(biller.name, skipped=str(error), connection_no=connection_no)


def _alone(home: Home, biller: Biller) -> AbstractContextManager[None]:
    """Two pulls of one provider would tell its days twice."""
    return database.held(home.build_lock.with_name(f"pull-lock-{biller.name}"), patience_s=5)


def _since(connection: Connection, known: list[ReportDay]) -> dict[str, date]:
    """From which day on each report is due: after its last day, or where the connection went back to."""
    ends: dict[str, date] = {}
    for day in known:
        ends[day.report] = max(day.day + timedelta(days=1), ends.get(day.report, day.day))
    return {
        name: end if connection.read_until is None else min(end, connection.read_until) for name, end in ends.items()
    }
