"""Bills that came as files -> raw_<source>.*: a delivery's files go once all that it holds has landed."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from pipelines import erasing
from pipelines.bills import bill_bounds, delivery, landing
from pipelines.bills.bill_boundary import BillBoundary
from pipelines.bills.biller import Biller
from pipelines.bills.delivery import Bills, Delivery, Files
from pipelines.bills.landing import Landing, Pulled
from pipelines.bills.report_reader import Progress, Told
from pipelines.errors import ProviderError
from warehouse import database
from warehouse.control import bill_file as file_receipts
from warehouse.control import connection as connections
from warehouse.control import pull as receipts
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import Home

# Rows of bills that land together; one payer's bill lands as a whole.
_MOST_ROWS = 20_000


def pull(home: Home, biller: Biller, files: Files, now: datetime, progress: Progress) -> Pulled:
    """Take what has come; the caller holds the source's lock. ProviderError as `delivery.deliveries`.

    GaveWayError where an erasure waits: bills that landed stay, their delivery is read again.
    """
    given = Pulled(biller.name)
    with database.control(home) as control:
        numbers = connections.numbers(control, biller.name)
        if numbers:
            with database.held(home.build_lock), database.build(home) as build:
                lost = landing.lost(build, biller, [day for no in numbers for day in receipts.days(control, no)])
            if lost:
                receipts.lose(control, lost)
                file_receipts.forget(control, biller.name)
        for one in delivery.deliveries(home, biller.name, files, control, now, progress):
            for bills in _some(one.bills):
                erasing.give_way(home, control)
                for landed in _landed(home, biller, bills, one, now):
                    if isinstance(landed, ProviderError):
                        raise landed
                    given.days += landed.days
                    given.new_days += landed.new_days
                    given.rows += landed.rows
                    given.refused_days += landed.refused_days
                    given.notes += [note for note in landed.notes if note not in given.notes]
            one.sign(control, now)
            given.notes += one.notes
    return given


def _some(bills: Bills) -> Iterator[Bills]:
    """Bills that land in one load."""
    some: Bills = {}
    held = 0
    for payer, days in bills.items():
        rows = sum(len(rows) for rows, _ in days.values())
        if some and held + rows > _MOST_ROWS:
            yield some
            some, held = {}, 0
        some[payer] = days
        held += rows
    if some:
        yield some


def _landed(home: Home, biller: Biller, bills: Bills, one: Delivery, now: datetime) -> list[Pulled | ProviderError]:
    (report,) = biller.reports
    landings = []
    with database.held(home.build_lock), database.build(home) as build, database.control(home) as control:
        with database.transaction(control):
            vault = Vault(control, now)
            ids = OutsideIds(control, vault, now)
            for (provider, payer), days in bills.items():
                if connections.numbers(control, provider):
                    one.notes.append(f"the bill of {provider} is read from its API, so its lines here were not counted")
                    continue
                connection = connections.of_bill(control, ids, biller.name, provider, payer, now)
                boundary = BillBoundary(ids, vault, connection)
                odd = one.odd.get((provider, payer), {})
                told = Told(read_until=max((*days, *odd)) + timedelta(days=1), organisation=payer)
                # Of a day that has no other row, what was told before stays, whichever part of the bill it is of.
                nothing: dict[date, tuple[list[dict[str, Any]], frozenset[str]]]
                nothing = {day: ([], frozenset()) for day in odd}
                each = nothing | days
                told.days = {(report.name, day): rows for day, (rows, _) in each.items()}
                told.held_back = {(report.name, day): reasons for day, reasons in odd.items()}
                bill_bounds.bound(control, vault, connection, told, now)
                for name, day in told.days:
                    told.days[name, day] = boundary.admit(report.table, day, told.days[name, day])
                parts = {(name, day): each[day][1] for name, day in told.days}
                known = receipts.days(control, connection.connection_no)
                landings.append(Landing(connection, told, known, parts))
        return landing.land(build, control, home, biller, landings, now)
