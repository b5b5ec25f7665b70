"""Where a list price comes from: genai-prices' catalogue, its gateways' spellings, and the form both sources share.

genai-prices stays the judge of which model a name means, which dated price holds and where a context tier begins;
what is read off here is the price of each of our disjoint token classes, so that the arithmetic can run in columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING

from warehouse.money import CONTEXT
from warehouse.tables import INPUT_CLASSES, OUTPUT_CLASSES

if TYPE_CHECKING:  # genai-prices takes 0.14 s to import: a command that prices nothing does without
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TimeOfDateConstraint

# A class without a price of its own is billed at the next key: genai-prices' rule, its units being nested.
PRICE_KEYS: Mapping[str, tuple[str, ...]] = {
    "uncached_tokens": ("input_text_mtok", "input_mtok"),
    "cache_read_tokens": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "audio_in_tokens": ("input_audio_mtok", "input_mtok"),
    "image_in_tokens": ("input_image_mtok", "input_mtok"),
    "text_out_tokens": ("output_text_mtok", "output_mtok"),
    "reasoning_out_tokens": ("output_reasoning_mtok", "output_mtok"),
    "audio_out_tokens": ("output_audio_mtok", "output_mtok"),
}
CLASSES = (*INPUT_CLASSES, *OUTPUT_CLASSES)

# LiteLLM's and OpenTelemetry's names. Exact on purpose: genai-prices would take `custom_openai`, a server of one's
# own, for OpenAI.
_PROVIDER_IDS = {
    "amazon_nova": "aws",
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "bedrock_mantle": "aws",
    "codestral": "mistral",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "github_copilot": "github-copilot",
    "meta_llama": "meta",
    "mistral_ai": "mistral",
    "moonshot": "moonshotai",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vercel_ai_gateway": "vercel",
    "vertex_ai": "google",
    "voyage": "voyageai",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
# Routers that ask what the model's own provider asks, whom they name before it: `openai/gpt-4.1-mini`.
_AT_COST = {"vercel"}
_STANDARD_TIERS = {"", "auto", "default", "standard"}
# The variants genai-prices keeps beside a standard price are keyed by one of these words.
_TIER_WORDS = ("processing", "service_tier", "speed")


@dataclass(frozen=True)
class Price:
    """What each token class costs, in USD per million tokens, by context band.

    `starts` are the input sizes above which the next band holds for the whole call; `bands` has one more member, each
    with the prices in the order of CLASSES and then the fee in USD per thousand calls.
    """

    version: str
    starts: tuple[int, ...]
    bands: tuple[tuple[Decimal, ...], ...]

    @cached_property
    def divisor(self) -> int:
        """What `scaled` counts in, 1/divisor pico-dollars: 1 unless a price has more than six decimals."""
        places = max(_places(price) for band in self.bands for price in band)
        return int(10 ** max(0, places - 6))

    def scaled(self, band: int) -> tuple[int, ...]:
        """Give a band's price of one token of each class and of one call, in whole 1/divisor pico-dollars."""
        *tokens, calls = self.bands[band]
        # USD per million is pico-dollars times 10^6 apiece, USD per thousand times 10^9.
        million, thousand = 10**6 * self.divisor, 10**9 * self.divisor
        return (*(int(CONTEXT.multiply(price, million)) for price in tokens), int(CONTEXT.multiply(calls, thousand)))

    def band_name(self, band: int) -> str | None:
        """`<=200k` or `>200k`; None where the price has no bands."""
        if not self.starts:
            return None
        start = self.starts[max(band - 1, 0)]
        if start % 1000 == 999:  # "from 200k on" is written as a start of 199999
            return f"{'<' if band == 0 else '>='}{(start + 1) // 1000}k"
        size = f"{start // 1000}k" if start % 1000 == 0 else str(start)
        return f"{'<=' if band == 0 else '>'}{size}"


def provider_id(name: str) -> str:
    """Give the provider's id in genai-prices for a gateway's name of it; an unknown name is its own id."""
    name = name.lower().strip()
    # LiteLLM adds the maker of the model: vertex_ai-anthropic_models.
    return _PROVIDER_IDS.get(name) or _PROVIDER_IDS.get(name.partition("-")[0]) or name


def tier_asked(name: str | None) -> str | None:
    """Give the tier a price must be for; None for the standard one, however it is spelt."""
    tier = (name or "").strip().lower()
    return None if tier in _STANDARD_TIERS else tier


