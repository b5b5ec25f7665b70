"""world.toml's plans -> plans of a sandbox home: what the company pays for seats, and whose calls these pay for."""

from datetime import date, datetime
from functools import cache

import polars as pl

from pipelines.sandbox.company import World
from warehouse import database
from warehouse.control import plan
from warehouse.control.connection import OPERATOR
from warehouse.control.outside_id import UNNAMED_ACCOUNT, OutsideIds
from warehouse.control.plan import Plan
from warehouse.control.vault import Vault
from warehouse.home import Home


@cache
def covered() -> pl.Expr:
    """Whether a plan pays for a call of the truth: no provider bills it."""
    is_covered = pl.lit(value=False)
    for one in World.load().plan:
        is_covered |= pl.col("source").is_in(one.covers) & (pl.col("provider") == one.provider)
    return is_covered


def take_out(home: Home, starts_on: date, now: datetime) -> None:
    """Enter the company's plans from a day on, paid by whoever owns the home; `now` is UTC."""
    moment = now.replace(tzinfo=None)
    with database.control(home) as control:
        with database.transaction(control):
            ids = OutsideIds(control, Vault(control, moment), moment)
            payer = ids.accounts(OPERATOR, [UNNAMED_ACCOUNT])[UNNAMED_ACCOUNT]
        for one in World.load().plan:
            wanted = Plan(
                0, one.name, one.provider, payer, None, one.monthly_usd, one.seats, starts_on, None, one.covers
            )
            plan.add(control, wanted, moment)
