"""An explicit reprice: which days would cost something else by what is known now, and making them cost that.

Days whose calls are known are priced call by call, sealed ones too; raw rows are not needed. A day whose calls have
expired is closed: its hours and days are the books, so it stays, and what it would cost is only shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

import duckdb
import polars as pl

from pipelines import erasing
from pipelines.errors import GaveWayError
from pipelines.materialization import build
from warehouse import conservation, database, frame, money, publication, sealing, tables
from warehouse.control import reprice_wish
from warehouse.home import Home
from warehouse.models import change, repriced_daily, usage_daily, usage_hourly, usage_tag_daily
from warehouse.price_tables import REPRICE
from warehouse.prices import PriceBook

Progress = Callable[[str, int, int], None]
_ASKED = ("request_no", "requested_at", "provider", "model", "service_tier", "region", "input_tokens")
_THEN = "(list_cost_usd * 1000000000000)::BIGINT AS list_then"


@dataclass(frozen=True)
class Change:
    """What one day's calls of one model cost and would cost; None where no price was or is known."""

    day: date
    model: str
    requests: int
    old_usd: Decimal | None
    new_usd: Decimal | None
    is_closed: bool = False


@dataclass(frozen=True)
class Stretch:
    """Days that are priced anew, both included: of which model (None: all), with what was known when (naive UTC)."""

    first: date
    last: date
    model: str | None
    known_at: datetime


@dataclass
class _Run:
    """How far a reprice is: what is done stays done while an erasure goes first."""

    done: set[date] = field(default_factory=set)
    changed: list[Change] = field(default_factory=list)
    is_noted: bool = False


def changes(home: Home, first: date, last: date, model: str | None, now: datetime, progress: Progress) -> list[Change]:
    """What a reprice of these days would change; closed days come last. Changes nothing.

    An erasure goes first, and what was found until then is looked for again.
    """
    listed_now = PriceBook.of_home(home.root)
    while True:
        try:
            with erasing.build_after(home, now, progress) as connection:
                return _would_change(home, connection, listed_now, (first, last), model)
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)


def _would_change(
    home: Home, connection: duckdb.DuckDBPyConnection, listed_now: PriceBook, days: tuple[date, date], model: str | None
) -> list[Change]:
    found: list[Change] = []
    for day in _days(connection, *days):
        erasing.give_way(home)
        found += _told(day, _changed(connection, listed_now, day, model))
    closed = sealing.closed_days(connection)
    for day, name, requests, old, new in repriced_daily.closed_changes(connection, listed_now, closed):
        if days[0] <= day <= days[1] and model in {None, name}:
            found.append(Change(day, name, requests, old, new, is_closed=True))
    return found


def run(home: Home, first: date, last: date, model: str | None, now: datetime, progress: Progress) -> int | None:
    """Price the days anew, one transaction a day, and publish; the version, None where nothing was to be published.

    `now` (naive UTC) is the moment whose knowledge prices these days from now on, also where late rows make them anew.
    An erasure that begins meanwhile goes first, and the days that are left come after it. Broken off, it is asked for
    again: days that are done stay. Raises what a pass raises.
    """
    listed_now, stretch, far = PriceBook.of_home(home.root), Stretch(first, last, model, now), _Run()
    gives_way = partial(erasing.is_waited_for, home)
    while True:
        try:
            with erasing.build_after(home, now, progress) as connection:
                if not _priced(connection, listed_now, stretch, far, progress, gives_way):
                    erasing.give_way(home)
                repriced_daily.refresh(connection, listed_now, {one.day for one in far.changed})
                built = build.build(home, connection, progress, gives_way=gives_way)
                if built.gave_way:
                    erasing.give_way(home)
                if not publication.due(home, connection):
                    return None
                conservation.hold(connection)
                erasing.give_way(home)
                return publication.publish(home, connection, now)
        except GaveWayError:
            progress(erasing.GAVE_WAY, 1, 1)


def asked(
    home: Home, connection: duckdb.DuckDBPyConnection, now: datetime, progress: Progress, gives_way: Callable[[], bool]
) -> set[date]:
    """Price anew what was asked for on a page, in a pass; the days that changed. What gives way is asked for still.

    `connection` is the build, held; `now` is naive UTC.
    """
    with database.control(home) as control:
        wishes = reprice_wish.listed(control)
    listed_now, days = PriceBook.of_home(home.root), set[date]()
    for wish in wishes:
        # A wish of while the pass ran knows what was learned then.
        stretch, far = Stretch(wish.first_day, now.date(), wish.model, max(now, wish.asked_at)), _Run()
        is_done = _priced(connection, listed_now, stretch, far, progress, gives_way)
        days |= {one.day for one in far.changed}
        if not is_done:
            break
        with database.control(home) as control:
            reprice_wish.end(control, wish.wish_no)
    if days:
        repriced_daily.refresh(connection, listed_now, days)
    return days


