"""The price book is genai-prices' own arithmetic in whole pico-dollars, with dated entries over it."""

import random
import time
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, localcontext
from typing import Any

import genai_prices
import polars as pl
import pytest
from genai_prices.data_snapshot import get_snapshot

from warehouse.price_overlay import Overlay
from warehouse.price_sources import CLASSES
from warehouse.prices import PriceBook

NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 requested_at is naive UTC
EITHER_SIDE = (timedelta(microseconds=-1), timedelta())
TIERS = (None, "standard", "batch", "flex", "priority", "fast")
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("provider", "model", "service_tier", "region"), pl.String()),
    "requested_at": pl.Datetime("us"),
    **dict.fromkeys((*CLASSES, "input_tokens", "output_tokens"), pl.Int64()),
}


def call(provider: str, model: str, tier: str | None = None, at: datetime = NOON, **given: Any) -> dict[str, Any]:
    """Make a call of the given token classes; `region` may be given too."""
    tokens = {name: given.get(name, 0) for name in CLASSES}
    totals = {"input_tokens": sum(tokens[n] for n in CLASSES[:6]), "output_tokens": sum(tokens[n] for n in CLASSES[6:])}
    named = {"provider": provider, "model": model, "service_tier": tier, "region": given.get("region")}
    return {**named, "requested_at": at, **tokens, **totals}


def frame(*calls: dict[str, Any]) -> pl.DataFrame:
    """Put calls as the models hand them to the book."""
    return pl.DataFrame(calls, schema=SCHEMA)


def costs(book: PriceBook, *calls: dict[str, Any]) -> list[int | None]:
    """Ask the book what each call costs, in pico-dollars."""
    return book.price(frame(*calls))["list_cost_pico_usd"].to_list()


def judged(row: dict[str, Any]) -> int | None:
    """Ask genai-prices itself what a call costs, in pico-dollars; None where it has no price for it."""
    usage = genai_prices.Usage(
        input_tokens=row["input_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        cache_write_tokens=row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"],
        cache_write_5m_tokens=row["cache_write_5m_tokens"],
        cache_write_1h_tokens=row["cache_write_1h_tokens"],
        input_audio_tokens=row["audio_in_tokens"],
        cache_audio_read_tokens=0,
        input_image_tokens=row["image_in_tokens"],
        cache_image_read_tokens=0,
        output_tokens=row["output_tokens"],
        output_reasoning_tokens=row["reasoning_out_tokens"],
        output_audio_tokens=row["audio_out_tokens"],
    )
    try:
        _, model = get_snapshot().find_provider_model(row["model"], None, row["provider"], None)
    except LookupError:
        return None
    tier = row["service_tier"]
    context = None if tier in {None, "standard"} else {"processing": tier, "service_tier": tier, "speed": tier}
    if context and not any(
        vars(variant.prices)
        and set(variant.when.items()) <= set(context.items())
        and (variant.constraint is None or variant.constraint.active(row["requested_at"]))
        for variant in model.price_variants or ()
    ):
        return None
    with localcontext() as exact:
        exact.prec = 60
        price = genai_prices.calc_price(
            usage,
            row["model"],
            provider_id=row["provider"],
            genai_request_timestamp=row["requested_at"],
            price_context=context,
        )
        if vars(price.model_price) and price.model_price.input_mtok is None:
            return None
        return int((price.total_price * 10**12).to_integral_value(ROUND_HALF_EVEN))


def random_calls(count: int, seed: int) -> list[dict[str, Any]]:
    """Make up calls of genai-prices' own models, of every tier, over three years, across every size of context."""
    dice = random.Random(seed)  # noqa: S311 no secret
    models = [
        (provider.id, model.id, bool(model.price_variants))
        for provider in get_snapshot().providers
        for model in provider.models
    ]
    varied = [one for one in models if one[2]]
    start = datetime(2025, 1, 1)  # noqa: DTZ001 requested_at is naive UTC
    calls = []
    for _ in range(count):
        provider, model, has_tiers = dice.choice(varied if dice.random() < 0.3 else models)
        most = 10 ** dice.randint(1, 9)
        tokens = {name: dice.choice((0, dice.randint(1, most))) for name in CLASSES}
        tokens["uncached_tokens"] += 1  # a call without tokens is free here; genai-prices still asks a fee
        tier = dice.choice(TIERS) if has_tiers else dice.choice(TIERS[:3])
        calls.append(call(provider, model, tier, start + timedelta(seconds=dice.randint(0, 3 * 365 * 86400)), **tokens))
    return calls


def assert_equal_to_genai_prices(count: int, seed: int) -> None:
    """Compare a whole frame with genai-prices, call by call."""
    calls = random_calls(count, seed)
    expected = [judged(one) for one in calls]
    wrong = [
        (one, want, got)
        for one, want, got in zip(calls, expected, costs(PriceBook(Overlay(())), *calls), strict=True)
        if want != got
    ]
    assert not wrong, wrong[:3]
    assert sum(want is not None and want > 0 for want in expected) > count / 2, "most calls are priced"


def test_costs_are_those_of_genai_prices() -> None:
    """Ten thousand random calls cost to the pico-dollar what genai-prices' own calculation says."""
    assert_equal_to_genai_prices(10_000, seed=1)


@pytest.mark.soak
def test_costs_of_many_calls_are_those_of_genai_prices() -> None:
    """A hundred thousand more do."""
    assert_equal_to_genai_prices(100_000, seed=2)


