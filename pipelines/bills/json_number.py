"""The numbers of a provider's JSON, exactly: one that is none is left to its row, and refuses nothing else.

`json.loads(..., parse_float=exact, parse_int=whole, parse_constant=exact)` reads them so.
"""

from decimal import Decimal

_MOST_DIGITS = 1_000


def exact(literal: str) -> Decimal:
    """A number as its literal; one with an exponent that no decimal has is NaN, as NaN itself is."""
    try:
        return Decimal(literal)
    except ArithmeticError:
        return Decimal("NaN")


def whole(literal: str) -> int | Decimal:
    """A whole number; Python makes no int of some thousand digits, which would refuse all of an answer."""
    return int(literal) if len(literal) <= _MOST_DIGITS else exact(literal)
