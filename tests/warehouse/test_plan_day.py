"""A plan's fee by day: the days of its month are the fee, to the last of twelve places, in every calendar."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from warehouse.models.plan_day import shares

FEE = Decimal("199.99")


@pytest.mark.parametrize("first", [date(2026, 10, 1), date(2026, 1, 31), date(2024, 2, 29), date(2026, 12, 15)])
def test_the_days_of_each_month_are_the_fee(first: date) -> None:
    """Twelve months from any day, leap days and short months too: twelve fees, without a day left out or told twice."""
    after = first.replace(year=first.year + 1) if first != date(2024, 2, 29) else date(2025, 2, 28)
    made = list(shares(first, after - timedelta(days=1), FEE))
    assert [day for day, _ in made] == [first + timedelta(days=n) for n in range((after - first).days)]
    assert sum(share for _, share in made) == 12 * FEE
    assert max(share for _, share in made) - min(share for _, share in made) < FEE / 28 - FEE / 31 + Decimal("1e-11")


def test_a_months_days_are_alike() -> None:
    """No day of a month is dearer than another by more than the last place."""
    amounts = [share for _, share in shares(date(2026, 10, 1), date(2026, 10, 31), FEE)]
    assert sum(amounts) == FEE
    assert max(amounts) - min(amounts) <= Decimal("1e-12")


def test_a_plans_month_begins_on_its_day() -> None:
    """From the 15th the fee is that of the days up to the 14th, as it is billed; from the 31st, to months' ends."""
    days = dict(shares(date(2026, 10, 15), date(2026, 12, 31), FEE))
    assert sum(share for day, share in days.items() if date(2026, 10, 15) <= day < date(2026, 11, 15)) == FEE
    late = dict(shares(date(2026, 1, 31), date(2026, 4, 29), FEE))
    for start, end in (((1, 31), (2, 28)), ((2, 28), (3, 31)), ((3, 31), (4, 30))):
        inside = [share for day, share in late.items() if date(2026, *start) <= day < date(2026, *end)]
        assert sum(inside) == FEE


def test_a_month_broken_off_costs_its_days() -> None:
    """Ten days of thirty are a third; before its first day a plan costs nothing."""
    assert sum(share for _, share in shares(date(2026, 9, 1), date(2026, 9, 10), Decimal(90))) == 30
    assert list(shares(date(2026, 9, 2), date(2026, 9, 1), FEE)) == []
