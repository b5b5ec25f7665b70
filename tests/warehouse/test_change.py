"""Which days moved: what a figure was and is, why, when, and how old days are when a source last moves them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.retention.gateway_days import night_of
from warehouse import database
from warehouse.home import Home
from warehouse.models import change

DAY = date(2026, 3, 1)
SINCE = "SELECT day, reason, moved_usd, moved_requests, moved_tokens FROM mart.changes WHERE day < changed_at::DATE"


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its master key."""
    return master_key


def noon(back: int, hour: int = 12) -> datetime:
    """An hour so many days after the first."""
    return datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC) + timedelta(days=back)


def call(name: str, back: int = 0, model: str = "gpt-4o") -> str:
    """A call of a day: 1,000 tokens in and 100 out, 0.0035 USD where it has a price."""
    moment = f"{DAY + timedelta(days=back)}T01:00:00Z"
    return line(request_id=name, ts=moment, input_tokens=1_000, output_tokens=100, model=model)


def test_a_day_says_what_moved_it(home: Home) -> None:
    """Told on the day, more calls the next day, then nothing new: two rows, and many passes of a date are one."""
    for hour in (10, 11, 12):
        put(home, f"{hour}.jsonl", [call(f"{hour}")])
        take_in(home, noon(0, hour))
    for hour in (1, 2):
        put(home, f"late-{hour}.jsonl", [call(f"late-{hour}")])
        take_in(home, noon(1, hour))
    put(home, "again.jsonl", [call("10"), call("late-1")])
    take_in(home, noon(2))
    rows = query(
        home,
        """SELECT reason, changed_at, before_usd, after_usd, before_requests, after_requests,
             before_tokens, after_tokens FROM model.change ORDER BY changed_at""",
    )
    usd = Decimal("0.0035")
    assert rows == [
        ("first", noon(0).replace(tzinfo=None), None, 3 * usd, None, 3, None, 3_300),
        ("late", noon(1, 2).replace(tzinfo=None), 3 * usd, 5 * usd, 3, 5, 3_300, 5_500),
    ]
    assert query(home, SINCE) == [(DAY, "late", 2 * usd, 2, 2_200)]


def test_a_repriced_day_is_told_apart_from_a_late_one(home: Home) -> None:
    """A price that became known moves the amount and not the tokens."""
    put(home, "a.jsonl", [call("a", model="house-model")])
    take_in(home, noon(0))
    assert one(home, "SELECT after_usd FROM model.change") is None
    (home.root / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "house-model"\nvalid_from = 2026-01-01\n'
        'source = "contract"\ninput_mtok = "2"\noutput_mtok = "10"\n'
    )
    with database.held(home.build_lock), database.build(home) as connection:
        connection.execute("DELETE FROM model.built_load")
    put(home, "b.jsonl", [call("b", back=1)])
    take_in(home, noon(1))
    assert query(home, SINCE) == [(DAY, "repriced", Decimal("0.003"), 0, 0)]


def test_a_move_that_is_taken_back_on_its_date_is_none(home: Home) -> None:
    """The figure as the date found it, and as it left it: up and down again is no row."""
    put(home, "a.jsonl", [call("a")])
    take_in(home, noon(0))
    with database.held(home.build_lock), database.build(home) as connection:
        was = change.logged(connection, [DAY])
        connection.execute("UPDATE model.usage_daily SET requests = 7")
        moved = change.logged(connection, [DAY])
        for before, after, rows in ((was, moved, 2), (moved, was, 1)):
            change.write(connection, before, after, noon(3).replace(tzinfo=None))
            assert connection.execute("SELECT count(*) FROM model.change").fetchone() == (rows,)
        change.write(connection, was, was.clear(), noon(4).replace(tzinfo=None))
        gone = connection.execute("SELECT reason, after_requests FROM model.change ORDER BY changed_at DESC").fetchone()
        assert gone == ("late", None)


@pytest.mark.soak
def test_how_long_a_source_moves_its_days_is_measured(home: Home) -> None:
    """Days whose last calls come 2 days late, one 5 days late; days from before the first file are left out."""
    put(home, "old.jsonl", [call("old", back=-40)])
    for back in range(11):
        lines = [call(f"{back}", back), call(f"{back}-late", back - 2)] if back > 1 else [call(f"{back}", back)]
        put(home, f"{back}.jsonl", [*lines, *([call("very late", 2)] if back == 7 else [])])
        take_in(home, noon(back))
    measured = "basis, source, provider, days, p50_days, p95_days, longest_days"
    rows = query(home, f"SELECT {measured} FROM mart.settlement_window")
    # 11 days were begun; the last 5 have not had the time to be 5 days late.
    assert rows == [("log", "gateway_jsonl", "openai", 6, 2, 5, 5)]


@pytest.mark.soak
def test_changes_expire_with_their_clause_and_figures_stay(home: Home) -> None:
    """After 800 days nobody asks what moved; before, nothing of it goes."""
    put(home, "a.jsonl", [call("a")])
    take_in(home, noon(0))
    assert "R-changes" not in night_of(home, DAY + timedelta(days=799)).by_clause()
    assert night_of(home, DAY + timedelta(days=801)).by_clause()["R-changes"] == 1
    assert one(home, "SELECT count(*) FROM mart.changes") == 0
    assert one(home, "SELECT sum(cost_usd) FROM mart.spend_daily") == Decimal("0.0035")


@pytest.mark.soak
def test_a_home_of_before_is_published_with_the_new_marts_at_once(home: Home) -> None:
    """Nothing landed since, and still a version is due: pages ask for what the old one has not. Moves begin now."""
    put(home, "a.jsonl", [call("a")])
    take_in(home, noon(0))
    with database.held(home.build_lock), database.build(home) as connection:
        for name in ("freshness", "changes", "settlement_window"):
            connection.execute(f"DROP VIEW mart.{name}")
        connection.execute("DROP TABLE model.change; DROP TABLE model.bill_state")
        connection.execute("DELETE FROM main.migration WHERE name = 'm006_settlement'")
    assert take_in(home, noon(1)).version == 2
    assert query(home, "SELECT kind FROM mart.freshness") == [("log",)]
    assert query(home, "FROM mart.changes") == []
    put(home, "b.jsonl", [call("b")])
    take_in(home, noon(2))
    assert query(home, SINCE) == [(DAY, "late", Decimal("0.0035"), 1, 1_100)]
