"""A price as somebody typed it into the form: its rates by name, its day, where it was read; errors name the field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from warehouse.errors import WarehouseError
from warehouse.price_entry import LongContext

# Each rate: what the form calls it, what it is where it is left empty.
USUAL = {
    "input_mtok": ("Input", ""),
    "output_mtok": ("Output", "nothing"),
    "cache_read_mtok": ("Input read from the cache", "as input"),
    "cache_write_mtok": ("Input written to the cache", "as input"),
}
RARE = {
    "cache_write_1h_mtok": ("Input written to the one-hour cache", "as to the cache"),
    "input_audio_mtok": ("Audio put in", "as input"),
    "input_image_mtok": ("Images put in", "as input"),
    "output_reasoning_mtok": ("Reasoning", "as output"),
    "output_audio_mtok": ("Audio given out", "as output"),
    "requests_kcount": ("A thousand calls, beside their tokens", "nothing"),
}
LONG = {name: USUAL[name][0] for name in USUAL} | {"cache_write_1h_mtok": RARE["cache_write_1h_mtok"][0]}
_MOST_USD = 1_000_000
_MOST_PLACES = 18
_MOST_LETTERS = 200


@dataclass(frozen=True)
class TypedPrice:
    """What was typed: rates in USD per million tokens, what long calls cost, from when on it holds, where it stands."""

    rates: dict[str, Decimal]
    long_context: LongContext | None
    since: date
    source: str


def read(fields: Mapping[str, str]) -> TypedPrice:
    """The price of a form; WarehouseError names the field that is wrong and says what it should be."""
    rates = _sent(fields, {name: title for name, (title, _) in (USUAL | RARE).items()}, "")
    if "input_mtok" not in rates:
        raise WarehouseError("Input: give what a million tokens of it cost, 0 where it is free")
    source = fields.get("source", "").strip()[:_MOST_LETTERS]
    if not source:
        raise WarehouseError("Read where: say where the price stands")
    return TypedPrice(rates, _band(fields), _day(fields.get("since", "")), source)


def _sent(fields: Mapping[str, str], names: Mapping[str, str], prefix: str) -> dict[str, Decimal]:
    found = {}
    for name, title in names.items():
        if text := fields.get(prefix + name, "").strip():
            found[name] = _rate(text, f"{title}, long" if prefix else title)
    return found


def _rate(text: str, title: str) -> Decimal:
    try:
        rate = Decimal(text.removeprefix("$"))
        if rate.is_finite() and 0 <= rate <= _MOST_USD and -int(rate.as_tuple().exponent) <= _MOST_PLACES:
            return rate
    except InvalidOperation:
        pass
    raise WarehouseError(f"{title}: write USD per million tokens as a decimal number, such as 2.50")


def _band(fields: Mapping[str, str]) -> LongContext | None:
    above, rates = fields.get("above_tokens", "").strip().replace("_", ""), _sent(fields, LONG, "long_")
    if not above and not rates:
        return None
    if not (above.isascii() and above.isdigit() and int(above[:12]) > 0) or not rates:
        raise WarehouseError(
            "Long calls: give the input tokens above which they begin, such as 200000, and their rates"
        )
    return LongContext(int(above[:12]), rates)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WarehouseError("From: give the day as 2026-11-01") from None
