"""What each model costs by its use: prices, shares and percentiles, held against sums of another kind."""

from datetime import timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from dashboards.charts import histogram
from dashboards.figures import model_figures
from dashboards.figures.model_figures import SCHEMA, Bucket, _row
from dashboards.figures.period import Period
from dashboards.figures.viewer import Viewer
from tests.dashboards.conftest import UNTIL

TODAY = UNTIL.date()
ASKED = Period(TODAY - timedelta(days=29), TODAY)


def _models(connection: DuckDBPyConnection, asked: Period = ASKED) -> dict[str, dict[str, object]]:
    return {row["model"]: row for row in model_figures.rows(connection, Viewer(), asked).to_pylist()}


def test_prices_by_use_are_those_of_the_sums(connection: DuckDBPyConnection) -> None:
    """Cost by 1,000 tokens and by request to the pico-dollar, the cache's share, the period before."""
    found = _models(connection)["gpt-5.2"]
    query = """SELECT sum(cost_usd), sum(input_tokens + output_tokens)::BIGINT, sum(requests)::BIGINT,
               sum(cache_read_tokens)::BIGINT, sum(input_tokens)::BIGINT
               FROM mart.spend_daily WHERE model = 'gpt-5.2' AND day BETWEEN ? AND ?"""
    ((cost, tokens, requests, cached, tokens_in),) = connection.execute(query, [ASKED.start, TODAY]).fetchall()
    (before, *_) = connection.execute(query, [ASKED.before_start, ASKED.before_end]).fetchall()[0]
    assert found["cost_usd"] == cost
    assert found["change_usd"] == cost - before != 0
    assert found["per_1k_tokens_usd"] == (cost * 1000 / tokens).quantize(Decimal("1e-12"))
    assert found["per_request_usd"] == (cost / requests).quantize(Decimal("1e-12"))
    assert found["cached_share"] == (Decimal(cached) / tokens_in).quantize(Decimal("1e-6"))


def test_a_model_without_a_price_costs_nothing_known(connection: DuckDBPyConnection) -> None:
    """No cost and no price by use, never 0; how many calls that leaves out is said."""
    found = _models(connection)["nova-preview"]
    assert (found["cost_usd"], found["per_1k_tokens_usd"], found["per_request_usd"]) == (None, None, None)
    assert found["unpriced_requests"] == found["requests"] != 0


def test_calls_of_which_only_failures_are_free_cost_nothing_known() -> None:
    """Four calls without a price beside a failure of no tokens: the mart's sum is 0, and that is no cost."""
    sums = ("self-hosted", "draft-7b", Decimal(0), None, 5, 40, 20, 0, 1, 4, None, 0, None, 0)
    row = dict(zip(SCHEMA.names, _row(sums, (1, None, 0, None), (None, None)), strict=True))
    assert (row["cost_usd"], row["change_usd"], row["unpriced_requests"]) == (None, None, 4)
    priced = dict(zip(SCHEMA.names, _row((*sums[:9], 0, *sums[10:]), (1, None, 0, None), (None, None)), strict=True))
    assert priced["cost_usd"] == 0


def test_what_bills_name_no_model_for_is_told_beside(connection: DuckDBPyConnection) -> None:
    """A bill's row has no model: the table and that amount are the whole spend."""
    found = model_figures.view(connection, Viewer(), ASKED)
    named = sum((row["cost_usd"] or Decimal(0) for row in found.table.to_pylist()), Decimal(0))
    ((whole,),) = connection.execute(
        "SELECT sum(cost_usd) FROM mart.spend_daily WHERE day BETWEEN ? AND ?", [ASKED.start, TODAY]
    ).fetchall()
    assert named + found.unnamed_usd == whole


def test_a_search_and_a_picked_model_narrow_the_page(connection: DuckDBPyConnection) -> None:
    """The search is of names; the chart is of the picked model, and of all that match without one."""
    found = model_figures.view(connection, Viewer(), Period(ASKED.start, TODAY, "CLAUDE"))
    assert set(found.table["model"].to_pylist()) == {"claude-opus-4-5", "claude-sonnet-4-5"}
    picked = model_figures.view(connection, Viewer(), Period(ASKED.start, TODAY, "", "anthropic/claude-opus-4-5"))
    assert 0 < sum(b.requests for b in picked.buckets) < sum(b.requests for b in found.buckets)
    row = _models(connection)["claude-opus-4-5"]
    assert histogram.percentile(picked.buckets, 95) == row["p95_ms"]


def test_bars_hold_every_call_once() -> None:
    """A bar is a quarter of a power of two; bounds that are exact ones stand in the bar they end."""
    buckets = [Bucket(1, 2), Bucket(2, 3), Bucket(1024, 5), Bucket(1070, 7), Bucket(1218, 11)]
    found = histogram.bars(buckets)
    assert sum(calls for *_, calls in found) == 28
    assert (861, 1024, 5) in found
    assert (1024, 1218, 18) in found
