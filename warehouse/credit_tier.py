"""Tiers: what an account is, by its settled top-ups less refunds and disputes over all time, and by nothing else."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import warehouse
from warehouse import labels, money
from warehouse.errors import WarehouseError

FILE = "tiers.toml"


@dataclass(frozen=True)
class Tier:
    """A tier: its name, and the lifetime top-up in USD that it begins at."""

    name: str
    from_usd: Decimal


@dataclass(frozen=True)
class Standing:
    """Which tier a lifetime top-up is in, the next one, and what is missing to it; None and 0 at the top."""

    tier: Tier
    following: Tier | None
    missing_usd: Decimal


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    from_usd: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tier: Annotated[list[_Told], Field(min_length=1, max_length=100)]


def of_home(root: Path) -> tuple[Tier, ...]:
    """The tiers of a home, lowest first: its own tiers.toml, else the ones that come along.

    WarehouseError where the file says no tiers: the first begins at 0, each further one above it, each has a name.
    """
    own = root / FILE
    if own.exists():
        return _read(own.read_text(encoding="utf-8"), str(own))
    return _read(resources.files(warehouse).joinpath(FILE).read_text(encoding="utf-8"), FILE)


def _read(text: str, file: str) -> tuple[Tier, ...]:
    try:
        told = _File.model_validate(tomllib.loads(text)).tier
        tiers = tuple(Tier(each.name, money.usd(each.from_usd)) for each in told)
    except (tomllib.TOMLDecodeError, ValidationError, WarehouseError):
        raise WarehouseError(f'{file} is [[tier]] with name and from_usd, both in quotes, such as "50"') from None
    starts = [tier.from_usd for tier in tiers]
    if starts[0] != 0 or sorted(set(starts)) != starts:
        raise WarehouseError(f"{file}: the first tier begins at 0, and each further one above the one before")
    names = [tier.name for tier in tiers]
    if len(set(names)) != len(names) or not all(labels.is_label(name) for name in names):
        raise WarehouseError(f"{file}: each tier has a name of its own, of letters, digits, blanks and ./:-")
    return tiers


def standing(tiers: Sequence[Tier], lifetime_usd: Decimal) -> Standing:
    """Where a lifetime top-up stands; one below 0, as after a dispute, is in the lowest tier."""
    place = max((n for n, tier in enumerate(tiers) if tier.from_usd <= lifetime_usd), default=0)
    following = tiers[place + 1] if place + 1 < len(tiers) else None
    missing = Decimal(0) if following is None else money.CONTEXT.subtract(following.from_usd, lifetime_usd)
    return Standing(tiers[place], following, missing)
