"""The price book: tokens times the list price in force, in whole pico-dollars, a column at a time."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from warehouse import price_tool
from warehouse.errors import WarehouseError
from warehouse.price_knowledge import ALWAYS, Horizon, horizon
from warehouse.price_overlay import Entry, Overlay
from warehouse.price_snapshot import Snapshot, stored
from warehouse.price_sources import CLASSES, Listing, Price, installed, model_names, provider_id, seller, tier_asked
from warehouse.price_surcharge import Surcharge
from warehouse.price_tool import UnitPrice

_SERVICE = ("provider", "model", "service_tier", "region")


@dataclass(frozen=True)
class _Service:
    """What was asked for, resolved once: the overlay's entries first, then genai-prices' editions, newest first."""

    entries: tuple[Entry, ...]
    listings: tuple[tuple[datetime | None, Listing], ...]
    tier: str | None
    surcharges: tuple[Surcharge, ...] = ()

    def price_at(self, moment: datetime, known_at: datetime) -> Price | None:
        found = next((entry for entry in self.entries if _known(entry, known_at) and entry.active(moment)), None)
        if found is not None and (found.region or found.price is None):
            return found.price
        price = found.price if found else self._listed(moment, known_at)
        surcharge = next((each for each in self.surcharges if each.active(moment)), None)
        return surcharge.put_on(price) if surcharge and price else price

    def _listed(self, moment: datetime, known_at: datetime) -> Price | None:
        for known_from, listing in self.listings:
            if known_from is None or known_from <= known_at:
                return listing.price_at(moment, self.tier)
        return None

    @cached_property
    def boundaries(self) -> tuple[set[date], set[time]]:
        dates: set[date] = set()
        times: set[time] = set()
        for _, listing in self.listings:
            listed = listing.boundaries()
            dates |= listed[0]
            times |= listed[1]
        dates |= {day for entry in self.entries for day in entry.days}
        dates |= {day for surcharge in self.surcharges for day in surcharge.days}
        times |= {at for entry in self.entries for at in (entry.from_time, entry.until_time) if at is not None}
        return dates, times


def _known(entry: Entry, known_at: datetime) -> bool:
    return entry.known_from is None or entry.known_from <= known_at


@dataclass(frozen=True)
class PriceBook:
    """List prices with their dates: genai-prices as the base, the overlay over it. Keeps what it has looked up."""

    overlay: Overlay
    snapshots: tuple[Snapshot, ...] = ()
    horizon: Horizon | None = None
    _services: dict[tuple[str | None, ...], _Service] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def load(overlays: Sequence[Path] = ()) -> "PriceBook":
        """Read the project's own overlay and further files of its form; a file that is not there adds nothing.

        Raises WarehouseError naming the file, the entry and the fix.
        """
        return PriceBook(Overlay.read((Overlay.shipped(), *overlays)))

    @staticmethod
    def of_home(root: Path) -> "PriceBook":
        """Read a home's own prices and stored editions over the project's; all of it counts as known."""
        return replace(PriceBook.load((root / "prices.toml",)), snapshots=stored(root))

    def as_known(self, connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> "PriceBook":
        """Give the book that prices each call with what was known then; itself where nothing was ever learned."""
        return replace(self, horizon=horizon(connection, control), _services={}) if self._moments else self

    def price(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Give the same rows in the same order with what each call costs at list price.

        Takes provider, model, service_tier, region, requested_at (naive UTC), input_tokens and the columns of
        TOKEN_CLASSES, and `priced_requests` where a row is the sum of so many calls; adds `list_cost_pico_usd` (Int64,
        10^-12 USD, null = no price known, 0 = no tokens), `price_version` and `context_band`. Raises WarehouseError
        for token counts beyond what validation lets pass.
        """
        moment, row_no = pl.col("requested_at"), pl.col("row_no").first()
        keyed = calls.select("requested_at", "input_tokens", "model").rechunk()
        keyed = keyed.with_columns(_service_no(calls)).with_row_index("row_no")
        services = keyed.group_by("service_no").agg(row_no, moment.min(), moment.max().alias("latest"))
        slots = self._slots(_named(services, calls))
        keys = ("service_no", *slots)
        if slots:
            keyed = keyed.with_columns(**slots)
            services = keyed.group_by(keys).agg(row_no, moment.min())
        prices = [
            self._service(row).price_at(row["requested_at"], row.get("known_at", ALWAYS))
            for row in _named(services, calls).iter_rows(named=True)
        ]
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

    def listed(self, provider: str, model: str, tier: str | None, moment: datetime) -> Price | None:
        """Give the list price of a service at a naive UTC moment, by all that is known; None where there is none."""
        service = {"provider": provider, "model": model, "service_tier": tier, "region": None}
        return self._service(service).price_at(moment, ALWAYS)

    def tool(self, provider: str, model: str | None, tool: str, moment: datetime) -> UnitPrice | None:
        """Give what one use of a provider's tool costs at a naive UTC moment; None where no price is known.

        An entry of prices.toml for the model comes first, then genai-prices, then an entry for every model.
        """
        known_at = self.horizon.known_of(moment, model) if self.horizon else ALWAYS
        owner, names = self.names(provider, model or "")
        of_model, of_all = price_tool.particular(self.overlay.tools, owner, names, tool, moment.date(), known_at)
        if of_model is None and model is not None:
            service = self._service({"provider": owner, "model": model, "service_tier": None, "region": None})
            listings = (one for known_from, one in service.listings if known_from is None or known_from <= known_at)
            of_model = next((price for one in listings if (price := price_tool.listed(one, tool, moment))), None)
        return of_model or of_all

    def _service(self, row: Mapping[str, Any]) -> _Service:
        router, asked_for = provider_id(row["provider"] or ""), row["model"] or ""
        provider, model = seller(router, asked_for)
        tier, region = tier_asked(row["service_tier"]), row["region"]
        key = (router, asked_for, tier, region)
        if key not in self._services:
            editions = (*(snapshot.catalogue for snapshot in self.snapshots), installed())
            asked = [(edition.known_from, edition.listing(provider, model)) for edition in editions]
            # An edition that no longer lists a model does not take its price away.
            found = tuple((known_from, listing) for known_from, listing in asked if listing is not None)
            names = (*model_names(provider, model), *([found[0][1].model.id] if found else ()))
            entries = self.overlay.of(provider, names, tier, region)
            if router != provider:
                entries = (*self.overlay.of(router, (asked_for,), tier, region), *entries)
            surcharges = self.overlay.surcharges_of(provider, names, region)
            self._services[key] = _Service(entries, found, tier, surcharges)
        return self._services[key]

    @cached_property
    def _moments(self) -> tuple[datetime, ...]:
        """When something was learned, in order."""
        learned = {entry.known_from for entry in self.overlay.entries if entry.known_from}
        learned |= {tool.known_from for tool in self.overlay.tools if tool.known_from}
        return tuple(sorted(learned | {snapshot.known_from for snapshot in self.snapshots}))

    @property
    def has_learned(self) -> bool:
        """Whether any price was not known from the start."""
        return bool(self._moments)

    @cached_property
    def edition(self) -> str:
        """A hash of every price, surcharge and contract there is: another one where anything was learned."""
        known = [repr(part) for part in (*self.overlay.surcharges, *self.overlay.contracts, *self.overlay.tools)]
        known += [f"{entry!r} {sorted(entry.days)}" for entry in self.overlay.entries]
        known += [snapshot.path.name for snapshot in self.snapshots]
        # By its metadata: a pass that prices nothing does without genai-prices' data.
        return sha256("\n".join([version("genai-prices"), *sorted(known)]).encode()).hexdigest()

    def names(self, provider: str, model: str) -> tuple[str, tuple[str, ...]]:
        """Give a provider's id and the names of a model that a price or a contract may be for."""
        found = provider_id(provider)
        listed = (snapshot.catalogue.listing(found, model) for snapshot in self.snapshots)
        listing = next((each for each in listed if each), None) or installed().listing(found, model)
        return found, (*model_names(found, model), *([listing.model.id] if listing else ()))

    def _slots(self, services: pl.DataFrame) -> dict[str, pl.Expr]:
        """Columns that tell apart the stretches of time a price may differ between; none on a day without a change."""
        dates: set[date] = set()
        times: set[time] = set()
        by_weekday = False
        for row in services.iter_rows(named=True):
            first, latest = row["requested_at"], row["latest"]
            days, hours = self._service(row).boundaries
            dates |= {day for day in days if first.date() < day <= latest.date()}
            times |= {at for at in hours if first.date() < latest.date() or first.time() < at <= latest.time()}
            by_weekday |= first.date() < latest.date() and any(entry.weekdays for entry in self._service(row).entries)
        slots = {"weekday": pl.col("requested_at").dt.weekday()} if by_weekday else {}
        if dates:
            slots["days_passed"] = pl.sum_horizontal(pl.col("requested_at").dt.date() >= day for day in dates)
        if times:
            slots["hours_passed"] = pl.sum_horizontal(pl.col("requested_at").dt.time() >= at for at in times)
        if self.horizon and self._moments and services.height:
            first, latest = services.select(pl.col("requested_at").min(), pl.col("latest").max()).row(0)
            if self.horizon.earliest(first, latest) < self._moments[-1]:
                slots["known_at"] = _learned_by(self.horizon.known_at(), self._moments)
        return slots