def test_rows_come_back_as_they_were() -> None:
    """The frame keeps its rows, their order and its columns, and gains three."""
    calls = frame(*random_calls(500, seed=3))
    priced = PriceBook.load().price(calls)
    assert priced.drop("list_cost_pico_usd", "price_version", "context_band").equals(calls)
    assert priced.schema["list_cost_pico_usd"] == pl.Int64
    assert PriceBook.load().price(calls.clear()).is_empty()


def test_an_unknown_price_is_null_and_a_call_without_tokens_is_free() -> None:
    """Nothing is known of a server of one's own or of a model billed by the hour; a call without tokens costs 0."""
    calls = [
        call("custom_openai", "gpt-4o", uncached_tokens=1),
        call("openai", "gpt-nobody-knows", uncached_tokens=1),
        call("openai", "whisper-1", uncached_tokens=1),
        call("custom_openai", "gpt-4o"),
        call("openai", "gpt-4o"),
        call("perplexity", "sonar"),
    ]
    priced = PriceBook.load().price(frame(*calls))
    assert priced["list_cost_pico_usd"].to_list() == [None, None, None, 0, 0, 0]
    version = f"genai-prices {genai_prices.__version__}"
    known = [f"{version} openai/gpt-4o", f"{version} perplexity/sonar"]
    assert priced["price_version"].to_list() == [None, None, None, None, *known]


@pytest.mark.parametrize("tier", ["standard", "default", "auto", "", "Default", None])
def test_standard_tiers_have_the_standard_price(tier: str | None) -> None:
    """However a gateway spells the standard tier, a million tokens of gpt-4o cost 2.50 dollars."""
    assert costs(PriceBook.load(), call("openai", "gpt-4o", tier, uncached_tokens=10**6)) == [2_500_000_000_000]


@pytest.mark.parametrize("tier", ["scale", "flex", "batches", "ultrafast"])
def test_a_tier_without_a_price_is_unpriced(tier: str) -> None:
    """The standard price is never taken for another tier's."""
    assert costs(PriceBook.load(), call("openai", "gpt-4o", tier, uncached_tokens=1)) == [None]


@pytest.mark.parametrize(
    ("provider", "model", "known"),
    [
        ("vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("vertex_ai-language-models", "gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gemini", "gemini/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gcp.gemini", "gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("bedrock", "amazon.nova-micro-v1:0", "aws/amazon.nova-micro-v1:0"),
        ("aws.bedrock", "amazon.nova-micro-v1:0", "aws/amazon.nova-micro-v1:0"),
        ("azure", "gpt-4o-2024-08-06", "azure/gpt-4o"),
        ("azure.ai.openai", "gpt-4o", "azure/gpt-4o"),
        ("openai", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("OpenAI", "gpt-5.2-20251211", "openai/gpt-5.2"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("xai", "grok-4.3", "x-ai/grok-4.3"),
        ("groq", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("together_ai", "MiniMaxAI/MiniMax-M3", "together/MiniMaxAI/MiniMax-M3"),
        ("openrouter", "anthropic/claude-haiku-4.5", "openrouter/anthropic/claude-haiku-4.5"),
    ],
)
def test_gateways_names_are_understood(provider: str, model: str, known: str) -> None:
    """Providers as gateways write them, and models with dates, suffixes and prefixes, find their price."""
    version = PriceBook(Overlay(())).price(frame(call(provider, model, uncached_tokens=1)))["price_version"].item()
    assert version.split(" from ")[0] == f"genai-prices {genai_prices.__version__} {known}"


def test_a_context_above_the_threshold_costs_more_for_the_whole_call() -> None:
    """One token above 200,000, cached ones included, every token of the call has the long context's price."""
    below = call("google", "gemini-2.5-pro", uncached_tokens=100_000, cache_read_tokens=100_000)
    above = call("google", "gemini-2.5-pro", uncached_tokens=100_001, cache_read_tokens=100_000)
    priced = PriceBook.load().price(frame(below, above))
    assert priced["context_band"].to_list() == ["<=200k", ">200k"]
    assert priced["list_cost_pico_usd"].to_list() == [
        100_000 * 1_250_000 + 100_000 * 125_000,
        100_001 * 2_500_000 + 100_000 * 250_000,
    ]


def test_a_price_changes_within_a_day_and_on_a_date() -> None:
    """The hours of DeepSeek's discount and the day a flex price begins part the calls of one frame."""
    book = PriceBook(Overlay(()))
    hours = [datetime(2025, 3, 1, hour, 30) for hour in (0, 16)]  # noqa: DTZ001 requested_at is naive UTC
    calls = [
        *(call("deepseek", "deepseek-chat", at=at + late, uncached_tokens=100) for at in hours for late in EITHER_SIDE),
        *(call("openai", "gpt-5", "flex", datetime(2026, 10, 12) + late, uncached_tokens=8) for late in EITHER_SIDE),  # noqa: DTZ001 the same
    ]
    assert costs(book, *calls) == [13_500_000, 27_000_000, 27_000_000, 13_500_000, None, 5_000_000]
    priced = book.price(frame(*calls))["price_version"]
    version = f"genai-prices {genai_prices.__version__}"
    assert priced[1] == f"{version} deepseek/deepseek-chat 00:30-16:30"
    assert priced[5] == f"{version} openai/gpt-5 flex from 2026-10-12"


@pytest.mark.soak
def test_a_large_day_is_priced_in_a_moment() -> None:
    """A day of 333,000 calls of sixty services takes a fraction of a second."""
    some = frame(*random_calls(60, seed=4)).with_columns(requested_at=pl.lit(NOON).cast(pl.Datetime("us")))
    day = pl.concat([some] * 5_550).rechunk()
    book = PriceBook.load()
    book.price(some)
    started = time.perf_counter()
    book.price(day)
    assert time.perf_counter() - started < 1
