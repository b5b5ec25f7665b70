"""What a pull asks of a provider: which reports, from which day on, in which dialect, and what the key may not read.

A report that was never read is read from as far back as the provider tells, also where others of its connection were
read for long: after an upgrade that reads more, and after a key was allowed more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.bills import odd_row
from pipelines.bills.biller import FIRST_BACKFILL_DAYS, Biller, Report
from pipelines.bills.billing_api import BillingApi
from pipelines.bills.odd_row import OddRow
from pipelines.errors import PathRefusedError, ProviderError, UnknownRequestError
from warehouse.control.pull import ReportDay

Progress = Callable[[str, int, int], None]
Days = dict[tuple[str, date], list[dict[str, Any]]]
LEFT_OUT, LOST_DAYS = "left out: ", "lost days: "


@dataclass
class Told:
    """What a provider told: rows by report and day, the day up to which all its reports were read, what to say of it.

    A snapshot of a balance is a report of its own each hour: balance.13. `organisation` is the provider's id of whose
    bill it is, as it tells it with an answer; `refused_days` counts days that an erasure keeps from landing.
    `held_back` says of each day with rows that cannot be read why, one each; so it does of a day that may have some.
    """

    days: Days = field(default_factory=dict)
    held_back: dict[tuple[str, date], list[OddRow]] = field(default_factory=dict)
    read_until: date | None = None
    dialect: str | None = None
    organisation: str | None = None
    refused_days: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    refused: list[PathRefusedError] = field(default_factory=list)


def report_name(name: str) -> str:
    """The report that a told day is of, without the hour of a snapshot."""
    return name.partition(".")[0]


def read(
    api: BillingApi,
    biller: Biller,
    since: Mapping[str, date],
    known: Sequence[ReportDay],
    now: datetime,
    progress: Progress,
) -> Told:
    """Read every report, each from its day in `since` on; snapshots whose hour is `known` are not taken again.

    KeyRefusedError where the key may read none of them, ProviderError where an answer is not usable. A dialect that the
    key may no longer read is found anew, once.
    """
    if biller.probe is None:
        return _read(api, biller, since, known, now, progress)
    remembered = api.dialect
    if remembered is None:
        api.dialect = biller.probe(api)
        return _read(api, biller, since, known, now, progress)
    try:
        told = _read(api, biller, since, known, now, progress)
    except (PathRefusedError, UnknownRequestError):
        told = Told(refused=[PathRefusedError()])
    if told.refused and (found := biller.probe(api)) != remembered:
        api.dialect = found
        api.notes.clear()
    elif told.days:
        return told
    return _read(api, biller, since, known, now, progress)


def _read(
    api: BillingApi,
    biller: Biller,
    since: Mapping[str, date],
    known: Sequence[ReportDay],
    now: datetime,
    progress: Progress,
) -> Told:
    told = Told(dialect=api.dialect)
    today = now.date()
    # What could not be read of a balance may be told otherwise within the hour.
    looked = {(day.report, day.day) for day in known if not day.lacks}
    ends: list[date] = []
    for number, report in enumerate(biller.reports):
        progress(f"asking {biller.name}", number, len(biller.reports))
        try:
            if report.kind == "balance":
                name = f"{report.name}.{now:%H}"
                if (name, today) not in looked:
                    _days(api, biller, report, name, today, today + timedelta(days=1), told)
                continue
            first = _first(api, biller, report, since.get(report.name), known, today)
            days = _days(api, biller, report, report.name, first, today, told)
        except PathRefusedError as error:
            told.refused.append(error)
            api.notes[LEFT_OUT + report.name] = f"{report.table.name} is left out: {error}"
            continue
        ends.append(max(days, default=first - timedelta(days=1)) + timedelta(days=1))
    progress(f"asking {biller.name}", len(biller.reports), len(biller.reports))
    if told.refused and len(told.refused) == len(biller.reports):
        raise told.refused[0]
    told.read_until = min(ends, default=None)
    told.notes = dict(api.notes)
    told.organisation = api.organisation
    return told


def _first(
    api: BillingApi, biller: Biller, report: Report, since: date | None, known: Sequence[ReportDay], today: date
) -> date:
    """The first day to ask for; `late_days` back where no day before those asked for each time was read today.

    So far back goes a day with rows that could not be read, too: they may be other ones, or this a newer program.
    """
    reach = biller.reach_days or FIRST_BACKFILL_DAYS
    earliest = today - timedelta(days=reach)
    if since is None:
        return earliest
    if biller.reach_days is not None and since < earliest:
        api.notes[f"{LOST_DAYS}{report.name} from {since}"] = (
            f"{report.table.name} of {since} to {earliest - timedelta(days=1)} is lost: {biller.title} tells of the"
            f" last {reach} days alone, and nothing was read of it in time"
        )
    first = min(since, today) - timedelta(days=biller.lookback_days)
    if not any(day.report == report.name and day.day < first and day.read_on == today for day in known):
        odd = (day.day for day in known if day.report == report.name and day.lacks and day.day >= earliest)
        first = min(first, today - timedelta(days=biller.late_days), *odd)
    return first if biller.reach_days is None else max(first, earliest)


def _days(
    api: BillingApi, biller: Biller, report: Report, name: str, first: date, after: date, told: Told
) -> dict[date, list[dict[str, Any]]]:
    """A report's days, each once and without a gap, put into `told`; ProviderError where they are of another form."""
    days: dict[date, list[dict[str, Any]]] = {}
    held_back: dict[tuple[str, date], list[OddRow]] = {}
    try:
        for day, rows in report.read(api, first, after):
            if day in days or not first <= day < after:
                raise ProviderError(f"{biller.title}: a day twice or one not asked for; nothing was stored")
            days[day], odd = odd_row.parted(report.table, rows)
            if odd:
                held_back[name, day] = odd
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise ProviderError(
            f"{biller.title}: {report.table.name} has another form than documented; nothing was stored"
        ) from None
    if days and (max(days) - min(days)).days + 1 != len(days):
        raise ProviderError(f"{biller.title}: {report.table.name} leaves out a day; nothing was stored")
    told.days |= {(name, day): rows for day, rows in days.items()}
    told.held_back |= held_back
    return days
