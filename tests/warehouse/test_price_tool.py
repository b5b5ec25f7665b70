"""A tool's fee has a source, days and a moment it was learned, by model or for all; a bill's words name the tool."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from warehouse import price_tool
from warehouse.errors import WarehouseError
from warehouse.price_knowledge import Horizon
from warehouse.prices import PriceBook

NOON = datetime(2026, 6, 10, 12)  # noqa: DTZ001 (naive UTC)
OWN = """
[[tool]]
provider = "openai"
tool = "web_search"
model = "gpt-4o"
usd_per_thousand = "12"
valid_from = 2026-06-01
valid_to = 2026-06-20
source = "order form 7"

[[tool]]
provider = "openai"
tool = "web_search"
usd_per_thousand = "9"
valid_from = 2026-06-01
source = "a test"
"""
CORRECTED = """
[[tool]]
provider = "openai"
tool = "file_search"
usd_per_thousand = "3"
valid_from = 2026-06-01
known_from = 2026-06-15T00:00:00Z
source = "a test"
"""


def book(folder: Path, text: str) -> PriceBook:
    """The project's prices with some of one's own."""
    (folder / "prices.toml").write_text(text)
    return PriceBook.load([folder / "prices.toml"])


def usd(
    of: PriceBook, tool: str, model: str | None = None, at: datetime = NOON, provider: str = "openai"
) -> str | None:
    """What a thousand uses cost, plainly."""
    found = of.tool(provider, model, tool, at)
    return None if found is None else f"{(found.usd * 1000).normalize():f}"


def test_fees_come_from_genai_prices_where_a_model_is_named_and_from_our_own_list_where_none_is() -> None:
    """Of what nobody lists, such as searches of a model unknown, there is no price; a day before the first has none."""
    shipped = PriceBook.load()
    assert usd(shipped, "web_search", "gpt-4o-2024-08-06") == "10"
    assert usd(shipped, "web_search", "claude-haiku-4-5", provider="anthropic") == "10"
    assert usd(shipped, "web_search", "gemini-2.5-pro", provider="vertex_ai") == "35"
    assert usd(shipped, "file_search") == "2.5"
    assert usd(shipped, "code_interpreter") == "30"
    assert usd(shipped, "code_interpreter", at=datetime(2025, 5, 20)) is None  # noqa: DTZ001 (naive UTC)
    assert usd(shipped, "web_search", "nobody-knows") is None
    assert usd(shipped, "code_interpreter", provider="anthropic") is None
    version = shipped.tool("openai", "gpt-4o", "web_search", NOON)
    assert version is not None
    assert version.version.startswith("genai-prices ")


def test_an_entry_for_a_model_wins_over_the_list_and_the_list_over_one_for_all(tmp_path: Path) -> None:
    """While it holds; a model that nobody lists takes what holds for all."""
    own = book(tmp_path, OWN)
    assert usd(own, "web_search", "gpt-4o") == "12"
    assert usd(own, "web_search", "gpt-4o", datetime(2026, 6, 20)) == "10"  # noqa: DTZ001 (naive UTC)
    assert usd(own, "web_search", "gpt-4.1") == "10"
    assert usd(own, "web_search", "nobody-knows") == "9"


def test_a_fee_that_is_learned_later_changes_no_day_that_was_told_before(tmp_path: Path) -> None:
    """A day that landed before it was known keeps the price of then; one that landed later has the new one."""
    own = book(tmp_path, CORRECTED)
    assert usd(own, "file_search") == "3"
    for landed, worth in ((date(2026, 6, 11), "2.5"), (date(2026, 6, 16), "3")):
        moment = datetime(landed.year, landed.month, landed.day)  # noqa: DTZ001 (naive UTC)
        assert usd(replace(own, horizon=Horizon({NOON.date(): moment})), "file_search") == worth
    assert own.has_learned
    assert own.edition != PriceBook.load().edition


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN.replace('"web_search"', '"mind_reading"'), "web_search, file_search"),
        (OWN.replace("2026-06-20", "2026-05-20"), "valid_to"),
        (OWN.replace('"12"', "12"), "in quotes"),
        (CORRECTED + CORRECTED, "never overwritten"),
    ],
)
def test_what_is_wrong_with_a_fee_is_told(tmp_path: Path, text: str, words: str) -> None:
    """With the file and what to do."""
    with pytest.raises(WarehouseError, match=r"prices\.toml") as caught:
        book(tmp_path, text)
    assert words in str(caught.value)


def test_a_bills_words_name_a_tool_and_those_of_tokens_none() -> None:
    """OpenAI's line items, Anthropic's cost types, Google's grounding."""
    told = {
        "gpt-4o, web search tool calls": "web_search",
        "web_search Web Search Usage": "web_search",
        "Gemini 3 Grounding with Google Search": "web_search",
        "file search tool calls": "file_search",
        "code interpreter": "code_interpreter",
        "code_execution": "code_interpreter",
        "gpt-4o-search-preview, input": None,
        "gpt-4o, cached input": None,
        "": None,
    }
    assert {words: price_tool.named(words) for words in told} == told


def test_a_fee_times_its_uses_is_exact() -> None:
    """As genai-prices calculates it itself."""
    from genai_prices import calc_price
    from genai_prices.types import Usage

    price = PriceBook.load().tool("openai", "gpt-4o", "web_search", NOON)
    assert price is not None
    theirs = calc_price(Usage(web_searches=1234567), "gpt-4o", provider_id="openai").total_price
    assert theirs == price.usd * 1234567 == Decimal("12345.67")
