"""What a provider asks for a use of a tool of its own: a web search, a file search, a session of its code interpreter.

genai-prices has some of it, by model; what it lacks stands in prices.toml as a `[[tool]]`, never edited, only
superseded. What a tool reads and writes is in the tokens and not in its fee.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import BaseModel, Field, field_validator, model_validator

from warehouse.money import CONTEXT
from warehouse.price_rates import FORM, Usd
from warehouse.price_sources import Listing, provider_id

# The operation of a count and what one of it is: what genai-prices calls the price of a thousand, where it has one.
UNITS: Mapping[str, tuple[str, str | None]] = {
    "web_search": ("calls", "web_searches_kcount"),
    "file_search": ("calls", "storage_searches_kcount"),
    "code_interpreter": ("sessions", None),
}
# How bills call it, in OpenAI's line items, Anthropic's cost types and Google's SKUs.
_WORDS = {
    "web_search": r"\bweb[ _-]?search|\bgrounding\b",
    "file_search": r"\bfile[ _-]?search",
    "code_interpreter": r"\bcode[ _-]?(interpreter|execution)|\bcontainers?\b",
}
ANY_TOOL = "|".join(_WORDS.values())
_PATTERNS = {tool: re.compile(words, re.IGNORECASE) for tool, words in _WORDS.items()}


class ToolPrice(BaseModel):
    """One `[[tool]]`: USD for a thousand uses, of every model or of one; days are UTC, `valid_to` the first after it.

    `known_from` is when it was learned; without one it was always known.
    """

    model_config = FORM

    provider: str = Field(min_length=1)
    tool: str
    model: str | None = None
    usd_per_thousand: Usd
    valid_from: date
    valid_to: date | None = None
    known_from: datetime | None = None
    source: str = Field(min_length=1)

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        return provider_id(value)

    @field_validator("tool")
    @classmethod
    def _tool(cls, value: str) -> str:
        if value not in UNITS:
            raise ValueError(f"name one of {', '.join(UNITS)}")
        return value

    @field_validator("model")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return None if value is None else value.lower()

    @field_validator("known_from")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value and value.tzinfo else value

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "ToolPrice":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is the first day it no longer holds: give one after valid_from, or leave it out")
        return self

    @property
    def name(self) -> str:
        """What the entry is called in a price's version and in errors."""
        known = f"known {self.known_from:%Y-%m-%dT%H:%M:%S}" if self.known_from else None
        of = f"{self.provider}/{self.model}" if self.model else self.provider
        return " ".join(part for part in (f"{self.valid_from}", of, self.tool, known) if part)

    def holds(self, day: date, known_at: datetime) -> bool:
        """Whether it holds on a UTC day by what was known at a moment."""
        known = self.known_from is None or self.known_from <= known_at
        return known and self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class UnitPrice:
    """What one use costs, in USD, and which price says so."""

    usd: Decimal
    version: str


def particular(
    entries: Iterable[ToolPrice], provider: str, names: Iterable[str], tool: str, day: date, known_at: datetime
) -> tuple[UnitPrice | None, UnitPrice | None]:
    """The entry for a model by any of its names, and the one for every model; the latest that was known of each."""
    lower = {name.lower() for name in names}
    found = [
        entry for entry in entries if entry.provider == provider and entry.tool == tool and entry.holds(day, known_at)
    ]
    # What was learned later corrects what was said of the same day before.
    found.sort(key=lambda entry: (entry.valid_from, entry.known_from or datetime.min))  # noqa: DTZ901 naive UTC
    of_model = [entry for entry in found if entry.model in lower]
    of_all = [entry for entry in found if entry.model is None]
    return _unit(of_model), _unit(of_all)


def listed(listing: Listing, tool: str, moment: datetime) -> UnitPrice | None:
    """What genai-prices says of a model's tool at a UTC moment; None where it says nothing."""
    key = UNITS[tool][1]
    price = None if key is None else getattr(listing.model.get_prices(moment), key, None)
    if not isinstance(price, Decimal):
        return None
    return UnitPrice(
        price.scaleb(-3, CONTEXT), f"genai-prices {listing.edition} {listing.provider.id}/{listing.model.id} {key}"
    )


def named(words: str) -> str | None:
    """The tool that a bill's words name; None where they name none."""
    return next((tool for tool, pattern in _PATTERNS.items() if pattern.search(words)), None)


def _unit(entries: list[ToolPrice]) -> UnitPrice | None:
    if not entries:
        return None
    return UnitPrice(entries[-1].usd_per_thousand.scaleb(-3, CONTEXT), f"overlay {entries[-1].name}")
