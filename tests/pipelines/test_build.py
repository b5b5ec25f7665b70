"""Which days a pass makes anew, and that what it makes is what a plain reading of the log says, whatever the order."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.pipelines.gateway_log import NOW, SHORT_ROAD_PAD, call, facts, line, one, put, query, rows, take_in, taken
from warehouse.home import Home

MODELS = ("requests", "request_tag", "usage_hourly", "usage_daily", "usage_monthly", "latency_hourly")
# USD per million tokens, by hand: input, cache read, output; of the last one nothing is known.
PRICES: dict[tuple[str, str], tuple[Decimal, Decimal, Decimal] | None] = {
    ("openai", "gpt-4o"): (Decimal("2.5"), Decimal("1.25"), Decimal(10)),
    ("anthropic", "claude-sonnet-4-5"): (Decimal(3), Decimal("0.3"), Decimal(15)),
    ("openai", "gpt-nobody-knows"): None,
}


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pass here has its key."""
    return master_key


def state(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every model."""
    return {table: rows(home, f"model.{table}") for table in MODELS}


def test_a_replay_changes_no_row(home: Home) -> None:
    """The same calls in another file, in other words and another order: not one row of any model is another."""
    calls = [call(request_id=f"{n}", ts=f"2026-11-{10 + n:02}T10:00:00Z", tags=["a"]) for n in range(5)]
    put(home, "a.jsonl", map(json.dumps, calls))
    take_in(home)
    before = state(home)
    put(home, "b.jsonl", [json.dumps(dict(reversed(each.items()))) for each in reversed(calls)])
    report = take_in(home)
    assert taken(report).rows == 5
    assert state(home) == before


@pytest.mark.parametrize("first", ["early", "late", "together"])
def test_of_one_call_told_on_two_days_the_first_start_wins(first: str, home: Home) -> None:
    """Whichever arrives first, the call is on the day it first began, in every roll-up, and on no other."""
    early = line(request_id="x", ts="2026-11-19T23:59:59Z", input_tokens=10)
    late = line(request_id="x", ts="2026-11-20T00:00:01Z", input_tokens=30)
    other = line(request_id="y", ts="2026-11-20T00:00:01Z", input_tokens=7)
    arrivals = {"early": [[early], [late, other]], "late": [[late, other], [early]], "together": [[late, other, early]]}
    for number, lines in enumerate(arrivals[first]):
        put(home, f"{number}.jsonl", lines)
        take_in(home)
    assert query(home, "SELECT request_id, requested_at::DATE, input_tokens FROM model.requests ORDER BY 1") == [
        ("x", date(2026, 11, 19), 10),
        ("y", date(2026, 11, 20), 7),
    ]
    days = [(date(2026, 11, 19), 1, 10), (date(2026, 11, 20), 1, 7)]
    for table, when in (("usage_hourly", "hour::DATE"), ("usage_daily", "day")):
        assert query(home, f"SELECT {when}, requests, input_tokens FROM model.{table} ORDER BY 1") == days, table
    assert query(home, "SELECT month, requests, input_tokens FROM model.usage_monthly") == [(date(2026, 11, 1), 2, 17)]


@pytest.mark.soak
def test_a_call_that_moves_over_the_end_of_a_month_leaves_the_other(home: Home) -> None:
    """Told first on the 1st, then on the 31st before: the month it left has no row of it any more."""
    put(home, "a.jsonl", [line(request_id="x", ts="2026-11-01T00:00:01Z")])
    take_in(home)
    put(home, "b.jsonl", [line(request_id="x", ts="2026-10-31T23:59:59Z")])
    take_in(home)
    assert query(home, "SELECT month, requests FROM model.usage_monthly") == [(date(2026, 10, 1), 1)]


def test_a_late_row_reopens_its_day_and_no_other(home: Home) -> None:
    """A call that arrives a week late is in its day, hour and month; only that day is made anew."""
    put(home, "a.jsonl", [line(request_id=f"{day}", ts=f"2026-11-{day:02}T10:00:00Z") for day in range(1, 21)])
    assert len(take_in(home).built.days) == 20
    put(home, "late.jsonl", [line(request_id="late", ts="2026-11-05T23:00:00Z", input_tokens=3)])
    assert take_in(home).built.days == [date(2026, 11, 5)]
    found = query(
        home, "SELECT hour(hour), input_tokens FROM model.usage_hourly WHERE hour::DATE = '2026-11-05' ORDER BY 1"
    )
    assert found == [(10, 10), (23, 3)]
    assert one(home, "SELECT requests FROM model.usage_monthly") == 21


def test_a_pass_with_nothing_new_makes_and_publishes_nothing(home: Home) -> None:
    """An empty inbox, or one with what is known, leaves the version where it is."""
    put(home, "a.jsonl", [line()])
    first = take_in(home).version
    report = take_in(home)
    assert (report.built.days, report.version, one(home, "SELECT version FROM mart.published")) == ([], None, first)


def test_the_same_id_at_two_gateways_is_two_calls(home: Home) -> None:
    """A call is one of its gateway: LiteLLM's call of the same id is another."""
    put(home, "a.jsonl", [line(request_id="x")])
    record = {
        "id": "u", "litellm_call_id": "x", "startTime": 1795288717.5, "endTime": 1795288718.5, "status": "success",
        "model": "openai/gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 1, "completion_tokens": 1,
        "response_cost": 0.5, "metadata": {},
    }  # fmt: skip
    put(home, "b.jsonl", [json.dumps(record)], "litellm")
    take_in(home)
    assert query(home, "SELECT gateway, request_id FROM model.requests ORDER BY 1") == [
        ("gateway_jsonl", "x"),
        ("litellm", "x"),
    ]


def test_what_nobody_knows_the_price_of_is_null_and_counted(home: Home) -> None:
    """NULL and never 0, at every grain and in the mart; beside priced calls it is left out of the sum and counted."""
    put(
        home,
        "a.jsonl",
        [
            line(request_id="1", model="gpt-nobody-knows", project="a"),
            line(request_id="2", model="gpt-nobody-knows", project="a", cost="0.25"),
            line(request_id="3", project="b"),
            line(request_id="4", model="gpt-nobody-knows", project="c", input_tokens=0, output_tokens=0),
        ],
    )
    take_in(home)
    for table in ("usage_hourly", "usage_daily", "usage_monthly"):
        found = query(
            home,
            f"""SELECT label, requests, list_cost_usd, logged_cost_usd, unpriced_requests
                FROM model.{table} JOIN model.project USING (project_no) ORDER BY label""",
        )
        assert found == [
            ("a", 2, None, Decimal("0.25"), 2),
            ("b", 1, Decimal("0.000075"), None, 0),
            ("c", 1, Decimal(0), None, 0),
        ], table
    mart = "SELECT project, cost_usd, unpriced_requests FROM mart.spend_daily ORDER BY project"
    assert query(home, mart) == [("a", None, 2), ("b", Decimal("0.000075"), 0), ("c", Decimal(0), 0)]


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "request_id": st.integers(0, 11).map(str),
            "ts": st.integers(0, 4 * 24 * 60).map(
                lambda minutes: (datetime(2026, 10, 30, 1, tzinfo=UTC) + timedelta(minutes=minutes)).isoformat()
            ),
            "account_id": st.sampled_from(["acme", "globex", "a@b.example"]),
            "project": st.sampled_from([..., "web-app", "batch"]),
            "service": st.sampled_from(sorted(PRICES)),
            "input_tokens": st.integers(0, 190_000),
            "share_cached": st.integers(0, 4),
            "output_tokens": st.integers(0, 100_000),
            "status": st.sampled_from(["ok", "ok", "error", "cancelled", 200, 503, 499]),
            "cost": st.sampled_from([..., "0.000000000001", "12.5"]),
            "file": st.integers(0, 2),
        }
    ),
    max_size=25,
)


