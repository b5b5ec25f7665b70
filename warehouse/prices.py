"""The price book: tokens times the list price in force, in whole pico-dollars, a column at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.errors import WarehouseError
from warehouse.price_overlay import Entry, Overlay
from warehouse.price_sources import CLASSES, Listing, Price, listing, model_names, provider_id, tier_asked

_SERVICE = ("provider", "model", "service_tier", "region")


@dataclass(frozen=True)
class _Service:
    """What was asked for, resolved once: the overlay's entries first, then genai-prices' listing."""

    entries: tuple[Entry, ...]
    listing: Listing | None
    tier: str | None

    def price_at(self, moment: datetime) -> Price | None:
        entry = next((entry for entry in self.entries if entry.active(moment)), None)
        if entry is not None:
            return entry.price
        return self.listing.price_at(moment, self.tier) if self.listing else None

    def boundaries(self) -> tuple[set[date], set[time]]:
        dates, times = self.listing.boundaries() if self.listing else (set(), set())
        dates |= {day for entry in self.entries for day in (entry.valid_from, entry.valid_to) if day}
        times |= {at for entry in self.entries for at in (entry.from_time, entry.until_time) if at is not None}
        return dates, times


@dataclass(frozen=True)
class PriceBook:
    """List prices with their dates: genai-prices as the base, the overlay over it. Keeps what it has looked up."""

    overlay: Overlay
    _services: dict[tuple[str | None, ...], _Service] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def load(overlays: Sequence[Path] = ()) -> "PriceBook":
        """Read the project's own overlay and further files of its form; a file that is not there adds nothing.

        Raises WarehouseError naming the file, the entry and the fix.
        """
        return PriceBook(Overlay.read((Path(__file__).with_name("prices.toml"), *overlays)))

    def price(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Give the same rows in the same order with what each call costs at list price.

        Takes provider, model, service_tier, region, requested_at (naive UTC), input_tokens and the columns of
        TOKEN_CLASSES; adds `list_cost_pico_usd` (Int64, 10^-12 USD, null = no price known, 0 = no tokens),
        `price_version` and `context_band`. Raises WarehouseError for token counts beyond what validation lets pass.
        """
        moment = pl.col("requested_at")
        services = calls.group_by(_SERVICE).agg(moment.min(), moment.max().alias("latest"))
        slots = self._slots(services)
        keys = (*_SERVICE, *slots)
        keyed = calls.select(*_SERVICE, "requested_at", "input_tokens").with_columns(**slots)
        if slots:
            services = keyed.group_by(keys).agg(moment.min())
        prices = [self._service(row).price_at(row["requested_at"]) for row in services.iter_rows(named=True)]
        index = _band_numbers(keyed, services.select(keys), prices)
        bands = [(price, band) for price in prices if price for band in range(len(price.bands))]
        versions = pl.Series("price_version", [None, *(price.version for price, _ in bands)], dtype=pl.String)
        names = pl.Series("context_band", [None, *(price.band_name(band) for price, band in bands)], dtype=pl.String)
        no_tokens = pl.sum_horizontal(CLASSES) == 0
        return calls.with_columns(
            pl.when(no_tokens).then(0).otherwise(_cost(calls, bands, index)).alias("list_cost_pico_usd"),
            versions.gather(index),
            names.gather(index),
        )

    def _service(self, row: Mapping[str, Any]) -> _Service:
        provider, model = provider_id(row["provider"] or ""), row["model"] or ""
        tier, region = tier_asked(row["service_tier"]), row["region"]
        key = (provider, model, tier, region)
        if key not in self._services:
            found = listing(provider, model)
            names = (*model_names(provider, model), *([found.model.id] if found else ()))
            self._services[key] = _Service(self.overlay.of(provider, names, tier, region), found, tier)
        return self._services[key]

    def _slots(self, services: pl.DataFrame) -> dict[str, pl.Expr]:
        """Columns that tell apart the stretches of time a price may differ between; none on a day without a change."""
        dates: set[date] = set()
        times: set[time] = set()
        by_weekday = False
        for row in services.iter_rows(named=True):
            first, latest = row["requested_at"], row["latest"]
            days, hours = self._service(row).boundaries()
            dates |= {day for day in days if first.date() < day <= latest.date()}
            times |= {at for at in hours if first.date() < latest.date() or first.time() < at <= latest.time()}
            by_weekday |= first.date() < latest.date() and any(entry.weekdays for entry in self._service(row).entries)
        slots = {"weekday": pl.col("requested_at").dt.weekday()} if by_weekday else {}
        if dates:
            slots["days_passed"] = pl.sum_horizontal(pl.col("requested_at").dt.date() >= day for day in dates)
        if times:
            slots["hours_passed"] = pl.sum_horizontal(pl.col("requested_at").dt.time() >= at for at in times)
        return slots


def _band_numbers(keyed: pl.DataFrame, services: pl.DataFrame, prices: list[Price | None]) -> pl.Series:
    """For each call the number of its price's context band: 0 is "no price", then one number a price and band."""
    sizes = [len(price.bands) if price else 0 for price in prices]
    firsts = [first if size else 0 for first, size in zip(accumulate(sizes, initial=1), sizes, strict=False)]
    starts = [price.starts if price else () for price in prices]
    columns = [pl.Series("band", firsts, dtype=pl.UInt32)]
    for number in range(max(map(len, starts), default=0)):
        values = [each[number] if number < len(each) else None for each in starts]
        columns.append(pl.Series(f"start_{number}", values, dtype=pl.Int64))
    above = [(pl.col("input_tokens") > pl.col(column.name)).fill_null(value=False) for column in columns[1:]]
    placed = keyed.join(
        services.with_columns(columns), on=services.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return placed.select(pl.sum_horizontal("band", *above)).to_series()


def _cost(calls: pl.DataFrame, bands: list[tuple[Price, int]], index: pl.Series) -> pl.Series:
    """Tokens times price in whole pico-dollars, exact: 64 bits where they hold every cost, else 128."""
    rates = [price.scaled(band) for price, band in bands]
    most = [*(tokens or 0 for tokens in calls.select(pl.max(*CLASSES)).row(0)), 1]
    highest = max((sum(map(mul, rate, most)) for rate in rates), default=0)
    if highest >= 2**127:
        raise WarehouseError("a call has more than 10^9 tokens of a class; quarantine such records before pricing")
    plain = highest < 2**63 and all(price.divisor == 1 for price, _ in bands)
    dtype = pl.Int64 if plain else pl.Int128
    nothing = [None] * len(most)
    *per_token, per_call = (pl.Series(column, dtype=dtype) for column in zip(nothing, *rates, strict=True))
    total = per_call.gather(index)
    for name, column in zip(CLASSES, per_token, strict=True):
        total += calls[name].cast(dtype) * column.gather(index)
    if plain:
        return total
    divisors = pl.Series([None, *(price.divisor for price, _ in bands)], dtype=dtype).gather(index)
    n, divisor = pl.lit(total), pl.lit(divisors)
    whole, rest = n // divisor, n % divisor
    up = (rest * 2 > divisor) | ((rest * 2 == divisor) & (whole % 2 == 1))  # half-even
    # A call of more than 9 million dollars is no call: it counts as unpriced.
    return pl.select((whole + up.cast(dtype)).cast(pl.Int64, strict=False)).to_series()