def _learned_by(known_at: pl.Expr, moments: tuple[datetime, ...]) -> pl.Expr:
    """Give the last moment of learning that lies before each call's: as many values as moments, not as calls."""
    before = pl.lit(datetime.min, pl.Datetime("us"))  # noqa: DTZ901 naive UTC
    return pl.max_horizontal(before, *(pl.when(known_at >= moment).then(pl.lit(moment)) for moment in moments))


def _service_no(calls: pl.DataFrame) -> pl.Series:
    """One integer for each provider, model, tier and region: rows are grouped and joined by it, not by text."""
    # A frame of thousands of chunks would be coded chunk by chunk.
    names = calls.select(_SERVICE).rechunk()
    codes = names.select(pl.col(_SERVICE).cast(pl.Categorical).to_physical().cast(pl.UInt64) + 1).fill_null(0)
    sizes = [(most or 0) + 1 for most in codes.max().row(0)] if codes.height else [1] * len(_SERVICE)
    number = pl.lit(0, pl.UInt64)
    for name, size in zip(_SERVICE, sizes, strict=True):
        number = number * size + pl.col(name)
    return codes.select(number.alias("service_no")).to_series()


def _named(services: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Services with their names beside their numbers."""
    return pl.concat([services, calls.select(_SERVICE)[services["row_no"]]], how="horizontal")


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
    asked = calls["priced_requests"] if "priced_requests" in calls.columns else None
    most: list[Any] = [tokens or 0 for tokens in calls.select(pl.max(*CLASSES)).row(0)]
    most.append(1 if asked is None else asked.max() or 0)
    highest = max((sum(map(mul, rate, most)) for rate in rates), default=0)
    if highest >= 2**127:
        raise WarehouseError("a call has more than 10^9 tokens of a class; quarantine such records before pricing")
    plain = highest < 2**63 and all(price.divisor == 1 for price, _ in bands)
    dtype = pl.Int64 if plain else pl.Int128
    nothing = [None] * len(most)
    *per_token, per_call = (pl.Series(column, dtype=dtype) for column in zip(nothing, *rates, strict=True))
    total = per_call.gather(index) if asked is None else per_call.gather(index) * asked.cast(dtype)
    for name, column, tokens in zip(CLASSES, per_token, most, strict=False):
        if not tokens:
            continue  # most classes are in no call of a day
        total += calls[name].cast(dtype) * column.gather(index)
    if plain:
        return total
    divisors = pl.Series([None, *(price.divisor for price, _ in bands)], dtype=dtype).gather(index)
    n, divisor = pl.lit(total), pl.lit(divisors)
    whole, rest = n // divisor, n % divisor
    up = (rest * 2 > divisor) | ((rest * 2 == divisor) & (whole % 2 == 1))  # half-even
    # A call of more than 9 million dollars is no call: it counts as unpriced.
    return pl.select((whole + up.cast(dtype)).cast(pl.Int64, strict=False)).to_series()
