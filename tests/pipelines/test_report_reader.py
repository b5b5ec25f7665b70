"""What a pull asks: a report never read, from the start; what an older home lacks is no trouble."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.pipelines.billed_world import World, world
from warehouse import database


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week at OpenAI that was pulled once, and no provider's key for the passes."""
    assert master_key
    with world(tmp_path, monkeypatch, days=5, calls=150) as made:
        made.pull("openai")
        yield made


def images(made: World) -> list[tuple[date, Decimal]]:
    """The images that OpenAI counted."""
    with database.held(made.home.build_lock), database.build(made.home) as build:
        return build.execute("SELECT day, quantity FROM raw_openai.usage_images ORDER BY day").fetchall()


def test_a_report_that_a_newer_program_reads_is_read_from_the_start(billed: World) -> None:
    """A connection that was read for long without it gets all of its days, not the look-back window alone."""
    before = images(billed)
    with database.held(billed.home.build_lock), database.build(billed.home) as build:
        build.execute("DROP TABLE raw_openai.usage_images")
    with database.control(billed.home) as control:
        control.execute("DELETE FROM report_day WHERE report = 'usage_images'")
    billed.apis["openai"].asked.clear()
    assert billed.pull("openai").rows == len(before) > 3
    assert images(billed) == before
    costs = [path for path in billed.apis["openai"].asked if "/costs" in path]
    # The others go on from where they were: one question for the last three days.
    assert len(costs) == 1
    assert "limit=3" in costs[0]


@pytest.mark.soak
def test_a_home_of_an_older_program_is_widened(billed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw tables without a new column are read as they are: its rows were told without it."""
    with database.held(billed.home.build_lock), database.build(billed.home) as build:
        build.execute("ALTER TABLE raw_openai.costs DROP COLUMN key_no")
        build.execute("ALTER TABLE model.charges DROP COLUMN fx_day")
        build.execute("DROP TABLE model.estimated_spend CASCADE")
        build.execute("DELETE FROM main.migration WHERE name = 'm008_fx'")
    for name in ("OPENAI_ADMIN_KEY", "ANTHROPIC_ADMIN_KEY"):
        monkeypatch.delenv(name)
    billed.take_in()
    bill = billed.query("SELECT sum(cost_usd) FROM mart.spend_by_source WHERE source = 'bill'")
    assert bill == [(billed.billed("openai"),)]
