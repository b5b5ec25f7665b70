"""How far each bill is read: in the mart, on the page and in `today`, without a version for every look."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.bills.biller import billers
from pipelines.bills.pull import pull_or_say
from pipelines.commands import today
from tests.pipelines.billed_world import ENDS, World, world
from warehouse import database

NOW = ENDS + timedelta(hours=14)


@pytest.fixture
def billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> Iterator[World]:
    """A week of one world."""
    assert master_key
    with world(tmp_path, monkeypatch) as made:
        yield made


def bills(made: World) -> list[tuple[object, ...]]:
    """What the mart says of bills."""
    return made.query(
        """SELECT source, last_day, last_read_on, rows > 0, skipped FROM mart.freshness
           WHERE kind = 'bill' ORDER BY source"""
    )


def told(made: World) -> list[str]:
    """What `apiledger today` says of sources."""
    with database.published(made.home) as connection:
        lines = list(today.told(today.read(connection, NOW), NOW))
    return [line for line in lines if line.startswith(("Bill", "Newest"))]


def test_a_bill_says_how_far_it_is_read(billed: World) -> None:
    """The newest day told, the day of the last reading, and no reason to be skipped; logs are as they were."""
    billed.take_in(NOW)
    last, read_on = date(2026, 6, 30), date(2026, 7, 1)
    assert bills(billed) == [("anthropic", last, read_on, True, None), ("openai", last, read_on, True, None)]
    assert billed.query("SELECT source, files > 0 FROM mart.freshness WHERE kind = 'log'") == [("gateway_jsonl", True)]
    log, *rest = told(billed)
    assert log.endswith("(gateway_jsonl)")
    assert rest == [
        "Bill               up to 30 Jun, read on 01 Jul (anthropic)",
        "Bill               up to 30 Jun, read on 01 Jul (openai)",
    ]


@pytest.mark.soak
def test_looking_again_publishes_nothing_and_a_silent_provider_is_said_once(billed: World) -> None:
    """A pull that tells nothing new makes no version; a silent provider makes one, and one more when it is back."""
    billed.take_in(NOW)

    def version_after(hours: int, *faults: int) -> int | None:
        billed.apis["openai"].faults = list(faults)
        moment = NOW + timedelta(hours=hours)
        pull_or_say(billed.home, billers()["openai"], moment, lambda *_: None)
        billed.apis["openai"].faults = list(faults)
        billed.take_in(moment)
        return database.current_version(billed.home)

    assert [version_after(1), version_after(2)] == [1, 1]
    assert version_after(3, 404) == 2
    assert "status 404" in str(bills(billed)[1][4])
    assert told(billed)[2].endswith("(openai): OpenAI /organization/costs: status 404; look at its changelog")
    assert version_after(4, 404) == 2
    assert version_after(5) == 3
    assert bills(billed)[1][4] is None


def test_calls_that_a_bill_pays_for_are_not_told_as_unpriced() -> None:
    """Of two days with calls of a model without a price, the one with the account's bill is in the sum."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE SCHEMA mart;
            CREATE TABLE mart.spend_daily (day DATE, account VARCHAR, provider VARCHAR, model VARCHAR, requests BIGINT,
                cost_usd DECIMAL(38,12), unpriced_requests BIGINT, basis VARCHAR);
            INSERT INTO mart.spend_daily VALUES
                ('2026-07-01', 'acme', 'openai', 'house-model', 3, NULL, 3, 'log'),
                ('2026-07-01', 'acme', 'openai', NULL, 0, 12.5, 0, 'bill'),
                ('2026-07-01', 'acme', 'groq', 'other-model', 2, NULL, 2, 'log'),
                ('2026-07-01', 'tandem', 'openai', 'house-model', 1, NULL, 1, 'log');
            CREATE TABLE mart.freshness (source VARCHAR, last_request_at TIMESTAMP, kind VARCHAR, last_day DATE,
                last_read_on DATE, skipped VARCHAR);
            CREATE TABLE mart.published AS SELECT 1 AS version, TIMESTAMP '2026-07-01' AS as_of, 'own' AS home;
            """
        )
        found = today.read(connection, NOW)
    assert found.month_usd == Decimal("12.5")
    assert found.unpriced == (("other-model", 2), ("house-model", 1))


@pytest.mark.soak
def test_a_provider_that_was_never_reached_is_said(billed: World) -> None:
    """Without a day told, the reason stands there alone."""
    billed.apis["openai"].faults = [404]
    pull_or_say(billed.home, billers()["openai"], NOW, lambda *_: None)
    billed.apis["openai"].faults = [404]
    billed.take_in(NOW)
    assert told(billed)[2].startswith("Bill               no day yet (openai): OpenAI")
