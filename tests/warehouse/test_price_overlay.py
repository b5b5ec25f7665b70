"""The dated overlay: what it adds to genai-prices, what it never does, and how it says what is wrong with a file."""

import gzip
import json
import tomllib
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from warehouse import prices
from warehouse.errors import WarehouseError
from warehouse.price_overlay import Overlay
from warehouse.price_sources import CLASSES
from warehouse.prices import PriceBook

NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 requested_at is naive UTC
OVERLAY = Path(prices.__file__).with_name("prices.toml")
SHEET = (
    Path(__file__).resolve().parents[2] / "../shared/data/litellm_model_prices/model_prices_and_context_window.json.gz"
)
SHEET_KEYS = {
    "input_mtok": "input_cost_per_token",
    "output_mtok": "output_cost_per_token",
    "cache_read_mtok": "cache_read_input_token_cost",
    "cache_write_mtok": "cache_creation_input_token_cost",
    "input_audio_mtok": "input_cost_per_audio_token",
}
SUFFIXES = {"batch": "_batches", "priority": "_priority", "flex": "_flex", None: ""}


def price(book: PriceBook, provider: str, model: str, tier: str | None = None, **given: Any) -> tuple[Any, ...]:
    """Price one call: its cost in pico-dollars, the price's version and its context band."""
    at = given.pop("at", NOON)
    row = {"provider": provider, "model": model, "service_tier": tier, "region": given.pop("region", None)}
    tokens = {**dict.fromkeys(CLASSES, 0), **given}
    text = dict.fromkeys(row, pl.String)
    calls = pl.DataFrame([{**row, **tokens}], schema_overrides=text).with_columns(
        pl.lit(at).cast(pl.Datetime("us")).alias("requested_at"),
        pl.sum_horizontal(CLASSES[:6]).alias("input_tokens"),
        pl.sum_horizontal(CLASSES[6:]).alias("output_tokens"),
    )
    return book.price(calls).select("list_cost_pico_usd", "price_version", "context_band").row(0)


def own(folder: Path, text: str) -> Path:
    """Write an overlay file of one's own."""
    path = folder / "own.toml"
    path.write_text(text)
    return path


def entry(**given: str | None) -> str:
    """Write one entry in TOML; the values are TOML themselves, and None leaves a field out."""
    fields: dict[str, str | None] = {
        "provider": '"openai"',
        "model": '"gpt-4o"',
        "valid_from": "2026-11-01",
        "source": '"a contract"',
        "input_mtok": '"1"',
        "output_mtok": '"2"',
        **given,
    }
    return "\n".join(["[[price]]", *(f"{key} = {value}" for key, value in fields.items() if value is not None)]) + "\n"


def test_an_entry_supersedes_the_list_from_its_day_until_its_last(tmp_path: Path) -> None:
    """Before and after, genai-prices' price stays what it was; in between the entry is named with its date."""
    book = PriceBook.load([own(tmp_path, entry(valid_to="2026-11-21", service_tier='"standard"'))])
    day = timedelta(days=1)
    before = price(book, "openai", "gpt-4o", at=datetime(2026, 10, 31, 23, 59, 59), uncached_tokens=2)  # noqa: DTZ001 UTC
    assert before[0] == 5_000_000
    assert price(book, "openai", "gpt-4o-2024-08-06", uncached_tokens=2, text_out_tokens=3) == (
        8_000_000,
        "overlay 2026-11-01 openai/gpt-4o",
        None,
    )
    assert price(book, "openai", "gpt-4o", at=NOON + day, uncached_tokens=2)[0] == 5_000_000


def test_the_latest_entry_in_force_wins(tmp_path: Path) -> None:
    """A price is superseded by a later one, whatever the order in the file, and both stay."""
    text = entry(valid_from="2026-11-15", input_mtok='"3"') + entry()
    book = PriceBook.load([own(tmp_path, text)])
    assert price(book, "openai", "gpt-4o", uncached_tokens=1)[0] == 3_000_000
    assert price(book, "openai", "gpt-4o", at=NOON - timedelta(days=10), uncached_tokens=1)[0] == 1_000_000


