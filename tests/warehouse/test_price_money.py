"""Money at scale: every cost of millions of calls is the one that plain decimal arithmetic gives."""

import random
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from warehouse.price_sources import CLASSES
from warehouse.prices import PriceBook

NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 requested_at is naive UTC
KEYS = (
    "input_mtok",
    "cache_read_mtok",
    "cache_write_5m_mtok",
    "cache_write_1h_mtok",
    "input_audio_mtok",
    "input_image_mtok",
    "output_mtok",
    "output_reasoning_mtok",
    "output_audio_mtok",
)
ABOVE = 200_000
BATCH = 500_000


def rates(dice: random.Random, places: int) -> dict[str, Decimal]:
    """Prices of up to 80 dollars a million tokens with so many decimals."""
    return {key: Decimal(dice.randrange(1, 80 * 10**places)).scaleb(-places) for key in KEYS}


def written(model: str, low: dict[str, Decimal], high: dict[str, Decimal]) -> str:
    """One price with a long context as the file has it."""
    head = f'[[price]]\nprovider = "ours"\nmodel = "{model}"\nvalid_from = 2026-01-01\nsource = "a test"\n'
    named = ["".join(f'{key} = "{rate:f}"\n' for key, rate in each.items()) for each in (low, high)]
    return f"{head}{named[0]}[[price.long_context]]\nabove_tokens = {ABOVE}\n{named[1]}"


def drawn(count: int, models: list[str], seed: int) -> pl.DataFrame:
    """Calls of every class; sizes from nothing to far above the threshold."""
    dice = np.random.default_rng(seed)
    sizes = np.array((0, 0, 0, 10, 1_000, 100_000, 900_000))
    tokens = {name: dice.integers(0, dice.choice(sizes, count) + 1) for name in CLASSES}
    return pl.DataFrame({"model": dice.choice(models, count), **tokens}).with_columns(
        pl.lit("ours").alias("provider"),
        pl.lit(None, pl.String).alias("service_tier"),
        pl.lit(None, pl.String).alias("region"),
        pl.lit(NOON).cast(pl.Datetime("us")).alias("requested_at"),
        pl.sum_horizontal(CLASSES[:6]).alias("input_tokens"),
    )


def assert_exact(count: int, folder: Path) -> None:
    """Compare each call and the sum with Decimal, in batches."""
    dice = random.Random(5)  # noqa: S311 no secret
    priced = {
        f"model-{n}": [rates(dice, places) for _ in "lh"] for n, places in enumerate([0, 1, 2, 4, 6, 7, 9, 12, 18])
    }
    (folder / "own.toml").write_text("".join(written(model, *both) for model, both in priced.items()))
    book = PriceBook.load([folder / "own.toml"])
    total, expected = 0, Decimal(0)
    with localcontext() as exact:
        exact.prec = 60
        apiece = {model: [[rate / 10**6 for rate in each.values()] for each in both] for model, both in priced.items()}
        for number, start in enumerate(range(0, count, BATCH)):
            calls = drawn(min(BATCH, count - start), list(priced), seed=number)
            costs = book.price(calls)["list_cost_pico_usd"].to_list()
            for (model, *tokens), cost in zip(calls.select("model", *CLASSES).iter_rows(), costs, strict=True):
                band = apiece[model][sum(tokens[:6]) > ABOVE]
                usd = sum((n * rate for n, rate in zip(tokens, band, strict=True) if n), Decimal(0))
                whole = usd.quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
                assert cost == whole.scaleb(12), (model, tokens)
                expected += whole
            total += sum(costs)
        assert Decimal(total).scaleb(-12) - expected == 0


def test_costs_are_those_of_decimal_arithmetic(tmp_path: Path) -> None:
    """Thirty thousand calls of prices with up to eighteen decimals."""
    assert_exact(30_000, tmp_path)


@pytest.mark.soak
def test_ten_million_costs_are_those_of_decimal_arithmetic(tmp_path: Path) -> None:
    """Ten million: no call, and so no sum, is one pico-dollar off."""
    assert_exact(10_000_000, tmp_path)
