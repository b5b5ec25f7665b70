"""Spend that is added up where a day changes: what adding up all of it now would say, and no other day is touched."""

from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from tests.pipelines.gateway_log import line, put, query, take_in
from tests.templates import Templates
from warehouse import database, publication, stale_spend
from warehouse.home import Home
from warehouse.spend_tables import SPEND_TABLES

DAYS = [date(2026, 11, 18) + timedelta(days=n) for n in range(4)]


@pytest.fixture
def filled(home: Home, templates: Templates, master_key: str) -> Home:
    """A home with four days of calls of two accounts, priced and not."""
    assert master_key
    calls = [
        line(
            request_id=f"{n}",
            ts=f"{DAYS[n % 4]}T{n % 24:02}:30:00Z",
            account_id=f"account {n % 2}",
            project=f"project {n % 3}",
            key_id=f"key {n % 5}",
            model="gpt-4o" if n % 4 else "gpt-nobody-knows",
            status="ok" if n % 6 else "error",
        )
        for n in range(120)
    ]

    def filled(home: Home) -> None:
        put(home, "a.jsonl", calls)
        take_in(home)

    return templates.once(home, filled)


def _told(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    return {table.name: connection.execute(f"FROM {table.full_name} ORDER BY ALL").fetchall() for table in SPEND_TABLES}


def test_a_late_call_makes_what_a_whole_making_makes(filled: Home) -> None:
    """A day that changed is added up by itself, and then nothing tells it from one that never changed."""
    before = query(filled, "SELECT day, sum(requests) FROM mart.spend_daily GROUP BY day ORDER BY day")
    put(filled, "late.jsonl", [line(request_id="late", ts=f"{DAYS[1]}T23:59:00Z", account_id="account 1")])
    take_in(filled)
    after = query(filled, "SELECT day, sum(requests) FROM mart.spend_daily GROUP BY day ORDER BY day")
    assert [day for (day, count), (_, then) in zip(before, after, strict=True) if count != then] == [DAYS[1]]
    with database.held(filled.build_lock), database.build(filled) as build:
        told = _told(build)
        assert told["stale_day"] == []
        stale_spend.mark(build, None)
        assert stale_spend.add_up(build) == len(DAYS)
        assert _told(build) == told


def test_the_summaries_say_what_the_days_say(filled: Home) -> None:
    """Without keys, and by the hour, calls and money are the same; an unpriced call leaves its key's day unpriced."""
    sums = "sum(requests), sum(error_requests), sum(input_tokens), sum(cost_usd), sum(unpriced_requests)"
    days = query(filled, f"SELECT {sums} FROM mart.spend_daily")
    assert days == query(filled, f"SELECT {sums} FROM mart.spend_summary_daily")
    assert days == query(filled, f"SELECT {sums} FROM mart.spend_summary_hourly")
    assert days == query(filled, f"SELECT {sums} FROM mart.spend_hourly")
    priced = "SELECT sum(cost_usd), sum(requests)::BIGINT FROM mart.{} WHERE {}"
    by_key = query(filled, priced.format("spend_daily", "unpriced_requests = 0 AND cost_usd IS NOT NULL"))
    assert by_key == query(filled, priced.format("spend_summary_daily", "is_priced"))
    assert 0 < by_key[0][1] < days[0][0]


def test_a_name_makes_no_day_stale_and_a_day_that_goes_does(filled: Home) -> None:
    """What is told of a day stays until the day changes; a day without rows has no sum either."""
    with database.held(filled.build_lock), database.build(filled) as build:
        publication.changed(build, days=())
        assert stale_spend.add_up(build) == 0
        build.execute("DELETE FROM model.usage_daily WHERE day = ?", [DAYS[0]])
        build.execute("DELETE FROM model.usage_hourly WHERE hour::DATE = ?", [DAYS[0]])
        publication.changed(build, [DAYS[0]])
        assert stale_spend.add_up(build) == 1
        for name in ("spend_daily", "spend_summary_daily"):
            assert build.execute(f"SELECT min(day) FROM model.{name}").fetchall() == [(DAYS[1],)]
        assert build.execute("SELECT min(hour)::DATE FROM model.spend_summary_hourly").fetchall() == [(DAYS[1],)]
        assert build.execute("SELECT min(first_day) FROM model.use_monthly").fetchall() == [(DAYS[1],)]


def test_a_kill_between_the_change_and_the_sum_is_made_good(filled: Home) -> None:
    """The mark is written with the change: whoever publishes next adds the day up first."""
    with database.held(filled.build_lock), database.build(filled) as build:
        build.execute("UPDATE model.usage_daily SET key_no = NULL WHERE day = ?", [DAYS[2]])
        publication.changed(build, [DAYS[2]])
    keys = "SELECT day, count(DISTINCT key_label) > 0 FROM mart.spend_daily GROUP BY day ORDER BY day"
    assert all(told for _, told in query(filled, keys))
    take_in(filled)
    assert [day for day, told in query(filled, keys) if not told] == [DAYS[2]]
