"""Which known models an unpriced one may be meant as: a suggestion for a person, never a price."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches

from warehouse.price_sources import CLASSES, installed, model_names
from warehouse.prices import PriceBook

# The rate of each token class, and the one it has where it has none of its own.
_RATES = {
    "uncached_tokens": ("input_mtok", None),
    "cache_read_tokens": ("cache_read_mtok", "uncached_tokens"),
    "cache_write_5m_tokens": ("cache_write_mtok", "uncached_tokens"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_write_5m_tokens"),
    "audio_in_tokens": ("input_audio_mtok", "uncached_tokens"),
    "image_in_tokens": ("input_image_mtok", "uncached_tokens"),
    "text_out_tokens": ("output_mtok", None),
    "reasoning_out_tokens": ("output_reasoning_mtok", "text_out_tokens"),
    "audio_out_tokens": ("output_audio_mtok", "text_out_tokens"),
}


@dataclass(frozen=True)
class Suggestion:
    """The rates of a known model, USD per million tokens by name; what a long call has of its own is in `long_rates`.

    `above_tokens` None: long calls cost no more.
    """

    rates: dict[str, Decimal]
    above_tokens: int | None
    long_rates: dict[str, Decimal]


def rates_of(book: PriceBook, provider: str, model: str, tier: str | None, moment: datetime) -> Suggestion | None:
    """Give what a known model costs at a moment (naive UTC), to fill in a form with; None where nothing is known."""
    price = book.listed(provider, model, tier, moment)
    if price is None:
        return None
    rates = _named(price.bands[0])
    if not price.starts:
        return Suggestion(rates, None, {})
    # A form has one step: the first.
    long = dict(zip(CLASSES, price.bands[1], strict=False))
    by_rate = {name: long[each] for each, (name, _) in _RATES.items()}
    return Suggestion(rates, price.starts[0], {name: by_rate[name] for name in rates if name in by_rate})


def _named(band: tuple[Decimal, ...]) -> dict[str, Decimal]:
    """The rates that say something: not those that a class has anyway."""
    by_class = dict(zip(CLASSES, band, strict=False))
    rates = {
        name: by_class[each]
        for each, (name, other) in _RATES.items()
        if other is None or by_class[each] != by_class[other]
    }
    return rates | ({"requests_kcount": band[-1]} if band[-1] else {})


def nearest(book: PriceBook, provider: str, model: str, most: int = 3) -> list[str]:
    """Give `provider/model` of known prices whose names are nearest, the provider's own first; may be empty."""
    found, names = book.names(provider, model)
    wanted = names[-1].lower()
    own, others = _known(book, found)
    # An unlisted server of one's own runs other people's models under their names.
    last = wanted.rpartition("/")[2]
    near = [own[name] for name in get_close_matches(wanted, own, n=most, cutoff=0.6)]
    near += [others[name] for name in get_close_matches(last, others, n=most, cutoff=0.85)]
    return list(dict.fromkeys(near))[:most]


def _known(book: PriceBook, provider: str) -> tuple[dict[str, str], dict[str, str]]:
    """Models of a provider and of the others, by their names in lower case."""
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    editions = [snapshot.catalogue for snapshot in book.snapshots] or [installed()]
    listed = [(each.id, model.id) for each in editions[0].data.providers for model in each.models]
    for owner, name in (*listed, *((entry.provider, entry.model) for entry in book.overlay.entries)):
        names = (name, *model_names(owner, name))
        for each in names:
            target = own if owner == provider else others
            target.setdefault(each.lower().rpartition("/")[2] if target is others else each.lower(), f"{owner}/{name}")
    return own, others
