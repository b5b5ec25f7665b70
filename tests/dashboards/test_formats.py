"""Numbers for the eye."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from dashboards import formats


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (950, "950"),
        (1_000, "1.00 K"),
        (12_345_678, "12.3 M"),
        (999_999, "1.00 M"),
        (4_560_000_000, "4.56 B"),
        (123_400_000, "123 M"),
        (7 * 10**15, "7000 T"),
        (-12_345, "-12.3 K"),
    ],
)
def test_tokens_have_three_digits(number: int, said: str) -> None:
    """Large counts are cut to three digits and a unit, and never to a thousand of the smaller unit."""
    assert formats.tokens(number) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (12_100_000, "12.1 MB"), (15 * 10**9, "15.0 GB")],
)
def test_sizes_are_told_in_bytes(number: int, said: str) -> None:
    """A thousand million of them is a gigabyte, whatever a thousand million tokens are called."""
    assert formats.size(number) == said


def test_a_share_of_nothing_is_not_known() -> None:
    """Nothing divided by nothing is a dash; a trace is said to be one."""
    assert formats.share(1, 0) == "—"
    assert formats.share(Decimal("0.0001"), Decimal(100)) == "<0.1%"
    assert formats.share(1, 3) == "33.3%"
    assert formats.share(0, 3) == "0.0%"


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ("119.8", "100", "+19.8%"),
        ("96", "100", "-4.0%"),
        ("100", "100", "+0.0%"),
        ("1400", "100", "14 times"),
        ("5", "0", None),
        ("5", "-1", None),
    ],
)
def test_a_change_says_its_direction(now: str, before: str, said: str | None) -> None:
    """Against nothing, or against a credit, there is no change to speak of."""
    assert formats.change(Decimal(now), Decimal(before)) == said


def test_an_age_keeps_the_unit_a_person_would_use() -> None:
    """Seconds to two minutes, minutes to two hours, hours to two days; a clock ahead of ours is no negative age."""
    now = datetime(2026, 6, 30, 12)  # noqa: DTZ001 - naive moments are UTC in the marts
    for seconds, said in ((12, "12 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")):
        assert formats.age(now - timedelta(seconds=seconds), now) == f"{said} ago"
    assert formats.age(now + timedelta(seconds=5), now) == "just now"


def test_a_duration_and_a_stretch_of_days_are_short() -> None:
    """Latencies in the unit that fits, days without what repeats itself."""
    assert [formats.duration(ms) for ms in (None, 840, 1240, 75_400)] == ["—", "840 ms", "1.24 s", "75.4 s"]
    assert formats.days(date(2026, 11, 1), date(2026, 11, 21)) == "Nov 1\u201321"
    assert formats.days(date(2026, 10, 28), date(2026, 11, 3)) == "Oct 28 \u2013 Nov 3"
    assert formats.days(date(2026, 11, 3), date(2026, 11, 3)) == "Nov 3"
    assert formats.days(date(2025, 11, 25), date(2026, 11, 21)) == "Nov 25, 2025 \u2013 Nov 21"


def test_one_is_counted_as_one() -> None:
    """A home of one call says so."""
    said = [formats.counted(number, "request") for number in (0, 1, 1204)]
    assert said == ["0 requests", "1 request", "1,204 requests"]
