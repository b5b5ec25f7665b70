"""Money: Decimal from the literal to the page, stored as DECIMAL(38,12), rounded half-even once."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from warehouse.errors import MoneyError

SCALE = 12
QUANTUM = Decimal(1).scaleb(-SCALE)
PICO_PER_USD = 10**SCALE
# 38 digits is what DECIMAL(38,12) holds; Python's default context would round at 28.
CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_LIMIT = Decimal(10) ** (38 - SCALE)


def usd(literal: str | int | Decimal) -> Decimal:
    """A decimal literal as an amount with 12 decimal places, half-even; never takes a float.

    Raises MoneyError for what is no finite number or does not fit DECIMAL(38,12); the message names no value.
    """
    if isinstance(literal, (float, bool)):
        raise MoneyError("an amount came as a float, which has lost it; read it as text and quarantine the record")
    try:
        amount = Decimal(literal)
    except (InvalidOperation, ValueError, TypeError) as error:
        raise MoneyError("an amount is no decimal number; quarantine the record and look at its source") from error
    # copy_abs, since abs() rounds to the default context's 28 digits; checked again where rounding carries over.
    if amount.is_finite() and amount.copy_abs() < _LIMIT:
        rounded = amount.quantize(QUANTUM, context=CONTEXT)
        if rounded.copy_abs() < _LIMIT:
            return rounded
    raise MoneyError("an amount is not finite or has more than 26 digits before the point; quarantine the record")


def pico(amount: Decimal) -> int:
    """An amount in whole pico-dollars (10^-12 USD), the integer that DECIMAL(38,12) stores."""
    return int(amount.scaleb(SCALE, CONTEXT).to_integral_value(ROUND_HALF_EVEN, CONTEXT))


def from_pico(pico_usd: int) -> Decimal:
    """Whole pico-dollars as an amount in USD; the reverse of `pico`."""
    return Decimal(pico_usd).scaleb(-SCALE, CONTEXT)


def shown(amount: Decimal | None) -> str:
    """An amount for the eye: dollars and cents, more places below ten cents, an em dash where nothing is known."""
    if amount is None:
        return "—"
    places = 2 if amount.copy_abs() >= Decimal("0.1") or amount == 0 else 4
    rounded = amount.quantize(Decimal(1).scaleb(-places), context=CONTEXT)
    return f"{'-' if rounded < 0 else ''}${rounded.copy_abs():,}"


def billed(amount: Decimal, currency: str) -> str:
    """An amount in the currency it is billed in, for the eye, with as many places as `shown` gives."""
    places = 2 if amount.copy_abs() >= Decimal("0.1") or amount == 0 else 4
    return f"{amount.quantize(Decimal(1).scaleb(-places), context=CONTEXT):,} {currency}"
