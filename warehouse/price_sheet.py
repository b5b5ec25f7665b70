"""LiteLLM's price sheet beside the price book's list: two sources that are read by people who were not here.

The sheet has one current price a model and no dates, so it is compared with what the list says now. Nothing is priced
by it: a difference is for a person to look at.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from warehouse.errors import WarehouseError
from warehouse.money import CONTEXT
from warehouse.price_sources import CLASSES, Catalogue, Price, provider_id

# Ours -> the sheet's key without a tier's suffix; where the sheet has no key of its own, there is nothing to compare.
_KEYS: Mapping[str, str] = {
    "uncached_tokens": "input_cost_per_token",
    "cache_read_tokens": "cache_read_input_token_cost",
    "cache_write_5m_tokens": "cache_creation_input_token_cost",
    "cache_write_1h_tokens": "cache_creation_input_token_cost_above_1hr",
    "audio_in_tokens": "input_cost_per_audio_token",
    "image_in_tokens": "input_cost_per_image_token",
    "text_out_tokens": "output_cost_per_token",
    "reasoning_out_tokens": "output_cost_per_reasoning_token",
    "audio_out_tokens": "output_cost_per_audio_token",
}
_TIERS: Mapping[str | None, str] = {None: "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}
_NAME = "model_prices_and_context_window"


@dataclass(frozen=True)
class Difference:
    """One rate that the two sources say differently, in USD per million tokens."""

    provider: str
    model: str
    tier: str | None
    band: str | None
    token_class: str
    listed_usd_mtok: Decimal
    sheet_usd_mtok: Decimal


def installed_sheet() -> Path:
    """Give the sheet of the litellm that is installed. WarehouseError where there is none."""
    found = find_spec("litellm")
    if found is None or found.origin is None:
        raise WarehouseError(f"litellm is not installed here: name its sheet, {_NAME}.json, as an argument")
    return Path(found.origin).parent / f"{_NAME}_backup.json"


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Read a sheet, plain or .gz, amounts as decimals. WarehouseError where it is not one."""
    try:
        content = path.read_bytes()
        raw = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content, parse_float=Decimal)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise WarehouseError(f"{path} cannot be read as LiteLLM's price sheet: {type(error).__name__}") from error
    models = {name: told for name, told in raw.items() if isinstance(told, dict)} if isinstance(raw, dict) else {}
    if not any("input_cost_per_token" in told for told in models.values()):
        raise WarehouseError(f"{path} is no price sheet of LiteLLM: no model in it has input_cost_per_token")
    return models


def differences(
    sheet: Mapping[str, Mapping[str, Any]], catalogue: Catalogue, now: datetime
) -> tuple[list[Difference], int]:
    """Give what differs at `now` (naive UTC), by provider and model, and how many rates were compared."""
    found: list[Difference] = []
    compared = 0
    seen: set[tuple[str, str]] = set()
    for name, told in sheet.items():
        provider = provider_id(str(told.get("litellm_provider", "")))
        listing = catalogue.listing(provider, name)
        # Dated names of one model say the same again.
        if listing is None or name == "sample_spec" or (provider, listing.model.id) in seen:
            continue
        seen.add((provider, listing.model.id))
        for tier, suffix in _TIERS.items():
            price = listing.price_at(now, tier)
            for token_class, band, ours, theirs in _pairs(price, told, suffix) if price else ():
                compared += 1
                if ours != theirs:
                    found.append(Difference(provider, listing.model.id, tier, band, token_class, ours, theirs))
    return sorted(found, key=lambda one: (one.provider, one.model, one.tier or "", one.band or "")), compared


def _pairs(price: Price, told: Mapping[str, Any], suffix: str) -> Iterator[tuple[str, str | None, Decimal, Decimal]]:
    for number in range(len(price.bands)):
        start = price.starts[number - 1] if number else None
        band = "" if start is None else f"_above_{start // 1000}k_tokens"
        for token_class, key in _KEYS.items():
            theirs = told.get(f"{key}{band}{suffix}")
            if isinstance(theirs, (int, Decimal)) and not isinstance(theirs, bool):
                ours = price.bands[number][CLASSES.index(token_class)]
                yield token_class, price.band_name(number), ours, CONTEXT.multiply(Decimal(theirs), Decimal(10**6))
