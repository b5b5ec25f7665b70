"""A price of one's own, written into the home's prices.toml: appended, so that what was there stays word for word."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.price_overlay import Overlay

_HEAD = """# Prices of your own, in USD per million tokens, as decimal strings; form as in warehouse/prices.toml.
# `valid_from` is when a price holds, `known_from` when it was learned. Add prices, never edit one that has been in use.
"""


@dataclass(frozen=True)
class LongContext:
    """What a whole call costs whose input is above so many tokens: the rates that differ from the usual ones."""

    above_tokens: int
    rates: Mapping[str, Decimal]

    def over(self, usual: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Every rate of a long call; WarehouseError where one has no usual rate that it could differ from."""
        if alone := [name for name in self.rates if name not in usual]:
            named = ", ".join(alone)
            raise WarehouseError(f"a long call has its own {named}, and a usual one has none: give that one as well")
        return {name: self.rates.get(name, rate) for name, rate in usual.items()}


def add(
    home: Home,
    provider: str,
    model: str,
    rates: Mapping[str, Decimal],
    valid_from: date,
    now: datetime,
    *,
    tier: str | None = None,
    region: str | None = None,
    source: str,
    long_context: "LongContext | None" = None,
) -> Path:
    """Append a price as known from `now` (naive UTC) on; the file is 0600 and replaced whole.

    `rates` are USD per million tokens by the names of price_rates.Rates. Raises WarehouseError, and leaves the file as
    it was, where it would no longer be readable.
    """
    path = home.root / "prices.toml"
    before = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    named = {"provider": provider, "model": model, "service_tier": tier, "region": region}
    lines = [f"{key} = {_quoted(value)}" for key, value in named.items() if value is not None]
    lines += [f"valid_from = {valid_from}", f"known_from = {now:%Y-%m-%dT%H:%M:%SZ}", f"source = {_quoted(source)}"]
    lines += [f'{key} = "{rate:f}"' for key, rate in rates.items()]
    if long_context is not None:
        lines += ["[[price.long_context]]", f"above_tokens = {long_context.above_tokens}"]
        lines += [f'{key} = "{rate:f}"' for key, rate in long_context.over(rates).items()]
    working = home.root / ".prices.toml.part"
    descriptor = os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(before if before.endswith("\n") else before + "\n")
        handle.write("\n" + "\n".join(["[[price]]", *lines]) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        Overlay.read((Overlay.shipped(), working))
    except BaseException:
        working.unlink()
        raise
    working.replace(path)
    return path


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(char for char in escaped if char.isprintable())}"'
