"""The rates of a price as a file spells them: USD per million tokens, decimal strings, by genai-prices' names."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def literal(value: object) -> object:
    """Refuse an amount that is not written as text."""
    if not isinstance(value, str):
        raise ValueError('write it in quotes, such as "2.50": a bare number passes through floating point')  # noqa: TRY004 pydantic turns only ValueError into its report
    return value


# Limits that keep every cost of a call within 128 bits.
Usd = Annotated[Decimal, BeforeValidator(literal), Field(ge=0, le=1_000_000, decimal_places=18, allow_inf_nan=False)]
FORM = ConfigDict(extra="forbid", frozen=True)


class Rates(BaseModel):
    """Prices in USD per million tokens, by genai-prices' names; a class without one falls back as it does there."""

    model_config = FORM

    input_mtok: Usd
    output_mtok: Usd | None = None
    cache_read_mtok: Usd | None = None
    cache_write_mtok: Usd | None = None
    cache_write_5m_mtok: Usd | None = None
    cache_write_1h_mtok: Usd | None = None
    input_audio_mtok: Usd | None = None
    input_image_mtok: Usd | None = None
    output_reasoning_mtok: Usd | None = None
    output_audio_mtok: Usd | None = None
    requests_kcount: Usd | None = None

    def named(self) -> dict[str, Decimal]:
        """Give the prices that are set, by name."""
        found = ((name, getattr(self, name)) for name in Rates.model_fields)
        return {name: price for name, price in found if price is not None}