def test_a_tier_a_region_hours_and_weekdays_each_have_their_price(tmp_path: Path) -> None:
    """The most particular entry holds: region before clock, clock before none; another tier is untouched."""
    text = (
        entry(provider='"my_gpu"', model='"Llama"')
        + entry(provider='"my_gpu"', model='"llama"', region='"EU"', input_mtok='"2"')
        + entry(provider='"my_gpu"', model='"llama"', from_time="22:00:00", until_time="06:00:00", input_mtok='"0.5"')
        + entry(provider='"my_gpu"', model='"llama"', weekdays="[6, 7]", input_mtok='"0.25"')
    )
    book = PriceBook.load([own(tmp_path, text)])
    assert price(book, "my_gpu", "llama", uncached_tokens=4)[0] == 4_000_000
    assert price(book, "my_gpu", "my_gpu/llama", region="eu", uncached_tokens=4)[0] == 8_000_000
    assert price(book, "my_gpu", "llama", region="us", uncached_tokens=4)[0] == 4_000_000
    night = price(book, "my_gpu", "llama", at=NOON.replace(hour=22), uncached_tokens=4)
    assert night[:2] == (2_000_000, "overlay 2026-11-01 my_gpu/llama 22:00-06:00")
    assert price(book, "my_gpu", "llama", at=NOON.replace(hour=6), uncached_tokens=4)[0] == 4_000_000
    assert price(book, "my_gpu", "llama", at=NOON + timedelta(days=1), uncached_tokens=4)[0] == 1_000_000
    assert price(book, "my_gpu", "llama", "batch", uncached_tokens=4)[0] is None


def test_weekends_and_nights_part_the_calls_of_one_frame(tmp_path: Path) -> None:
    """Over a fortnight of hourly calls, each has the price of its own hour and weekday."""
    night = entry(model='"mine"', from_time="22:00:00", until_time="06:00:00", input_mtok='"0.5"')
    book = PriceBook.load([own(tmp_path, entry(model='"mine"', weekdays="[6, 7]", input_mtok='"0.25"') + night)])
    hours = [NOON + timedelta(hours=hour) for hour in range(24 * 14)]
    alone = [price(book, "openai", "mine", at=hour, uncached_tokens=4)[0] for hour in hours]
    calls = pl.DataFrame({"requested_at": hours}).with_columns(
        pl.lit("openai").alias("provider"),
        pl.lit("mine").alias("model"),
        pl.lit(None, pl.String).alias("service_tier"),
        pl.lit(None, pl.String).alias("region"),
        pl.lit(4).alias("input_tokens"),
        *(pl.lit(4 * (name == "uncached_tokens")).alias(name) for name in CLASSES),
    )
    assert book.price(calls)["list_cost_pico_usd"].to_list() == alone
    assert set(alone) == {None, 1_000_000, 2_000_000}


def test_a_long_context_of_an_entry_costs_more_for_the_whole_call(tmp_path: Path) -> None:
    """The band begins above the tokens the entry names."""
    above = '[[price.long_context]]\nabove_tokens = 1000\ninput_mtok = "10"\noutput_mtok = "20"\n'
    book = PriceBook.load([own(tmp_path, entry() + above)])
    assert price(book, "openai", "gpt-4o", uncached_tokens=1000)[::2] == (1_000_000_000, "<=1k")
    assert price(book, "openai", "gpt-4o", cache_read_tokens=1001)[::2] == (10_010_000_000, ">1k")


def test_prices_of_many_decimals_are_rounded_once_half_even(tmp_path: Path) -> None:
    """Tokens at 0.0000005 dollars a million are half a pico-dollar each: the sum is rounded, to even at a tie."""
    book = PriceBook.load([own(tmp_path, entry(input_mtok='"0.0000005"', output_mtok='"0.0000001"'))])
    assert [price(book, "openai", "gpt-4o", uncached_tokens=n)[0] for n in (1, 2, 3, 5, 7)] == [0, 1, 2, 2, 4]
    assert price(book, "openai", "gpt-4o", uncached_tokens=1, text_out_tokens=1)[0] == 1


def test_no_cost_wraps_around(tmp_path: Path) -> None:
    """A billion tokens a class at 1000 dollars fit; at a million dollars the cost is NULL, and more is refused."""
    most: dict[str, Any] = dict.fromkeys(CLASSES, 10**9)
    book = PriceBook.load([own(tmp_path, entry(input_mtok='"1000"', output_mtok='"1000"'))])
    assert price(book, "openai", "gpt-4o", **most)[0] == 9 * 10**18
    dear = PriceBook.load([own(tmp_path, entry(input_mtok='"1000000"', output_mtok='"0.000000000000000001"'))])
    assert price(dear, "openai", "gpt-4o", **most)[0] is None
    assert price(dear, "openai", "gpt-4o", uncached_tokens=9_000_000)[0] == 9 * 10**18
    with pytest.raises(WarehouseError, match="quarantine"):
        price(dear, "openai", "gpt-4o", uncached_tokens=2**62)