def oracle(told: list[dict[str, Any]]) -> dict[tuple[Any, ...], list[Any]]:
    """Sum calls by UTC day, model and outcome in plain Python: of one id the first start counts."""
    first: dict[str, dict[str, Any]] = {}
    for each in told:
        known = first.get(each["request_id"])
        if known is None or datetime.fromisoformat(each["ts"]) < datetime.fromisoformat(known["ts"]):
            first[each["request_id"]] = each
    sums: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, None, None])
    for each in first.values():
        outcome = {200: "ok", 503: "error", 499: "cancelled"}.get(each["status"], each["status"])
        group = sums[datetime.fromisoformat(each["ts"]).date(), each["model"], outcome]
        price = PRICES[each["provider"], each["model"]]
        tokens = each["input_tokens"] + each["output_tokens"]
        cost = Decimal(0) if not tokens else None
        if price is not None:
            fresh = each["input_tokens"] - each["cached_tokens"]
            cost = (fresh * price[0] + each["cached_tokens"] * price[1] + each["output_tokens"] * price[2]) / 1_000_000
        for place, value in enumerate((1, each["input_tokens"], each["cached_tokens"], each["output_tokens"])):
            group[place] += value
        for place, amount in ((4, cost), (5, Decimal(each["cost"]) if "cost" in each else None)):
            if amount is not None:
                group[place] = (group[place] or 0) + amount
    return dict(sums)


