"""The past keeps its cost centre when the calls, their tags and their keys are gone."""

from datetime import datetime, time, timedelta

import pytest

from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.retention.gateway_days import FIRST, night_of
from tests.templates import Templates
from warehouse.allocation import Rules, made
from warehouse.home import Home

_RULES = (
    {"name": "by tag", "tags": ["prod"], "cost_centre": "shop"},
    {"name": "by both", "tags": ["prod", "batch"], "cost_centre": "night"},
    {"name": "by key", "key": "ci", "cost_centre": "ops"},
    {"name": "by project", "project": "web", "cost_centre": "web"},
    {"name": "the rest", "project": "common", "by_use": "month"},
)
_CENTRES = "SELECT day, cost_centre, sum(cost_usd), sum(requests) FROM mart.allocated_daily GROUP BY ALL ORDER BY ALL"
_AS_SHOWN = _CENTRES.replace("mart.allocated_daily", "model.allocated_summary_daily")


def _ruled(home: Home) -> None:
    Rules.of([made(rule, "here") for rule in _RULES]).write(home.root)
    tags: tuple[list[str] | None, ...] = (["prod"], ["prod", "batch", "prod"], ["call-of-one"], None, [])
    keys, projects = ("ci", "prod key", ...), ("web", "common", ...)
    calls = [
        line(
            request_id=f"call-{n}",
            ts=f"{FIRST + timedelta(days=n % 2)}T{n % 24:02}:00:00Z",
            tags=tags[n % 5],
            key_id=keys[n % 3] if keys[n % 3] is not ... else "another",
            project=projects[n // 3 % 3],
            model="gpt-4o" if n % 11 else "gpt-nobody-knows",
            input_tokens=1000 + n,
        )
        for n in range(180)
    ]
    put(home, "a.jsonl", calls)
    take_in(home, _noon(1))


@pytest.fixture
def ruled(templates: Templates, short: Home) -> Home:
    """Two days of calls with every mix of tags, keys and projects, and rules for most of them."""
    return templates.once(short, _ruled)


def _noon(days: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=days), time(12))


def test_tags_of_rules_are_counted_once_and_held_by_the_days(ruled: Home) -> None:
    """Of each day and names the tagged calls are a part of the day's, each once, and no other tag is kept."""
    assert one(ruled, "SELECT sum(requests) FROM model.usage_tag_daily") == 180 * 2 // 5
    assert query(ruled, "SELECT DISTINCT tags FROM model.usage_tag_daily ORDER BY 1") == [
        (["batch", "prod"],),
        (["prod"],),
    ]
    of_calls = """
        SELECT day, key_no, project_no, model, count(*), sum(list_cost_usd), count(*) FILTER (list_cost_usd IS NULL)
        FROM model.requests
        JOIN (SELECT DISTINCT request_no, day FROM model.request_tag WHERE tag IN ('prod', 'batch')) USING (request_no)
        GROUP BY ALL ORDER BY ALL"""
    kept = """SELECT day, key_no, project_no, model, sum(requests), sum(list_cost_usd), sum(unpriced_requests)
              FROM model.usage_tag_daily GROUP BY ALL ORDER BY ALL"""
    assert query(ruled, kept) == query(ruled, of_calls)
    over = """SELECT count(*) FROM (
                SELECT day, key_no, project_no, model, sum(requests) AS requests FROM model.usage_tag_daily GROUP BY ALL
              ) AS part JOIN (
                SELECT day, key_no, project_no, model, sum(requests) AS requests FROM model.usage_daily GROUP BY ALL
              ) AS whole ON part.day = whole.day AND part.key_no IS NOT DISTINCT FROM whole.key_no
                AND part.project_no IS NOT DISTINCT FROM whole.project_no AND part.model = whole.model
              WHERE part.requests <= whole.requests"""
    assert one(ruled, over) == len(query(ruled, kept))


def test_the_past_keeps_its_cost_centre_when_calls_and_keys_are_gone(ruled: Home) -> None:
    """After calls, hours and keys have expired, each day's cost centres have what they had, to the pico-dollar."""
    before = query(ruled, _CENTRES)
    assert {centre for _, centre, _, _ in before} == {"shop", "night", "ops", "web", "unallocated"}
    for days in (4, 11, 21, 26, 27):
        night_of(ruled, FIRST + timedelta(days=days))
    assert one(ruled, "SELECT count(*) FROM model.requests") == 0
    assert one(ruled, "SELECT count(*) FROM model.request_tag") == 0
    for table in ("usage_daily", "usage_tag_daily"):
        assert one(ruled, f"SELECT count(*) FROM model.{table} WHERE key_no IS NOT NULL") == 0
    assert query(ruled, _CENTRES) == query(ruled, _AS_SHOWN) == before
    sums = "SELECT sum(cost_usd), sum(requests), sum(unpriced_requests) FROM mart."
    assert query(ruled, f"{sums}allocated_daily") == query(ruled, f"{sums}spend_daily")


def test_a_rule_by_a_new_tag_reaches_the_calls_that_are_known(ruled: Home) -> None:
    """A tag that a rule names for the first time is looked up in calls of the past; one no rule names is let go."""
    Rules.of([made({"name": "new", "tags": ["call-of-one"], "cost_centre": "one"}, "here")]).write(ruled.root)
    take_in(ruled, _noon(2))
    assert query(ruled, "SELECT DISTINCT tags FROM model.usage_tag_daily") == [(["call-of-one"],)]
    assert one(ruled, "SELECT sum(requests) FROM mart.allocated_daily WHERE cost_centre = 'one'") == 180 // 5
    assert query(ruled, _AS_SHOWN) == query(ruled, _CENTRES)
    Rules().write(ruled.root)
    take_in(ruled, _noon(2))
    assert query(ruled, _AS_SHOWN) == []


def test_days_that_expire_take_their_tags_along(ruled: Home) -> None:
    """When days have gone into months, no tag and no cost centre of them is left."""
    night_of(ruled, FIRST + timedelta(days=4))
    night_of(ruled, FIRST + timedelta(days=40))
    night_of(ruled, FIRST + timedelta(days=65))
    assert one(ruled, "SELECT count(*) FROM model.usage_daily") == 0
    assert one(ruled, "SELECT count(*) FROM model.usage_tag_daily") == 0
    assert one(ruled, "SELECT count(*) FROM model.allocated_summary_daily") == 0
