"""What was agreed with a provider: a percentage off list, fixed prices, a committed spend; from a day, until a day."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from warehouse.price_rates import FORM, Rates, literal
from warehouse.price_sources import provider_id, tier_asked

Percent = Annotated[Decimal, BeforeValidator(literal), Field(ge=0, le=100, decimal_places=4, allow_inf_nan=False)]
Committed = Annotated[Decimal, BeforeValidator(literal), Field(gt=0, lt=10**12, decimal_places=2, allow_inf_nan=False)]
# A percentage of four decimals is a whole number of these.
WHOLE = 1_000_000


class FixedPrice(Rates):
    """A model's agreed price, in place of the list's; the discount is not taken off it."""

    model: str = Field(min_length=1)
    service_tier: str | None = None

    @field_validator("service_tier")
    @classmethod
    def _tier(cls, value: str | None) -> str | None:
        return tier_asked(value)


class Contract(BaseModel):
    """One agreement with a provider. `valid_to` is the first UTC day it no longer holds; no `models` means all."""

    model_config = FORM

    name: str = Field(pattern=r"^[\w ./:-]{1,64}$")
    provider: str = Field(min_length=1)
    models: tuple[str, ...] = ()
    valid_from: date
    valid_to: date | None = None
    discount_percent: Percent = Decimal(0)
    committed_usd: Committed | None = None
    source: str = Field(min_length=1)
    price: tuple[FixedPrice, ...] = ()

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        return provider_id(value)

    @model_validator(mode="after")
    def _holds_together(self) -> "Contract":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is the first day it no longer holds: give one after valid_from, or leave it out")
        if self.committed_usd is not None and self.valid_to is None:
            raise ValueError("a commitment is for a period: give valid_to, too")
        return self

    def covers(self, provider: str, names: Iterable[str], day: date) -> bool:
        """Whether it holds for a provider's id and any of a model's names on a UTC day."""
        if provider != self.provider or day < self.valid_from or (self.valid_to is not None and day >= self.valid_to):
            return False
        return not self.models or bool({each.lower() for each in self.models} & {name.lower() for name in names})

    @property
    def paid_share(self) -> int:
        """What is left to pay of a list price, in millionths."""
        return WHOLE - int(self.discount_percent * (WHOLE // 100))