def price_of(model_price: "ModelPrice", version: str) -> Price | None:
    """Read off the price of every class; None for a model billed in hours, pages or characters, which no log counts."""
    from genai_prices.types import TieredPrices, calc_unit_price

    known = {key: value for key, value in vars(model_price).items() if value is not None and not key.startswith("_")}
    if known and "input_mtok" not in known:
        return None
    keys = [next((key for key in PRICE_KEYS[name] if key in known), None) for name in CLASSES]
    billed = [known.get(key) if key else None for key in (*keys, "requests_kcount")]
    starts = tuple(sorted({t.start for price in billed if isinstance(price, TieredPrices) for t in price.tiers}))
    sizes = (0, *(start + 1 for start in starts))
    return Price(
        version, starts, tuple(tuple(calc_unit_price(price, 1, size, 1) for price in billed) for size in sizes)
    )


@dataclass(frozen=True)
class Listing:
    """One model of one provider in genai-prices."""

    provider: "Provider"
    model: "ModelInfo"
    edition: str

    def boundaries(self) -> tuple[set[date], set[time]]:
        """Give the UTC days and times of day at which a price of this model may change."""
        from genai_prices.types import ModelPrice, StartDateConstraint, TimeOfDateConstraint

        prices = [] if isinstance(self.model.prices, ModelPrice) else self.model.prices
        dates: set[date] = set()
        times: set[time] = set()
        for constraint in (entry.constraint for entry in (*prices, *(self.model.price_variants or ()))):
            if isinstance(constraint, StartDateConstraint):
                dates.add(constraint.start_date)
            elif isinstance(constraint, TimeOfDateConstraint):
                times |= {_utc(constraint.start_time), _utc(constraint.end_time)}
        return dates, times

    def price_at(self, moment: datetime, tier: str | None) -> Price | None:
        """Give the price in force at a UTC moment; None where the tier has none: the standard price is not its own."""
        from genai_prices.types import ModelPrice

        applied: list[StartDateConstraint | TimeOfDateConstraint | None] = []
        if not isinstance(self.model.prices, ModelPrice):
            constraints = [entry.constraint for entry in reversed(self.model.prices)]
            applied = [next((c for c in constraints if c is None or c.active(moment)), None)]
        if tier is None:
            return price_of(self.model.get_prices(moment), self._version(None, applied))
        context = dict.fromkeys(_TIER_WORDS, tier)
        variants = [
            variant
            for variant in self.model.price_variants or ()
            if vars(variant.prices)
            and (variant.constraint is None or variant.constraint.active(moment))
            and all(context.get(key) == value for key, value in variant.when.items())
        ]
        # Only a provider's own models have tiers: what OpenAI asks for a batch is not what Azure asks.
        if not variants or not any(self.model is own for own in self.provider.models):
            return None
        applied += [variant.constraint for variant in variants]
        return price_of(self.model.get_prices(moment, context), self._version(tier, applied))

    def _version(self, tier: str | None, applied: "list[StartDateConstraint | TimeOfDateConstraint | None]") -> str:
        from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

        dates = [c.start_date for c in applied if isinstance(c, StartDateConstraint)]
        hours = [hours_name(c.start_time, c.end_time) for c in applied if isinstance(c, TimeOfDateConstraint)]
        since = [f"from {max(dates)}"] if dates else []
        name = f"{self.provider.id}/{self.model.id}"
        return " ".join(["genai-prices", self.edition, name, *([tier] if tier else []), *since, *hours])


@dataclass(frozen=True)
class Catalogue:
    """One edition of genai-prices' data, and from when on it was known; None is the one that is installed."""

    edition: str
    known_from: datetime | None
    data: "DataSnapshot"

    def listing(self, provider: str, model: str) -> Listing | None:
        """Find a provider's model by any name genai-prices knows, dates and suffixes included; None if it has none."""
        owner = next((known for known in self.data.providers if known.id == provider), None)
        if owner is None:
            return None
        for name in model_names(provider, model):
            try:
                return Listing(*self.data.find_provider_model(name, owner, None, None), self.edition)
            except LookupError:
                continue
        return None


@cache
def installed() -> Catalogue:
    """Give the data that came with the installed genai-prices."""
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    return Catalogue(__version__, None, get_snapshot())


def seller(provider: str, model: str) -> tuple[str, str]:
    """Give whose list a provider's id and its model stand in: their own, but for a router that adds nothing."""
    owner, _, name = model.partition("/")
    return (provider_id(owner), name) if provider in _AT_COST and name else (provider, model)


def model_names(provider: str, model: str) -> tuple[str, ...]:
    """Give a model's name, and the same without a router's prefix where that repeats the provider."""
    prefix, _, rest = model.partition("/")
    return (model, rest) if rest and provider_id(prefix) == provider else (model,)


def hours_name(start: time, end: time) -> str:
    """Hours of the day in UTC, as a price's version spells them."""
    return f"{_utc(start):%H:%M}-{_utc(end):%H:%M}"


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()


def _places(price: Decimal) -> int:
    return max(0, -int(price.normalize(CONTEXT).as_tuple().exponent))
