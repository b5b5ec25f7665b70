"""What a provider told -> what of it may land: no day of before an organisation's erasure, and how many are refused.

A bill's day is whole, so the day of the erasure itself is refused, too; a balance is of its hour. How many days one
pull was refused stands with the connection, and is told on its page.
"""

import sqlite3
from datetime import date, datetime, time, timedelta

from pipelines.bills.report_reader import LOST_DAYS, Days, Told
from retention import stones_anywhere
from retention.bill_tombstones import BillTombstones, Ids
from warehouse.control import bill_bound
from warehouse.control.connection import Connection
from warehouse.control.vault import Vault

_TOPIC = f"{LOST_DAYS}erased"


def bound(
    control: sqlite3.Connection,
    vault: Vault,
    connection: Connection,
    told: Told,
    now: datetime,
    key: bytes | None = None,
) -> None:
    """Take out of what was told the days that may not land, and say so; its rows have the provider's own ids still.

    `key` is the keyed hash of the key that was asked with. The caller holds the transaction.
    """
    number, organisation = connection.connection_no, None
    if told.organisation:
        organisation = stones_anywhere.organisation_lookup(vault, connection.provider, told.organisation)
    stones = BillTombstones(control, vault, connection.provider)
    begins = stones.lands_from(connection, key, organisation, _ids(told.days))
    if organisation is not None:
        bill_bound.tell(control, number, organisation, now)
    if begins is None:
        return
    refused = {(name, day) for name, day in told.days if _moment(name, day) < begins}
    told.days = {each: rows for each, rows in told.days.items() if each not in refused}
    told.refused_days = len({day for _, day in refused})
    most = bill_bound.bind(control, number, begins, told.refused_days)
    if most:
        told.notes = {**told.notes, _TOPIC: _said(begins, most)}


def _ids(days: Days) -> Ids:
    for rows in days.values():
        for row in rows:
            yield from ((kind, str(text)) for kind in ("project", "key") if (text := row.get(kind)))


def _moment(name: str, day: date) -> datetime:
    """From when on what was told of a day says something: a snapshot is of its hour."""
    hour = name.partition(".")[2]
    return datetime.combine(day, time(int(hour) if hour.isdecimal() else 0))


def _said(begins: datetime, most: int) -> str:
    first = begins.date() if begins.time() == time() else begins.date() + timedelta(days=1)
    return f"{most} {'day' if most == 1 else 'days'} before {first} were refused: what they tell was erased here"
