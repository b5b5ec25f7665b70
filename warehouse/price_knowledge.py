"""What was known about prices when: the book of a home, bound to the moments its days were first told of.

A call is priced with what was known when it began, or when its day first landed, whichever is later; an explicit
reprice moves that moment for the days it names. So a price that is learned later changes no day by itself.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from warehouse import database
from warehouse.price_tables import REPRICE

ALWAYS = datetime.max  # noqa: DTZ901 naive UTC: a day that nothing tells of is priced with all that is known


@dataclass(frozen=True)
class Reprice:
    """Days priced anew with what was known at a moment: of one model as calls name it, or of all."""

    first_day: date
    last_day: date
    model: str | None
    known_at: datetime


@dataclass(frozen=True)
class Horizon:
    """When each day first landed, and the reprices since."""

    landed: Mapping[date, datetime]
    reprices: tuple[Reprice, ...] = ()

    def earliest(self, first: datetime, last: datetime) -> datetime:
        """Give a moment that no call between two moments was priced before."""
        days = pl.date_range(first.date(), last.date(), eager=True)
        return max(first, min(self.landed.get(day, ALWAYS) for day in days))

    def known_of(self, moment: datetime, model: str | None) -> datetime:
        """Give the moment whose knowledge prices a model's use at a moment."""
        day = moment.date()
        held = (each for each in self.reprices if each.first_day <= day <= each.last_day)
        learned = (each.known_at for each in held if each.model in {None, model})
        return max(moment, self.landed.get(day, ALWAYS), *learned)

    def known_at(self) -> pl.Expr:
        """Give, for each row of requested_at and model, the moment whose knowledge prices it."""
        day = pl.col("requested_at").dt.date()
        moments = pl.Series("landed", list(self.landed.values()), dtype=pl.Datetime("us"))
        days = pl.Series("day", list(self.landed), dtype=pl.Date)
        known = [
            pl.col("requested_at").cast(pl.Datetime("us")),
            day.replace_strict(days, moments, default=ALWAYS, return_dtype=pl.Datetime("us")),
        ]
        for each in self.reprices:
            held = day.is_between(each.first_day, each.last_day)
            if each.model is not None:
                held &= pl.col("model") == each.model
            known.append(pl.when(held).then(pl.lit(each.known_at, pl.Datetime("us"))))
        return pl.max_horizontal(known)


def horizon(connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> Horizon:
    """Read when days landed from the receipts, and the reprices from the build."""
    landed = control.execute(
        "SELECT day, min(landed_at) FROM load_day JOIN load USING (load_no) WHERE state = 'landed' GROUP BY day"
    )
    named = "first_day, last_day, model, known_at"
    rows = connection.execute(f"SELECT {named} FROM {REPRICE.full_name} ORDER BY known_at").fetchall()
    first = {date.fromisoformat(day): database.moment(at) for day, at in landed}
    return Horizon(first, tuple(Reprice(*row) for row in rows))
