"""Vercel's AI Gateway: a report a day, in dollars and disjoint classes of tokens."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.bills.billing_api import Clock
from pipelines.bills.pull import pull
from pipelines.providers.vercel import BILLER
from pipelines.sandbox import vercel_api
from pipelines.sandbox.bill import Bill
from pipelines.sandbox.ground_truth import GroundTruth
from tests.pipelines.fixture_api import answering
from warehouse.home import Home

DAY, AFTER = date(2026, 6, 20), date(2026, 6, 22)
FILES = {"/report": "vercel/report.json"}


def test_a_day_is_what_vercel_charges_and_the_list_price() -> None:
    """Calls with an own key cost nothing here; a quiet day is there, with nothing; the last day asked is included."""
    with answering(FILES) as api:
        days = api.read(BILLER, "costs", DAY, AFTER)
    assert [(row["amount_usd"], row["list_amount_usd"]) for row in days[DAY]] == [
        (Decimal("12.5"), Decimal("13.75")),
        (Decimal(0), Decimal("0.75")),
    ]
    assert days[date(2026, 6, 21)] == []
    (asked,) = api.asked
    assert asked.query == {
        "start_date": ["2026-06-20"],
        "end_date": ["2026-06-21"],
        "date_part": ["day"],
        "group_by": ["model"],
    }


def test_tokens_are_told_in_disjoint_classes() -> None:
    """Classes of input sum to the input, classes of output to the output."""
    with answering(FILES) as api:
        first, _ = api.read(BILLER, "usage", DAY, AFTER)[DAY]
    assert first["uncached_tokens"] + first["cache_read_tokens"] + first["cache_write_5m_tokens"] == 4200
    assert first["text_out_tokens"] + first["reasoning_out_tokens"] == 980
    assert first["requests"] == 84


@pytest.mark.usefixtures("master_key")
def test_it_is_asked_once_a_day_since_a_question_costs_money(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulls every half an hour of three days: two questions a day, one a report."""
    start = datetime(2026, 6, 30, 0, 30, tzinfo=UTC)
    home = Home(tmp_path / "sandbox").make((), sandbox=True)
    bill = Bill.of(GroundTruth.make(seed=1, month_ends=start, days=3, calls=60), "openai")
    with vercel_api.serve(bill, "vck-canary-1") as api:
        monkeypatch.setenv("AI_GATEWAY_API_KEY", "vck-canary-1")
        monkeypatch.setenv("APILEDGER_VERCEL_API", api.address)
        for hours in (0, 0.5, 12, 23, 24, 25, 48, 60):
            pull(home, BILLER, start + timedelta(hours=hours), lambda *_: None, Clock(sleep=lambda _: None))
    assert len(api.asked) == 3 * 2
