"""Which causes a seed plants in its bills, and what each of them is worth to the cent: the oracle of reconciliation."""

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from pipelines.sandbox.bill import Bill
from pipelines.sandbox.cause import Planted
from pipelines.sandbox.ground_truth import GroundTruth
from warehouse import causes

NOTHING = Planted(cancelled_times=1, leaks=False, tool_percent=0)
# In the order in which each one's worth is told: what comes later is worth what it adds to those before.
STEPS = {
    causes.TIER: "batch_percent",
    causes.CACHE: "cached_percent",
    causes.CANCELLED: "cancelled_times",
    causes.BOUNDARY: "counts_at_the_end",
    causes.UNLOGGED: "leaks",
    causes.TOOL: "tool_percent",
    causes.PRICE: "discount_percent",
    causes.CREDIT: "credit_usd",
    causes.FEE: "search_fee_usd",
    causes.ROUNDING: "in_whole_cents",
}
_ALL_DAYS = date(2000, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True)
class Plan:
    """What is planted, and how long the log holds its newest rows back."""

    planted: Planted
    held_back: timedelta

    @staticmethod
    def of(seed: int) -> "Plan":
        """Some causes of every kind, others for every seed; a discount and whole cents would hide one another."""
        dice = random.Random(seed)  # noqa: S311 (no secret)
        has_discount = dice.random() < 0.4
        return Plan(
            Planted(
                cancelled_times=dice.choice((1, 2, 3)),
                leaks=dice.random() < 0.5,
                tool_percent=3 * (seed % 2),
                batch_percent=dice.choice((0, 0, 15)),
                cached_percent=dice.choice((0, 0, 20)),
                counts_at_the_end=dice.random() < 0.4,
                discount_percent=dice.choice((8, 12)) if has_discount else 0,
                credit_usd=dice.choice((Decimal(0), Decimal("1.25"))),
                search_fee_usd=dice.choice((Decimal(0), Decimal("0.37"))),
                in_whole_cents=not has_discount and dice.random() < 0.3,
            ),
            timedelta(hours=dice.choice((0, 0, 5))),
        )

    def worth(self, truth: GroundTruth, provider: str, ends: datetime) -> dict[str, Decimal]:
        """What each cause adds to the bill; those that are not planted are not named.

        A model's newest day whose log is not whole is late as a whole, whatever else is planted in it.
        """
        calls = truth.calls.filter(pl.col("provider") == provider)
        days = calls.with_columns(pl.col("requested_at").dt.date().alias("day"))
        is_back = pl.col("requested_at") >= ends - self.held_back
        late_cells = days.filter(is_back, pl.col("status") != "error").select("day", "model").unique()
        late = days.join(late_cells, on=["day", "model"], how="semi").drop("day")
        whole = GroundTruth(days.join(late_cells, on=["day", "model"], how="anti").drop("day"))
        told = GroundTruth(late.filter(~is_back))
        made, before, worth = NOTHING, _amount(whole, provider, NOTHING), {}
        for cause, name in STEPS.items():
            made = replace(made, **{name: getattr(self.planted, name)})
            if cause == causes.UNLOGGED:
                every = _amount(truth, provider, replace(made, leaks=False))
                worth[causes.LATE] = every - before - _amount(told, provider, NOTHING)
                whole, before = truth, every
            after = _amount(whole, provider, made)
            worth[cause] = after - before
            before = after
        return {cause: amount for cause, amount in worth.items() if amount}


def _amount(truth: GroundTruth, provider: str, planted: Planted) -> Decimal:
    return Bill.of(truth, provider, planted).amount(*_ALL_DAYS)
