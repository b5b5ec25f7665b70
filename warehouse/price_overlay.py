"""The dated overlay: prices genai-prices lacks, one `[[price]]` of a TOML file each, never edited, only superseded.

A price has two times: from when to when it holds (`valid_from`, `valid_to`), and from when on it is known
(`known_from`).
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from warehouse.errors import WarehouseError
from warehouse.price_contract import Contract
from warehouse.price_rates import FORM, Rates
from warehouse.price_sources import Price, hours_name, price_of, provider_id, tier_asked
from warehouse.price_surcharge import Surcharge
from warehouse.price_tool import ToolPrice


class LongContext(Rates):
    """The prices of a whole call whose input is above so many tokens."""

    above_tokens: int = Field(ge=0)


class Entry(Rates):
    """One price: for whom, of which tier and region, since when, and where it was read.

    Days and times are UTC; `valid_to` is the first day it no longer holds; `weekdays` are 1 (Monday) to 7, to which
    `holidays` adds the days of a calendar. `known_from` is when it was learned; without one it was always known.
    """

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    service_tier: str | None = None
    region: str | None = None
    valid_from: date
    valid_to: date | None = None
    known_from: datetime | None = None
    from_time: time | None = None
    until_time: time | None = None
    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = ()
    holidays: str | None = None
    source: str = Field(min_length=1)
    long_context: tuple[LongContext, ...] = ()
    _holidays: frozenset[date] = PrivateAttr(default=frozenset())

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str) -> str:
        return provider_id(value)

    @field_validator("service_tier")
    @classmethod
    def _tier(cls, value: str | None) -> str | None:
        return tier_asked(value)

    @field_validator("known_from")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value and value.tzinfo else value

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
        off = f"and {self.holidays} holidays" if self.holidays else None
        known = f"known {self.known_from:%Y-%m-%dT%H:%M:%S}" if self.known_from else None
        service = (f"{self.provider}/{self.model}", self.service_tier, self.region)
        return " ".join(part for part in (f"{self.valid_from}", *service, days, off, hours, known) if part)

    @property
    def days(self) -> set[date]:
        """The UTC days at whose start it may begin or end to hold."""
        return {day for day in (self.valid_from, self.valid_to) if day} | {
            day + timedelta(days=late) for day in self._holidays for late in (0, 1)
        }

    def with_holidays(self, calendars: Mapping[str, frozenset[date]]) -> "Entry":
        """Give the entry with the days of its calendar; KeyError for a calendar that no file has."""
        if self.holidays is not None:
            self._holidays = calendars[self.holidays]
        return self

    def active(self, moment: datetime) -> bool:
        """Whether it holds at a UTC moment."""
        if moment.date() < self.valid_from or (self.valid_to is not None and moment.date() >= self.valid_to):
            return False
        bound = self.weekdays or self.holidays
        if bound and moment.isoweekday() not in self.weekdays and moment.date() not in self._holidays:
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


class Calendar(BaseModel):
    """Holidays that a price depends on: days on which it holds whatever their weekday."""

    model_config = FORM

    name: str = Field(min_length=1)
    days: tuple[date, ...] = Field(min_length=1)
    source: str = Field(min_length=1)


class _File(BaseModel):
    model_config = FORM

    price: tuple[Entry, ...] = ()
    calendar: tuple[Calendar, ...] = ()
    surcharge: tuple[Surcharge, ...] = ()
    contract: tuple[Contract, ...] = ()
    tool: tuple[ToolPrice, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """The entries of all overlay files together, and the surcharges, contracts and fees of tools beside them."""

    entries: tuple[Entry, ...]
    surcharges: tuple[Surcharge, ...] = ()
    contracts: tuple[Contract, ...] = ()
    tools: tuple[ToolPrice, ...] = ()

    @staticmethod
    def shipped() -> Path:
        """Give the project's own file."""
        return Path(__file__).with_name("prices.toml")

    @staticmethod
    def read(paths: Sequence[Path]) -> "Overlay":
        """Read the files that are there. Raises WarehouseError naming file, entry and fix for what is not a price."""
        entries: dict[str, Entry] = {}
        calendars: dict[str, frozenset[date]] = {}
        surcharges: list[Surcharge] = []
        contracts: list[Contract] = []
        tools: dict[str, ToolPrice] = {}
        for path in paths:
            file = _read(path) if path.exists() else _File()
            for calendar in file.calendar:
                calendars[calendar.name] = calendars.get(calendar.name, frozenset()) | set(calendar.days)
            surcharges += file.surcharge
            contracts += file.contract
            for tool in file.tool:
                if tool.name in tools:
                    raise _overwritten(path, tool.name)
                tools[tool.name] = tool
            for entry in file.price:
                if entry.name in entries:
                    raise _overwritten(path, entry.name)
                if entry.holidays is not None and entry.holidays not in calendars:
                    raise WarehouseError(
                        f"{path.name}: the price {entry.name} names a calendar that is not there; "
                        "add it as a [[calendar]] with its name, days and source"
                    )
                entries[entry.name] = entry.with_holidays(calendars)
        return Overlay(tuple(entries.values()), tuple(surcharges), tuple(contracts), tuple(tools.values()))

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

        def rank(entry: Entry) -> tuple[bool, bool, bool, int, date, datetime]:
            particular = (entry.region is not None, entry.holidays is not None)
            by_clock = entry.from_time is not None or bool(entry.weekdays)
            # What was learned later corrects what was said of the same day before.
            learned = entry.known_from or datetime.min  # noqa: DTZ901 naive UTC, like every known_from
            return *particular, by_clock, -names.index(entry.model), entry.valid_from, learned

        return tuple(sorted(found, key=rank, reverse=True))

    def surcharges_of(self, provider: str, models: Iterable[str], region: str | None) -> tuple[Surcharge, ...]:
        """Give the surcharges of a region for a provider's id and any of a model's names, the latest first."""
        names = {model.lower() for model in models}
        found = [
            each
            for each in self.surcharges
            if region
            and each.provider == provider
            and each.region.lower() == region.lower()
            and names & {model.lower() for model in each.models}
        ]
        return tuple(sorted(found, key=lambda each: each.valid_from, reverse=True))


