"""What a region costs more than the list says: one factor on every rate of some models, such as US-only inference."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from warehouse.money import CONTEXT
from warehouse.price_rates import FORM, literal
from warehouse.price_sources import Price, provider_id

Factor = Annotated[Decimal, BeforeValidator(literal), Field(gt=0, le=100, decimal_places=4, allow_inf_nan=False)]


class Surcharge(BaseModel):
    """A factor on the price of some models in one region. `valid_to` is the first UTC day it no longer holds.

    A price that is given for the region itself is what it is: the factor is not put on top.
    """

    model_config = FORM

    provider: str = Field(min_length=1)
    models: tuple[str, ...] = Field(min_length=1)
    region: str = Field(min_length=1)
    factor: Factor
    valid_from: date
    valid_to: date | None = None
    source: str = Field(min_length=1)

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        return provider_id(value)

    @model_validator(mode="after")
    def _holds_together(self) -> "Surcharge":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is the first day it no longer holds: give one after valid_from, or leave it out")
        return self

    @property
    def days(self) -> set[date]:
        """The UTC days at whose start it begins or ends."""
        return {day for day in (self.valid_from, self.valid_to) if day}

    def active(self, moment: datetime) -> bool:
        """Whether it holds at a UTC moment."""
        return self.valid_from <= moment.date() and (self.valid_to is None or moment.date() < self.valid_to)

    def put_on(self, price: Price) -> Price:
        """Give the price with the factor on every rate."""
        bands = tuple(tuple(CONTEXT.multiply(rate, self.factor) for rate in band) for band in price.bands)
        return replace(price, version=f"{price.version} {self.region} x{self.factor}", bands=bands)
