"""Editions of genai-prices' published data that were fetched: one file each, dated, named by its hash.

They rest in `prices/` of the home and are never changed. An edition holds for calls that began after it was known; what
was priced before stays until a reprice is asked for.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.errors import WarehouseError
from warehouse.price_sources import Catalogue, installed

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice

FOLDER = "prices"
_NAME = re.compile(r"genai-prices-(\d{8}T\d{6}Z)-([0-9a-f]{64})\.json")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Snapshot:
    """One stored edition; its file is read when a price of it is first asked for."""

    path: Path
    known_from: datetime
    sha256: str

    @cached_property
    def catalogue(self) -> Catalogue:
        """The edition's data. WarehouseError where the file is not what its name says."""
        content = self.path.read_bytes()
        if digest(content) != self.sha256:
            raise WarehouseError(f"{self.path} was changed after it was fetched: remove it and fetch again")
        return Catalogue(f"{self.known_from:%Y-%m-%d} {self.sha256[:8]}", self.known_from, parsed(content))


def digest(content: bytes) -> str:
    """Give the hash that names an edition's file."""
    return hashlib.sha256(content).hexdigest()


def stored(home: Path) -> tuple[Snapshot, ...]:
    """Every stored edition of a home's folder, newest first."""
    folder = home / FOLDER
    names = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()] if folder.is_dir() else []
    found = [
        Snapshot(path, datetime.strptime(match[1], _STAMP), match[2])  # noqa: DTZ007 (UTC by the Z, naive as everywhere)
        for path, match in names
        if match
    ]
    return tuple(sorted(found, key=lambda one: (one.known_from, one.sha256), reverse=True))


def store(home: Path, content: bytes, now: datetime) -> Snapshot:
    """Keep an edition as known from `now` (naive UTC) on; durable, 0600. Raises WarehouseError as `parsed` does."""
    parsed(content)
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    sha256, moment = digest(content), now.replace(microsecond=0)
    path = folder / f"genai-prices-{moment.strftime(_STAMP)}-{sha256}.json"
    working = path.with_suffix(".part")
    with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    working.replace(path)
    return Snapshot(path, moment, sha256)


def parsed(content: bytes) -> "DataSnapshot":
    """Read published data, amounts as decimals. WarehouseError for what genai-prices would not take or is empty."""
    from genai_prices import types
    from genai_prices.data_snapshot import DataSnapshot

    try:
        raw = json.loads(content, parse_float=Decimal)
        # What genai-prices' own updater reads with; requirements.lock pins its version.
        providers = types._providers_from_raw(raw)  # noqa: SLF001 (there is no public one that takes a file)
        priced = [_rates(model.get_prices(_ANY_TIME)) for each in providers for model in each.models]
    except (ValueError, TypeError, RecursionError) as error:
        raise WarehouseError("the published prices are not in the form genai-prices reads: nothing was kept") from error
    if not any(priced):
        raise WarehouseError("the published prices hold no price at all: nothing was kept")
    return DataSnapshot(providers, from_auto_update=True)


_ANY_TIME = datetime(2026, 1, 1)  # noqa: DTZ001 (naive UTC)


def known_now(home: Path) -> Catalogue:
    """Give the newest stored edition; where there is none, the installed one."""
    newest = next(iter(stored(home)), None)
    return installed() if newest is None else newest.catalogue


@dataclass(frozen=True)
class Change:
    """One price that differs between two editions; None on the side that has none."""

    provider: str
    model: str
    rate: str
    old: str | None
    new: str | None


def differences(old: Catalogue, new: Catalogue, now: datetime) -> list[Change]:
    """Give what the standard prices at `now` are in one edition and in the other, where they differ."""
    before, after = _standard(old, now), _standard(new, now)
    return [
        Change(*key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _standard(catalogue: Catalogue, now: datetime) -> dict[tuple[str, str, str], str]:
    return {
        (provider.id, model.id, rate): price
        for provider in catalogue.data.providers
        for model in provider.models
        for rate, price in _rates(model.get_prices(now)).items()
    }


def _rates(price: "ModelPrice") -> dict[str, str]:
    """A price's rates as text: tiers with the input size they begin above."""
    from genai_prices.types import TieredPrices

    def said(value: Decimal | TieredPrices) -> str:
        if isinstance(value, TieredPrices):
            tiers = (f", above {tier.start:,} {_plain(tier.price)}" for tier in value.tiers)
            return f"{_plain(value.base)}{''.join(tiers)}"
        return _plain(value)

    named = vars(price).items()
    return {key: said(value) for key, value in named if value is not None and not key.startswith("_")}


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
