"""Charts hold what they draw: every axis of time says UTC, and every latency is within the chart."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from dashboards.charts import time_chart
from dashboards.figures.overview_figures import LatencyRow

DAY = date(2026, 11, 21)


@pytest.mark.parametrize("days", [1, 30, 366])
@pytest.mark.parametrize("hourly", [False, True])
def test_every_axis_of_time_says_utc(days: int, *, hourly: bool) -> None:
    """By day and by hour, and in the tooltip; a stretch over two years names the year."""
    first = DAY - timedelta(days=days - 1)
    at = datetime(2026, 11, 21, 9) if hourly else DAY  # noqa: DTZ001 - naive moments are UTC in the marts
    drawn = time_chart.spend([(at, "openai", Decimal("1.5"))], "provider", first, DAY, hourly=hourly).to_dict()
    axis = drawn["encoding"]["x"]
    assert axis["title"] == ("Hour (UTC)" if hourly else "Day (UTC)")
    assert axis["timeUnit"].startswith("utc")
    (values,) = drawn["datasets"].values()
    assert "UTC" in values[0]["when"]
    assert ("%Y" in axis["axis"]["format"]) is (days == 366 and not hourly)
    assert time_chart.latency([LatencyRow(DAY, 1, 2, 3)], first, DAY).to_dict()["encoding"]["x"]["title"] == "Day (UTC)"


@pytest.mark.parametrize("latency_ms", [1, 2, 850, 1000, 75_400, 5_000_000, 1_000_000_000])
def test_a_latency_lies_between_the_ends_of_its_axis(latency_ms: int) -> None:
    """A home of one call too: from a millisecond to days, drawn between two ends that differ."""
    drawn = time_chart.latency([LatencyRow(DAY, latency_ms, latency_ms, latency_ms)], DAY, DAY).to_dict()
    low, high = drawn["encoding"]["y"]["scale"]["domain"]
    assert 0 < low <= latency_ms < high


@pytest.mark.parametrize(
    ("highest", "pattern"), [("12345", "$,.2~s"), ("30", "$,.0f"), ("0.4", "$.2f"), ("0.02", "$.4f"), ("8e-5", "$.2~r")]
)
def test_no_two_lines_of_an_axis_say_the_same_amount(highest: str, pattern: str) -> None:
    """The first calls of a home cost less than a hundredth of a cent: four places would say $0.0000 thrice."""
    drawn = time_chart.spend([(DAY, "openai", Decimal(highest))], "provider", DAY, DAY, hourly=False).to_dict()
    assert drawn["encoding"]["y"]["axis"]["format"] == pattern


def test_a_year_of_bars_leaves_no_gaps() -> None:
    """Three pixels a bar: a gap between them would wash out their colours; a month has room for one."""
    rows = [(DAY, "openai", Decimal(1))]
    gaps = [
        time_chart.spend(rows, "provider", DAY - timedelta(days=days), DAY, hourly=False).to_dict()["mark"][
            "binSpacing"
        ]
        for days in (29, 89, 365)
    ]
    assert gaps == [3, 1, 0]