def written(drawn: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """The drawn calls as the contract writes them, each with its file; no two tell of one id at one moment."""
    calls, moments = [], set()
    for each in drawn:
        if (each["request_id"], each["ts"]) in moments:
            continue
        moments.add((each["request_id"], each["ts"]))
        provider, model = each["service"]
        made = {name: value for name, value in each.items() if name not in {"service", "share_cached", "file"}}
        cached = each["input_tokens"] * each["share_cached"] // 4
        calls.append((each["file"], call(**made, provider=provider, model=model, cached_tokens=cached)))
    return calls


@pytest.mark.soak
# A pass takes half a second: shrinking would take minutes.
@settings(max_examples=3, deadline=None, database=None, phases=[Phase.generate])
@given(drawn=CALLS, short=st.booleans())
def test_any_log_in_any_passes_is_what_a_plain_reading_says(
    drawn: list[dict[str, Any]], short: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random small logs in three passes: rows and roll-ups equal the oracle, and one pass gives the same."""
    calls = written(drawn)
    folder = tmp_path_factory.mktemp("any")
    steps, whole = Home(Path(folder) / "steps").make(), Home(Path(folder) / "whole").make()
    for number in range(3):
        mine = [json.dumps(each) for file, each in calls if file == number]
        if mine:
            put(steps, f"{number}.jsonl", [*mine, *([f'{{"pad": "{SHORT_ROAD_PAD}"'] if short else [])])
        take_in(steps)
    put(whole, "all.jsonl.gz", [json.dumps(each) for _, each in reversed(calls)])
    take_in(whole)
    expected = oracle([each for _, each in calls])
    sums = "sum(input_tokens), sum(cache_read_tokens), sum(output_tokens), sum(list_cost_usd), sum(logged_cost_usd)"
    by_row = query(
        steps, f"SELECT requested_at::DATE, model, outcome, count(*), {sums} FROM model.requests GROUP BY ALL"
    )
    assert {tuple(key): values for *key, a, b, c, d, e, f in by_row for values in [[a, b, c, d, e, f]]} == expected
    by_model: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0])
    for (day, model, outcome), values in expected.items():
        by_model[day, model][0] += values[0]
        by_model[day, model][1] += values[0] if outcome == "error" else 0
    for table, when in (("usage_hourly", "hour::DATE"), ("usage_daily", "day")):
        counted = query(
            steps, f"SELECT {when}, model, sum(requests), sum(error_requests) FROM model.{table} GROUP BY ALL"
        )
        assert {(day, model): [n, errors] for day, model, n, errors in counted} == by_model, table
    assert one(steps, "SELECT coalesce(sum(requests), 0) FROM model.usage_monthly") == sum(
        v[0] for v in expected.values()
    )
    assert facts(steps) == facts(whole)


def test_an_overlay_price_of_the_homes_own_is_used(home: Home) -> None:
    """A price in the home's prices.toml prices the calls from its day on, and says so."""
    (home.root / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-nobody-knows"\nvalid_from = 2026-11-20\n'
        'source = "our contract"\ninput_mtok = "1"\noutput_mtok = "2"\n'
    )
    put(
        home,
        "a.jsonl",
        [line(request_id=f"{day}", model="gpt-nobody-knows", ts=f"2026-11-{day}T00:00:00Z") for day in (19, 20)],
    )
    take_in(home, NOW)
    assert query(home, "SELECT request_id, list_cost_usd FROM model.requests ORDER BY 1") == [
        ("19", None),
        ("20", Decimal("0.00002")),
    ]