def _overwritten(path: Path, name: str) -> WarehouseError:
    return WarehouseError(
        f"{path.name}: the price {name} is already there; a price is never overwritten: "
        "give the new one a later valid_from, or a known_from where it corrects one"
    )


def _read(path: Path) -> _File:
    try:
        return _parsed(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise _no_toml(path.name, error) from error


# Read twice a pass, and a fifth of what an idle one took.
@lru_cache(maxsize=4)
def _parsed(text: str, name: str) -> _File:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(name, error) from error
    try:
        return _File.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(_told(raw, fault["loc"], fault["msg"]) for fault in error.errors())
        raise WarehouseError(f"{name}: {faults}") from error


def _no_toml(name: str, error: ValueError) -> WarehouseError:
    return WarehouseError(f"{name} is no TOML: {error}; mend that line")


def _told(raw: dict[str, Any], where: tuple[int | str, ...], what: str) -> str:
    if len(where) < 2 or not isinstance(where[1], int):
        tables = "[[price]], [[tool]], [[calendar]], [[surcharge]] and [[contract]] tables"
        return f"{'.'.join(map(str, where))}: {what}; the file is a list of {tables} and nothing else"
    kind = str(where[0])
    entry = raw[kind][where[1]]
    if kind != "price":
        return f"[[{kind}]] number {where[1] + 1}, {'.'.join(map(str, where[2:]))}: {what}"
    about = f"{entry.get('provider', '?')}/{entry.get('model', '?')}" if isinstance(entry, dict) else "?"
    field = ".".join(map(str, where[2:]))
    return f"[[price]] number {where[1] + 1} ({about}){', ' + field if field else ''}: {what}"