def test_a_price_is_never_overwritten(tmp_path: Path) -> None:
    """A second price for the same service and day is an error that says what to do instead."""
    with pytest.raises(WarehouseError, match=r"own.toml: the price 2026-11-01 openai/gpt-4o is already there.*later"):
        PriceBook.load([own(tmp_path, entry() + entry(input_mtok='"9"'))])


def test_a_file_that_is_not_there_adds_nothing(tmp_path: Path) -> None:
    """A home without an overlay of its own is the common case."""
    assert PriceBook.load([tmp_path / "prices.toml"]) == PriceBook.load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (entry(input_mtok="1.5"), r"number 1 \(openai/gpt-4o\), input_mtok: .*in quotes"),
        (entry(input_mtok='"NaN"'), r"number 1 \(openai/gpt-4o\), input_mtok"),
        (entry(output_mtok='"-1"'), r"number 1 \(openai/gpt-4o\), output_mtok"),
        (entry() + entry(valid_from=None), r"number 2 \(openai/gpt-4o\), valid_from: Field required"),
        (entry(source=None), "source: Field required"),
        (entry(inputs_mtok='"1"'), "inputs_mtok: Extra inputs"),
        (entry(valid_to="2026-11-01"), "valid_to .* after valid_from"),
        (entry(from_time="01:00:00"), "both from_time and until_time"),
        (entry(weekdays="[0]"), "weekdays"),
        (entry() + '[[price.long_context]]\nabove_tokens = 5\ninput_mtok = "1"\n', "same prices as the entry"),
        ('prices = "all"', r"prices: .*list of \[\[price\]\], .* tables"),
        ("price = [1]", r"number 1 \(\?\)"),
        ("[[price", "is no TOML.*mend that line"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file, the entry, the field and the fix."""
    with pytest.raises(WarehouseError, match=told) as error:
        PriceBook.load([own(tmp_path, text)])
    assert str(error.value).startswith("own.toml")


def test_batches_of_before_hand_over_to_genai_prices_without_a_step() -> None:
    """On 2026-10-14 genai-prices' own batch prices begin: the same call costs the same, in either context band."""
    mine = PriceBook.load()
    ended = [e for e in mine.overlay.entries if e.service_tier == "batch" and e.valid_to is not None]
    assert len(ended) >= 10
    for each in ended:
        for size in (1_000, 300_000):
            tokens = {name: size + at for at, name in enumerate(CLASSES)}
            eve, day = (
                price(mine, each.provider, each.model, "batch", at=datetime(2026, 10, on, 12), **tokens)  # noqa: DTZ001 UTC
                for on in (13, 14)
            )
            assert eve[1] == f"overlay {each.name}"
            assert day[1].startswith("genai-prices")
            assert eve[0] == day[0], each.name


@pytest.mark.skipif(not SHEET.exists(), reason="the price sheet lies beside the repository, not in it")
def test_entries_say_what_their_source_says() -> None:
    """Each price read off the price sheet is the one that stands there, times a million."""
    sheet = json.loads(gzip.decompress(SHEET.read_bytes()), parse_float=Decimal)
    read = 0
    for each in Overlay.read([OVERLAY]).entries:
        where, _, key = each.source.partition(" price sheet: ")
        if where != "litellm 1.106.2":
            continue
        told = sheet[key.partition(";")[0]]
        for name, usd in each.named().items():
            if name in SHEET_KEYS:
                standard = told.get(SHEET_KEYS[name]) if name == "cache_read_mtok" else None
                assert usd == told.get(SHEET_KEYS[name] + SUFFIXES[each.service_tier], standard) * 10**6, each.name
                read += 1
    assert read > 60


def test_every_entry_of_ours_is_for_a_service_that_can_be_asked_for() -> None:
    """Asking for an entry's provider, model and tier in its time finds that very entry: no name is misspelt."""
    book = PriceBook.load()
    assert len(book.overlay.entries) == len(tomllib.loads(OVERLAY.read_text())["price"])
    for each in book.overlay.entries:
        first = datetime.combine(each.valid_from, each.from_time or NOON.time())
        days = (first + timedelta(days=late) for late in range(7))
        found = {
            price(book, each.provider, each.model, each.service_tier, at=day, uncached_tokens=1)[1] for day in days
        }
        assert f"overlay {each.name}" in found
