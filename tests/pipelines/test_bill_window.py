"""What is measured of a source's bills decides when a day has settled and how far back days are asked for."""

from collections.abc import Iterator
from datetime import timedelta

import duckdb
import pytest

from pipelines.bills.biller import billers
from tests.pipelines.bill_moves import FIRST, each_day, moved, restated
from warehouse import migrations

OPENAI, ANTHROPIC, OPENROUTER = (billers()[name] for name in ("openai", "anthropic", "openrouter"))


@pytest.fixture(scope="module")
def made() -> Iterator[duckdb.DuckDBPyConnection]:
    """A build without a row."""
    with duckdb.connect() as connection:
        migrations.make(connection)
        yield connection


@pytest.fixture
def build(made: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A build in which nothing has moved yet."""
    made.execute("DELETE FROM model.change")
    return made


def test_the_longest_that_was_seen_takes_the_place_of_what_is_assumed(build: duckdb.DuckDBPyConnection) -> None:
    """Longer or shorter than it, and never for less than a day."""
    assert OPENAI.window(build) == (3, "assumed")
    moved(build, each_day(70))
    assert OPENAI.window(build) == (1, "measured")
    moved(build, [restated(20, 6), restated(30, 2)])
    assert OPENAI.window(build) == (6, "measured")
    assert OPENAI.as_measured(build).lookback_days == 6


def test_without_two_months_of_days_it_is_assumed(build: duckdb.DuckDBPyConnection) -> None:
    """Days that may still move so late are not counted; nor are many bills of the same days."""
    moved(build, [*each_day(61), restated(3, 5)])
    assert OPENAI.window(build) == (3, "assumed")
    moved(build, [*each_day(61, number=2), restated(3, 5, number=2)])
    assert OPENAI.window(build) == (3, "assumed")
    moved(build, each_day(70, number=2)[61:])
    assert OPENAI.window(build) == (5, "measured")


def test_what_was_late_by_us_is_not_the_providers(build: duckdb.DuckDBPyConnection) -> None:
    """Two weeks in which nobody asked, and the days of before it was connected, say nothing of how it corrects."""
    usual = each_day(90)
    away = [(*move[:4], 45 - number, "first") for number, move in enumerate(usual) if 30 <= number < 44]
    moved(build, [*usual[:30], *away, *usual[44:], ("openai", "openai", 1, FIRST - timedelta(days=40), 41, "first")])
    assert OPENAI.window(build) == (1, "measured")
    # A line that came while it was asked daily is late by the provider.
    moved(build, [("openai", "openai", 1, FIRST + timedelta(days=60), 9, "first")])
    assert OPENAI.window(build) == (9, "measured")


def test_what_a_provider_publishes_stands_and_nothing_is_asked_beyond_reach(build: duckdb.DuckDBPyConnection) -> None:
    """Anthropic says 30 days; OpenRouter's days are a question each, so no more of them than are looked at at all."""
    moved(build, each_day(90, "anthropic"))
    assert ANTHROPIC.window(build) == (30, "published")
    moved(build, [*each_day(90, "openrouter", 2), restated(5, 20, "openrouter", 2)])
    assert OPENROUTER.window(build) == (2, "measured")
    # What logs tell is no bill.
    moved(build, each_day(90), basis="log")
    assert OPENAI.window(build) == (3, "assumed")
