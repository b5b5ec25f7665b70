"""The dated overlay: prices genai-prices lacks, one `[[price]]` of a TOML file each, never edited, only superseded."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from warehouse.errors import WarehouseError
from warehouse.price_sources import Price, hours_name, price_of, provider_id, tier_asked


def _literal(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('write it in quotes, such as "2.50": a bare number passes through floating point')  # noqa: TRY004 pydantic turns only ValueError into its report
    return value


# Limits that keep every cost of a call within 128 bits.
Usd = Annotated[Decimal, BeforeValidator(_literal), Field(ge=0, le=1_000_000, decimal_places=18, allow_inf_nan=False)]
_FORM = ConfigDict(extra="forbid", frozen=True)


class Rates(BaseModel):
    """Prices in USD per million tokens, by genai-prices' names; a class without one falls back as it does there."""

    model_config = _FORM

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


class LongContext(Rates):
    """The prices of a whole call whose input is above so many tokens."""

    above_tokens: int = Field(ge=0)


class Entry(Rates):
    """One price: for whom, of which tier and region, since when, and where it was read.

    Days and times are UTC; `valid_to` is the first day it no longer holds; `weekdays` are 1 (Monday) to 7.
    """

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    service_tier: str | None = None
    region: str | None = None
    valid_from: date
    valid_to: date | None = None
    from_time: time | None = None
    until_time: time | None = None
    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = ()
    source: str = Field(min_length=1)
    long_context: tuple[LongContext, ...] = ()

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        return provider_id(value)

    @field_validator("service_tier")
    @classmethod
    def _tier(cls, value: str | None) -> str | None:
        return tier_asked(value)

    @field_validator("model", "region")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return None if value is None else value.lower()

    @model_validator(mode="after")
    def _holds_together(self) -> "Entry":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is the first day it no longer holds: give one after valid_from, or leave it out")
        if (self.from_time is None) != (self.until_time is None) or (
            self.from_time and self.from_time == self.until_time
        ):
            raise ValueError("give both from_time and until_time (UTC), and let them differ; or neither")
        if any(moment and moment.tzinfo for moment in (self.from_time, self.until_time)):
            raise ValueError("from_time and until_time are UTC: write them without a zone")
        starts = [band.above_tokens for band in self.long_context]
        if starts != sorted(set(starts)):
            raise ValueError("order long_context by above_tokens, each once")
        if any(band.named().keys() != self.named().keys() for band in self.long_context):
            raise ValueError("give every long_context the same prices as the entry, no more and no fewer")
        return self

    @property
    def name(self) -> str:
        """What the entry is called in a price's version and in errors."""
        hours = hours_name(self.from_time, self.until_time) if self.from_time and self.until_time else None
        days = "weekdays " + ",".join(map(str, self.weekdays)) if self.weekdays else None
        parts = (f"{self.valid_from}", f"{self.provider}/{self.model}", self.service_tier, self.region, days, hours)
        return " ".join(part for part in parts if part)

    def active(self, moment: datetime) -> bool:
        """Whether it holds at a UTC moment."""
        if moment.date() < self.valid_from or (self.valid_to is not None and moment.date() >= self.valid_to):
            return False
        if self.weekdays and moment.isoweekday() not in self.weekdays:
            return False
        if self.from_time is None or self.until_time is None:
            return True
        if self.from_time < self.until_time:
            return self.from_time <= moment.time() < self.until_time
        return moment.time() >= self.from_time or moment.time() < self.until_time

    @cached_property
    def price(self) -> Price | None:
        """The entry in the form both sources share."""
        from genai_prices.types import ModelPrice, Tier, TieredPrices

        prices: dict[str, Decimal | TieredPrices] = {}
        for key, base in self.named().items():
            tiers = [Tier(start=band.above_tokens, price=band.named()[key]) for band in self.long_context]
            prices[key] = TieredPrices(base=base, tiers=tiers) if tiers else base
        return price_of(ModelPrice(**prices), f"overlay {self.name}")


class _File(BaseModel):
    model_config = _FORM

    price: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """The entries of all overlay files together."""

    entries: tuple[Entry, ...]

    @staticmethod
    def read(paths: Sequence[Path]) -> "Overlay":
        """Read the files that are there. Raises WarehouseError naming file, entry and fix for what is not a price."""
        entries: dict[str, Entry] = {}
        for path in paths:
            for entry in _read(path) if path.exists() else ():
                if entry.name in entries:
                    raise WarehouseError(
                        f"{path.name}: the price {entry.name} is already there; a price is never overwritten: "
                        "give the new one a later valid_from"
                    )
                entries[entry.name] = entry
        return Overlay(tuple(entries.values()))

    def of(self, provider: str, models: Iterable[str], tier: str | None, region: str | None) -> tuple[Entry, ...]:
        """Give the entries for a provider's id and any of a model's names, the most particular and latest first."""
        names = tuple(dict.fromkeys(model.lower() for model in models))
        found = [
            entry
            for entry in self.entries
            if entry.provider == provider
            and entry.model in names
            and entry.service_tier == tier
            and entry.region in {None, region and region.lower()}
        ]

        def rank(entry: Entry) -> tuple[bool, bool, int, date]:
            by_clock = entry.from_time is not None or bool(entry.weekdays)
            return entry.region is not None, by_clock, -names.index(entry.model), entry.valid_from

        return tuple(sorted(found, key=rank, reverse=True))


def _read(path: Path) -> tuple[Entry, ...]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WarehouseError(f"{path.name} is no TOML: {error}; mend that line") from error
    try:
        return _File.model_validate(raw).price
    except ValidationError as error:
        faults = "; ".join(_told(raw, fault["loc"], fault["msg"]) for fault in error.errors())
        raise WarehouseError(f"{path.name}: {faults}") from error


def _told(raw: dict[str, Any], where: tuple[int | str, ...], what: str) -> str:
    if len(where) < 2 or not isinstance(where[1], int):
        return f"{'.'.join(map(str, where))}: {what}; the file is a list of [[price]] tables and nothing else"
    entry = raw["price"][where[1]]
    about = f"{entry.get('provider', '?')}/{entry.get('model', '?')}" if isinstance(entry, dict) else "?"
    field = ".".join(map(str, where[2:]))
    return f"[[price]] number {where[1] + 1} ({about}){', ' + field if field else ''}: {what}"
