"""mart.spend_daily, mart.freshness, mart.published -> what was spent today and this month, in a few lines.

Imports nothing heavy: the answer is there within two seconds, with no service running.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from pipelines.errors import PipelineError
from warehouse import money


@dataclass(frozen=True)
class Bill:
    """How far a source's bills were read: the newest day it told of, when it was read, why it is skipped now."""

    source: str
    last_day: date | None
    last_read_on: date | None
    skipped: str | None


@dataclass(frozen=True)
class Today:
    """The figures of a UTC day and its month.

    `before_usd` is the same days of the month before, None where calls are known only since `first_day`, later than
    those days began: a part is nothing to compare with.

    `unpriced` names the models of this month without a price and counts the calls whose cost is in no sum and no bill.
    `newest` is each log with its newest call, `bills` each bill; moments and days are UTC.
    """

    day: date
    today_usd: Decimal
    today_requests: int
    month_usd: Decimal
    before_usd: Decimal | None
    first_day: date | None
    unpriced: tuple[tuple[str, int], ...]
    newest: tuple[tuple[str, datetime | None], ...]
    bills: tuple[Bill, ...]
    version: int
    as_of: datetime
    sandbox: bool


def read(connection: DuckDBPyConnection, now: datetime) -> Today:
    """Read the figures of the UTC day of `now` from a published version."""
    day = now.astimezone(UTC).date()
    start = day.replace(day=1)
    before = (start - timedelta(days=1)).replace(day=1)
    # The 31st has its like in the last day of a shorter month, as on the overview page.
    before_day = before.replace(day=min(day.day, monthrange(before.year, before.month)[1]))
    # Dates of our own stand in the SQL as they are: to bind a value DuckDB imports pandas, which costs half the time.
    this_day, this_month = f"day = DATE '{day}'", f"day BETWEEN DATE '{start}' AND DATE '{day}'"
    same_days = f"day BETWEEN DATE '{before}' AND DATE '{before_day}'"
    row = connection.execute(
        f"""
        SELECT coalesce(sum(cost_usd) FILTER ({this_day}), 0), coalesce(sum(requests) FILTER ({this_day}), 0),
            coalesce(sum(cost_usd) FILTER ({this_month}), 0),
            coalesce(sum(cost_usd) FILTER ({same_days}), 0), (SELECT min(day) FROM mart.spend_daily)
        FROM mart.spend_daily WHERE day BETWEEN DATE '{before}' AND DATE '{day}'
        """
    ).fetchone()
    unpriced = connection.execute(
        f"""
        SELECT model, sum(unpriced_requests)::BIGINT AS calls
        FROM (
            SELECT model, unpriced_requests,
                bool_or(basis = 'bill') OVER (PARTITION BY day, account, provider) AS billed
            FROM mart.spend_daily WHERE {this_month}
        )
        WHERE unpriced_requests > 0 AND NOT billed GROUP BY model ORDER BY calls DESC, model
        """
    ).fetchall()
    newest = connection.execute(
        "SELECT source, last_request_at FROM mart.freshness WHERE kind = 'log' ORDER BY source"
    ).fetchall()
    bills = connection.execute(
        "SELECT source, last_day, last_read_on, skipped FROM mart.freshness WHERE kind = 'bill' ORDER BY source"
    ).fetchall()
    published = connection.execute("SELECT version, as_of, home FROM mart.published").fetchone()
    if row is None or published is None:
        raise PipelineError("the published version does not say its number; run `apiledger run` once")
    return Today(
        day=day,
        today_usd=Decimal(row[0]),
        today_requests=int(row[1]),
        month_usd=Decimal(row[2]),
        before_usd=Decimal(row[3]) if row[4] is not None and row[4] <= before else None,
        first_day=row[4],
        unpriced=tuple(unpriced),
        newest=tuple(newest),
        bills=tuple(Bill(*row) for row in bills),
        version=published[0],
        as_of=published[1],
        sandbox=published[2] == "sandbox",
    )


def told(today: Today, now: datetime) -> Iterator[str]:
    """Tell the figures, a line each."""
    if today.sandbox:
        yield "Made-up data (sandbox)"
    yield f"Today, {today.day:%d %b} UTC   {money.shown(today.today_usd)} in {today.today_requests:,} requests"
    yield f"This month         {money.shown(today.month_usd)}{_change(today)}"
    if today.unpriced:
        calls = sum(count for _, count in today.unpriced)
        models = ", ".join(model for model, _ in today.unpriced[:3]) + (", …" if len(today.unpriced) > 3 else "")
        yield f"Unpriced           {calls:,} requests this month have no known price and are in no sum: {models}"
    else:
        yield "Unpriced           none this month"
    for source, last in today.newest:
        yield f"Newest call        {'none yet' if last is None else _ago(last, now)} ({source})"
    for bill in today.bills:
        told_to = "no day yet" if bill.last_day is None else f"up to {bill.last_day:%d %b}"
        read_on = "" if bill.last_read_on is None else f", read on {bill.last_read_on:%d %b}"
        yield f"Bill               {told_to}{read_on} ({bill.source}){f': {bill.skipped}' if bill.skipped else ''}"
    yield f"As of              {_ago(today.as_of, now)} (version {today.version})"


def _change(today: Today) -> str:
    if today.before_usd is None:
        return (
            "" if today.first_day is None else f" since {today.first_day:%d %b}, with no month before to compare with"
        )
    before = f"the same days of last month: {money.shown(today.before_usd)}"
    if today.before_usd <= 0:
        return f", {before}"
    percent = (today.month_usd - today.before_usd) * 100 / today.before_usd
    return f", {percent:+,.1f} % against {before}"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = int((now.astimezone(UTC).replace(tzinfo=None) - moment).total_seconds())
    if seconds < 0:
        return f"{moment:%Y-%m-%d %H:%M} UTC, ahead of this machine's clock"
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
