"""One whole pass through the house: bills and inboxes -> raw -> models -> conservation -> a new version.

What `apiledger run` does in the foreground and Dagster's assets do step by step. It is taken up where it broke off, and
does nothing twice. An erasure goes first, also before a pass that is under way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

import duckdb

from pipelines import erasing
from pipelines.backups import swap
from pipelines.bills import pull
from pipelines.bills.biller import inboxes
from pipelines.bills.landing import Pulled
from pipelines.gateways import ingest, watch
from pipelines.gateways.provider import gateways
from pipelines.materialization import build, build_credits, build_fees, landed
from pipelines.payments import booking
from pipelines.payments import pull as payments
from pipelines.prices import reprice
from warehouse import compared, conservation, database, mart, publication
from warehouse.control import claim_rule, pass_end, upstream_claim
from warehouse.errors import BusyError, WarehouseError
from warehouse.home import Home

Progress = Callable[[str, int, int], None]


@dataclass
class PassReport:
    """What a pass did: what gateways and providers gave, what was modelled, the version published (None: none).

    `gave_way` counts the erasures that landing, modelling and publishing let go first.
    """

    watched: list[watch.Collected] = field(default_factory=list)
    ingested: list[ingest.Ingested] = field(default_factory=list)
    pulled: list[Pulled] = field(default_factory=list)
    paid: payments.Paid = field(default_factory=payments.Paid)
    built: build.Built = field(default_factory=build.Built)
    version: int | None = None
    gave_way: int = 0


def run_pass(home: Home, now: datetime, progress: Progress) -> PassReport:
    """Pull the bills, visit what is watched, take in every inbox, model the dirty days, check them, publish.

    `now` is UTC. Raises BusyError where another pass is under way; RowsMissingError and ConservationError where what
    is stored is not what was read, and nothing was published. How it ended is written down, but for a busy one.
    """
    began = monotonic()
    try:
        report = _passed(home, now, progress)
    except BusyError:
        raise
    except Exception:
        # What broke the pass off may keep this from being written, too: it is what is told.
        with suppress(database.ControlError, OSError, WarehouseError):
            _ended(home, now, began, is_good=False)
        raise
    _ended(home, now, began, is_good=True)
    return report


def _ended(home: Home, now: datetime, began: float, *, is_good: bool) -> None:
    with database.control(home) as control:
        pass_end.note(control, _utc(now), is_good=is_good, took=timedelta(seconds=monotonic() - began))


def _passed(home: Home, now: datetime, progress: Progress) -> PassReport:
    home.make((*gateways(), *inboxes()))
    report = PassReport()
    erasing.resume(home, now, progress, restored=True)
    # Asked before anything is landed.
    untouched = publication.is_build(home)
    report.pulled = pull.pull_all(home, now, progress)
    report.paid = payments.pull_or_say(home, _utc(now), progress)
    for gateway in gateways().values():
        report.watched += watch.collect(home, gateway, now, progress)
        report.ingested.append(ingest.ingest(home, gateway, now, progress))
    report.gave_way = sum(taken.gave_way for taken in report.ingested)
    while not _published(home, now, progress, report, untouched=untouched):
        report.gave_way += 1
        progress(erasing.GAVE_WAY, 1, 1)
    report.gave_way += report.built.gave_way
    return report


def _published(home: Home, now: datetime, progress: Progress, report: PassReport, *, untouched: bool) -> bool:
    """Model, and publish where anything is new; False where an erasure came before that.

    `untouched`: before this pass, the build was the newest version.
    """
    with modelling(home, now, progress, report.built) as connection:
        if not publication.due(home, connection):
            publication.mend(home)
            return True
        with database.control(home) as control:
            months = compared.months_since(control, connection) if untouched else None
        conservation.hold(connection, months)
        if erasing.is_waited_for(home):
            return False
        build_credits.deduct(home, connection, _utc(now))
        progress("publishing", 0, 1)
        report.version = publication.publish(home, connection, now, progress=progress)
        with database.control(home) as control:
            compared.note(control, connection)
        progress("publishing", 1, 1)
        return True


@contextmanager
def modelling(home: Home, now: datetime, progress: Progress, built: build.Built) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build, held, with everything made that changed, which `built` counts; erasures go before it and between.

    `now` is UTC. RowsMissingError where rows are gone that were signed for.
    """
    while True:
        with erasing.build_after(home, now, progress) as connection:
            with database.control(home) as control:
                landed.hold(connection, control)
            made = modelled(home, connection, now, progress)
            built.take_in(made)
            if not made.gave_way:
                yield connection
                return
        progress(erasing.GAVE_WAY, 1, 1)


def modelled(home: Home, connection: duckdb.DuckDBPyConnection, now: datetime, progress: Progress) -> build.Built:
    """Make everything that changed: fees first, since calls they pay for cost nothing, and last what is invoiced.

    Labels and upstreams that came up and that a rule or a connection claims are theirs before anybody sees them.

    `connection` is the build, held; `now` is UTC.
    """
    with database.control(home) as control:
        claim_rule.follow(control, now)
        upstream_claim.follow(control, _utc(now))
    today = _utc(now).date()
    gives_way = partial(erasing.is_waited_for, home)
    anew = reprice.asked(home, connection, _utc(now), progress, gives_way)
    covered = build_fees.build_plans(home, connection, today)
    built = build.build(home, connection, progress, {*anew, *covered}, gives_way)
    build_fees.build_invoices(home, connection)
    booking.book(home, connection, _utc(now))
    build_credits.build_credits(home, connection, today)
    return built


def _utc(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now


def make_home(home: Home, now: datetime, *, sandbox: bool = False) -> Home:
    """Make a home and give it an empty first version, so that every reader finds its tables at once.

    A restore that was killed on its last steps is ended first.
    """
    swap.heal(home)
    home.make((*gateways(), *inboxes()), sandbox=sandbox)
    if database.current_version(home) is None:
        with database.held(home.build_lock), database.build(home) as connection:
            mart.create(connection)
            publication.publish(home, connection, now)
    return home
