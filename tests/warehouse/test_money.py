"""Money is exact: what goes in as a decimal comes out as that decimal, rounded once, half to even."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import MoneyError, WarehouseError
from warehouse.money import from_pico, pico, shown, usd

LARGEST = Decimal("9" * 26 + "." + "9" * 12)
amounts = st.decimals(min_value=LARGEST.copy_negate(), max_value=LARGEST, places=12)
finer_amounts = st.decimals(min_value=-(10**6), max_value=10**6, places=20)


@given(amounts)
def test_a_decimal_string_is_kept_exactly(amount: Decimal) -> None:
    """Every amount that DECIMAL(38,12) holds comes back as itself, at scale 12, in either spelling."""
    for literal in (str(amount), f"{amount:f}", f"{amount:E}"):
        assert usd(literal) == amount
        assert usd(literal).as_tuple().exponent == -12


@given(finer_amounts)
def test_a_finer_amount_is_rounded_half_to_even(amount: Decimal) -> None:
    """Beyond 12 places the nearest is taken, and the even one in the middle, whatever the caller's context."""
    exact = Context(prec=80)
    assert usd(str(amount)) == amount.quantize(Decimal("1e-12"), ROUND_HALF_EVEN, exact)
    assert exact.subtract(usd(amount), amount).copy_abs() <= Decimal("5e-13")


@pytest.mark.parametrize(
    ("literal", "rounded"),
    [
        ("0.0000000000005", "0.000000000000"),
        ("0.0000000000015", "0.000000000002"),
        ("0.0000000000025", "0.000000000002"),
        ("-0.0000000000015", "-0.000000000002"),
        ("0.00000000000050000001", "0.000000000001"),
    ],
)
def test_the_middle_goes_to_the_even_neighbour(literal: str, rounded: str) -> None:
    """Half a pico-dollar goes to the even pico-dollar."""
    assert str(usd(literal)) == str(Decimal(rounded))


@given(amounts)
def test_pico_dollars_are_the_amount(amount: Decimal) -> None:
    """An amount and its whole pico-dollars stand for each other, to the largest."""
    assert from_pico(pico(amount)) == amount
    assert pico(amount) == int(f"{amount:.12f}".replace(".", ""))


@given(st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1))
def test_every_stored_integer_is_an_amount(pico_usd: int) -> None:
    """All 38 digits survive the way out and back."""
    assert pico(usd(from_pico(pico_usd))) == pico_usd


@pytest.mark.parametrize(
    "literal",
    ["NaN", "sNaN", "-nan", "inf", "-Infinity", "0x10", "1,000.00", "$1", "1e", "", " ", "--1", "1e26", "-1e26",
     "1e999999", "9" * 26 + ".9999999999995", Decimal("NaN"), Decimal("Infinity"), 10**26],
)  # fmt: skip
def test_what_is_no_amount_is_refused(literal: Any) -> None:
    """Not finite, not decimal or too large: MoneyError, so that the record goes to quarantine, without the value."""
    with pytest.raises(MoneyError) as refused:
        usd(literal)
    assert isinstance(refused.value, WarehouseError)
    assert "quarantine" in str(refused.value)
    assert not str(literal).strip() or str(literal) not in str(refused.value)


@pytest.mark.parametrize("number", [0.1, float("nan"), True, None, b"1"])
def test_a_float_is_refused(number: Any) -> None:
    """A binary float has lost the amount before it arrives, so it is refused and not rounded."""
    with pytest.raises(MoneyError):
        usd(number)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "—"), ("0", "$0.00"), ("1234567.891", "$1,234,567.89"), ("-3.5", "-$3.50"), ("0.1", "$0.10"),
        ("0.0123", "$0.0123"), ("-0.00004", "$0.0000"), ("2.345", "$2.34"), ("2.355", "$2.36"),
    ],
)  # fmt: skip
def test_an_amount_is_shown_to_the_cent(amount: str | None, text: str) -> None:
    """Cents, four places below ten cents, a dash where nothing is known; never a minus before zero."""
    assert shown(None if amount is None else Decimal(amount)) == text
