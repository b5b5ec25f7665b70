"""model.plan -> model.plan_day: a plan's fee by UTC day, exactly: the days of a whole month add up to its fee.

A plan's month begins on the day of the month it began (on the last day of a shorter month), as subscriptions are
billed. A month that is broken off costs the days it ran.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import duckdb

from warehouse import fee_tables, money


def shares(starts_on: date, last_day: date, fee_usd: Decimal) -> Iterator[tuple[date, Decimal]]:
    """Each day of a plan up to `last_day` with its share of the month's fee; parts differ by 10^-12 USD at most."""
    whole, number = money.pico(fee_usd), 0
    first = starts_on
    while first <= last_day:
        number += 1
        following = _month_on(starts_on, number)
        days = (following - first).days
        for index in range(min(days, (last_day - first).days + 1)):
            share = whole * (index + 1) // days - whole * index // days
            yield first + timedelta(days=index), money.from_pico(share)
        first = following


def _month_on(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def write(connection: duckdb.DuckDBPyConnection, today: date) -> set[date]:
    """Make the days that have begun by `today` (UTC) anew; those that changed. The caller holds the transaction."""
    name = fee_tables.PLAN_DAY.full_name
    plans = connection.execute(
        """SELECT plan_no, provider, account_no, (monthly_usd * seats)::DECIMAL(38,12), starts_on, ends_on
           FROM model.plan ORDER BY plan_no"""
    ).fetchall()
    made = [
        (day, number, provider, account_no, share)
        for number, provider, account_no, fee, starts_on, ends_on in plans
        for day, share in shares(starts_on, min(ends_on or today, today), fee)
    ]
    changed = set(made) ^ set(connection.execute(f"FROM {name}").fetchall())
    if not changed:
        return set()
    connection.execute(f"DELETE FROM {name}")
    if made:
        columns = [list(column) for column in zip(*made, strict=True)]
        connection.execute(
            f"""INSERT INTO {name} SELECT unnest(?::DATE[]), unnest(?::BIGINT[]), unnest(?::VARCHAR[]),
                unnest(?::BIGINT[]), unnest(?::DECIMAL(38,12)[])""",
            columns,
        )
    return {row[0] for row in changed}