def _priced(
    connection: duckdb.DuckDBPyConnection,
    listed_now: PriceBook,
    asked_for: Stretch,
    far: _Run,
    progress: Progress,
    gives_way: Callable[[], bool],
) -> bool:
    """Price what is left of a stretch day by day, and note it once, when all of it is done; whether it is."""
    first, last, model, now = asked_for.first, asked_for.last, asked_for.model, asked_for.known_at
    days = _days(connection, first, last)
    for number, day in enumerate(days):
        if day in far.done:
            continue
        if gives_way():
            return False
        progress("repricing days", number, len(days))
        far.changed += _apply(connection, listed_now, day, model, now)
        far.done.add(day)
    progress("repricing days", len(days), len(days))
    if not far.is_noted:
        old = _sum(one.old_usd for one in far.changed)
        new = _sum(one.new_usd for one in far.changed)
        row = [first, last, model, now, sum(one.requests for one in far.changed), old, new]
        connection.execute(f"INSERT INTO {REPRICE.full_name} VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        far.is_noted = True
    return True


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = total if amount is None else money.CONTEXT.add(total, amount)
    return total


def _days(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> list[date]:
    query = """SELECT DISTINCT requested_at::DATE FROM model.requests
        WHERE requested_at >= ? AND requested_at < ? ORDER BY 1"""
    return [day for (day,) in connection.execute(query, [first, last + timedelta(days=1)]).fetchall()]


def _changed(
    connection: duckdb.DuckDBPyConnection, listed_now: PriceBook, day: date, model: str | None
) -> pl.DataFrame:
    """The calls of a day that cost something else now, with `list_then` beside the price book's columns."""
    columns = ", ".join((*_ASKED, *tables.INPUT_CLASSES, *tables.OUTPUT_CLASSES))
    calls = connection.execute(
        f"""SELECT {columns}, {_THEN} FROM model.requests
            WHERE requested_at >= $day AND requested_at < $day + INTERVAL 1 DAY
              AND ($model::VARCHAR IS NULL OR model = $model)""",
        {"day": day, "model": model},
    ).pl()
    return listed_now.price(calls).filter(pl.col("list_cost_pico_usd").ne_missing(pl.col("list_then")))


def _told(day: date, changed: pl.DataFrame) -> list[Change]:
    by_model = changed.group_by("model").agg(
        pl.len(), *usage_hourly.summed_or_unknown("list_then", "list_cost_pico_usd")
    )
    return [
        Change(day, model or "", requests, _usd(old), _usd(new))
        for model, requests, old, new in by_model.sort("model").rows()
    ]


def _usd(pico_usd: int | None) -> Decimal | None:
    return None if pico_usd is None else money.from_pico(pico_usd)


def _apply(
    connection: duckdb.DuckDBPyConnection, listed_now: PriceBook, day: date, model: str | None, now: datetime
) -> list[Change]:
    changed = _changed(connection, listed_now, day, model)
    if not changed.height:
        return []
    after = day + timedelta(days=1)
    closed = [gateway for closed_day, gateway in sealing.closed_days(connection) if closed_day == day]
    before = change.logged(connection, [day])
    connection.execute("BEGIN")
    try:
        connection.register("changed", changed.to_arrow())
        connection.execute(
            f"""UPDATE model.requests SET list_cost_usd = {tables.from_pico("changed.list_cost_pico_usd")},
                  price_version = changed.price_version, context_band = changed.context_band
                FROM changed WHERE requests.request_no = changed.request_no
                  AND requests.requested_at >= ? AND requests.requested_at < ?""",
            [day, after],
        )
        connection.unregister("changed")
        calls = connection.execute(
            f"""SELECT *, {_THEN.replace("list_then", "list_cost_pico_usd")} FROM model.requests
                WHERE requested_at >= ? AND requested_at < ?""",
            [day, after],
        ).pl()
        hours = usage_hourly.roll_up(calls)
        for table, rows in ((tables.USAGE_HOURLY, hours), (tables.USAGE_DAILY, usage_daily.roll_up(hours))):
            when = table.columns[0].name
            connection.execute(
                f"DELETE FROM {table.full_name} WHERE {when} >= ? AND {when} < ? AND gateway NOT IN (SELECT unnest(?))",
                [day, after, closed],
            )
            cost = {"list_cost_usd": tables.from_pico("list_cost_pico_usd")}
            frame.insert(connection, rows, table.full_name, table.column_names, cost)
        usage_tag_daily.write(connection, [day], [(day, gateway) for gateway in closed])
        month, stale = day.replace(day=1), tables.STALE_MONTH.full_name
        connection.execute(f"INSERT INTO {stale} SELECT ?::DATE WHERE ?::DATE NOT IN (FROM {stale})", [month, month])
        change.write(connection, before, change.logged(connection, [day]), now)
        publication.changed(connection, [day])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return _told(day, changed)
