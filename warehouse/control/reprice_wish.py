"""Days that are to be priced anew with the next pass, as asked for on a page: of which model, and from when on."""

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from warehouse import database


@dataclass(frozen=True)
class RepriceWish:
    """A wish: the model as calls name it, the first UTC day, and the moment (UTC) whose knowledge is meant at least."""

    wish_no: int
    model: str
    first_day: date
    asked_at: datetime


def put(control: sqlite3.Connection, model: str, first_day: date, now: datetime) -> None:
    """Ask for it; the next pass does it, and then forgets the wish."""
    query = "INSERT INTO reprice_wish (model, first_day, asked_at) VALUES (?, ?, ?)"
    control.execute(query, (model, str(first_day), database.stamp(now)))


def listed(control: sqlite3.Connection) -> list[RepriceWish]:
    """What is asked for and not done yet, in the order it was asked for."""
    query = "SELECT wish_no, model, first_day, asked_at FROM reprice_wish ORDER BY wish_no"
    return [
        RepriceWish(number, model, date.fromisoformat(first), database.moment(asked))
        for number, model, first, asked in control.execute(query)
    ]


def end(control: sqlite3.Connection, wish_no: int) -> None:
    """It is done."""
    control.execute("DELETE FROM reprice_wish WHERE wish_no = ?", (wish_no,))
