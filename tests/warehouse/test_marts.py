"""The marts over real passes: safe to sum, by hour what by day, and no row lost for want of a name."""

from decimal import Decimal

import pytest

from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.templates import Templates
from warehouse.home import Home

SUMS = (
    "sum(requests), sum(error_requests), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), "
    "sum(cost_usd), sum(unpriced_requests)"
)


def _filled(home: Home) -> None:
    calls = [
        line(
            request_id=f"{n}",
            ts=f"2026-1{n % 2}-2{n % 3}T{n % 24:02}:30:00Z",
            account_id=f"account {n % 3}" if n % 7 else ...,
            project=f"project {n % 4}" if n % 4 else ...,
            team="team" if n % 2 else ...,
            model="gpt-4o" if n % 5 else "gpt-nobody-knows",
            status="ok" if n % 6 else "error",
            cached_tokens=n % 9,
        )
        for n in range(200)
    ]
    put(home, "a.jsonl", calls[:100])
    take_in(home)
    put(home, "b.jsonl", calls[100:])
    take_in(home)


@pytest.fixture
def filled(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with calls of several days, names and none, priced and not, in two passes so that names have a past."""
    assert master_key
    return templates.once(home, _filled)


@pytest.mark.clause("AL-2.1")
def test_every_mart_sums_to_the_calls(filled: Home) -> None:
    """Days, hours and sources each sum to what the calls say; a missing name loses no row and doubles none."""
    calls = query(
        filled,
        """SELECT count(*), count(*) FILTER (outcome = 'error'), sum(input_tokens), sum(output_tokens),
             sum(cache_read_tokens), sum(list_cost_usd), count(*) FILTER (list_cost_usd IS NULL) FROM model.requests""",
    )
    assert calls[0][0] == 200
    assert calls[0][6] == 40
    for mart in ("spend_daily", "spend_hourly", "spend_by_source"):
        assert query(filled, f"SELECT {SUMS} FROM mart.{mart}") == calls, mart


def test_hours_of_a_day_sum_to_the_day(filled: Home) -> None:
    """Drilling into a day finds the day's own figures, name by name."""
    names = "account, project, team, key_label, provider, model, basis, settlement"
    by_day = query(filled, f"SELECT day, {names}, {SUMS} FROM mart.spend_daily GROUP BY ALL ORDER BY ALL")
    by_hour = query(
        filled, f"SELECT hour::DATE AS day, {names}, {SUMS} FROM mart.spend_hourly GROUP BY ALL ORDER BY ALL"
    )
    assert by_day == by_hour


def test_money_is_decimal_in_every_mart(filled: Home) -> None:
    """No amount went through a float on its way to a page."""
    types = query(
        filled,
        "SELECT DISTINCT data_type FROM duckdb_columns() WHERE schema_name = 'mart' AND column_name LIKE '%usd'",
    )
    assert types == [("DECIMAL(38,12)",)]
    assert isinstance(one(filled, "SELECT sum(cost_usd) FROM mart.spend_daily"), Decimal)


def test_freshness_and_publication_say_what_there_is(filled: Home) -> None:
    """Files, rows and the newest call of each source; the version counts up and the home is the operator's own."""
    told = (
        "SELECT source, last_request_at = (SELECT max(requested_at) FROM model.requests), files, rows, quarantined_rows"
    )
    assert query(filled, f"{told} FROM mart.freshness") == [("gateway_jsonl", True, 2, 200, 0)]
    assert query(filled, "SELECT version, home FROM mart.published") == [(2, "own")]
