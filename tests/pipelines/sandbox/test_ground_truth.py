"""The sandbox's ground truth: the same for the same seed, exact in its totals, and shaped like a living month."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import mean, median

import numpy as np
import polars as pl
import pytest
from genai_prices import Usage, calc_price
from polars.testing import assert_frame_equal

from pipelines.sandbox.company import World
from pipelines.sandbox.ground_truth import TOTALS_BY, GroundTruth
from warehouse.labels import is_label
from warehouse.price_sources import seller

MONTH_ENDS = datetime(2026, 7, 1, tzinfo=UTC)
CALLS = 60_000


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    """Make a month of 60,000 calls, looked at by many tests."""
    return GroundTruth.make(7, MONTH_ENDS, calls=CALLS)


def by_day(truth: GroundTruth) -> pl.DataFrame:
    """Return the calls with their UTC day and the day's number in the month."""
    return truth.calls.with_columns(
        day=pl.col("requested_at").dt.date(),
        day_no=(pl.col("requested_at") - (MONTH_ENDS - timedelta(days=31))).dt.total_days(),
    )


def calls_a_day(calls: pl.DataFrame) -> list[int]:
    """Count the calls of each day that has any."""
    return [count for (count,) in calls.group_by("day").len().select("len").iter_rows()]


def test_the_same_seed_and_time_make_the_same_calls() -> None:
    """Two truths from the same arguments are equal cell by cell; another seed or another month is another truth."""
    one = GroundTruth.make(11, MONTH_ENDS, calls=2_000)
    assert_frame_equal(one.calls, GroundTruth.make(11, MONTH_ENDS, calls=2_000).calls)
    for other in (
        GroundTruth.make(12, MONTH_ENDS, calls=2_000),
        GroundTruth.make(11, MONTH_ENDS + timedelta(days=1), calls=2_000),
    ):
        assert not set(one.calls["request_id"]) & set(other.calls["request_id"])


@pytest.mark.parametrize("month_ends", [MONTH_ENDS, datetime(2026, 3, 4, 13, 37, 11, 250_000, tzinfo=UTC)])
def test_the_month_has_exactly_the_calls_asked_for_and_ends_when_told(month_ends: datetime) -> None:
    """As many calls as asked for, each with an id of its own, in time order, none outside the days."""
    calls = GroundTruth.make(3, month_ends, days=10, calls=5_000).calls
    assert calls.height == calls["request_id"].n_unique() == 5_000
    assert calls["requested_at"].is_sorted()
    assert calls.filter(
        ~pl.col("requested_at").is_between(month_ends - timedelta(days=10), month_ends, "left")
    ).is_empty()


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive time would mean another month on another machine."""
    with pytest.raises(ValueError, match="UTC"):
        GroundTruth.make(1, datetime(2026, 7, 1), calls=10)  # noqa: DTZ001 - this is the mistake
    with pytest.raises(ValueError, match="UTC"):
        GroundTruth.next_calls(1, MONTH_ENDS, datetime(2026, 7, 2))  # noqa: DTZ001 - this is the mistake


def test_parts_of_tokens_never_exceed_the_whole(truth: GroundTruth) -> None:
    """Cached tokens are part of the input, reasoning is part of the output; a failed call has none of either.

    An embedding has neither output nor cache.
    """
    calls = truth.calls
    assert calls.filter(pl.col("cached_tokens") > pl.col("input_tokens")).is_empty()
    assert calls.filter(pl.col("reasoning_tokens") > pl.col("output_tokens")).is_empty()
    assert calls.filter(pl.any_horizontal(pl.col("^.*_tokens$") < 0)).is_empty()
    failed = calls.filter(pl.col("status") == "error")
    assert failed.select(pl.sum_horizontal(pl.col("^.*_tokens$").sum())).item() == 0
    embedded = calls.filter(pl.col("model") == "text-embedding-3-small")
    assert embedded["input_tokens"].sum() > 0
    assert embedded["output_tokens"].sum() == embedded["cached_tokens"].sum() == 0
    assert calls["cached_tokens"].sum() > 0
    assert calls["reasoning_tokens"].sum() > 0


def test_totals_are_what_a_plain_count_of_the_calls_gives(truth: GroundTruth) -> None:
    """The oracle agrees with a dictionary filled call by call."""
    counted: dict[tuple[object, ...], Counter[str]] = {}
    for call in truth.calls.iter_rows(named=True):
        place = (call["requested_at"].date(), *(call[name] for name in TOTALS_BY[1:]))
        measures = {
            "requests": 1,
            "error_requests": int(call["status"] == "error"),
            "cancelled_requests": int(call["status"] == "cancelled"),
            **{name: call[name] for name in call if name.endswith("_tokens")},
        }
        counted.setdefault(place, Counter()).update(measures)
    totals = {tuple(row[name] for name in TOTALS_BY): row for row in truth.totals().iter_rows(named=True)}
    assert totals.keys() == counted.keys()
    for place, measures in counted.items():
        assert {name: totals[place][name] for name in measures} == dict(measures)


def test_the_trickle_is_the_same_in_one_piece_and_in_many() -> None:
    """Asking every few minutes gives exactly the calls of asking once, nothing twice and nothing lost."""
    until = MONTH_ENDS + timedelta(hours=3, minutes=17)
    whole = GroundTruth.next_calls(5, MONTH_ENDS, until).calls
    pieces, since = [], MONTH_ENDS
    while since < until:
        upto = min(since + timedelta(minutes=7, seconds=13), until)
        pieces.append(GroundTruth.next_calls(5, since, upto).calls)
        since = upto
    assert_frame_equal(whole, pl.concat(pieces))
    assert whole.height > 100
    assert whole["requested_at"].is_between(MONTH_ENDS, until, "left").all()


def test_an_empty_stretch_has_the_columns_and_no_calls(truth: GroundTruth) -> None:
    """Asked twice at the same moment, the trickle has nothing to tell, in the same columns."""
    nothing = GroundTruth.next_calls(5, MONTH_ENDS, MONTH_ENDS)
    assert nothing.calls.is_empty()
    assert nothing.calls.schema == truth.calls.schema
    assert nothing.totals().is_empty()


def test_the_trickle_goes_on_where_the_month_ended() -> None:
    """A day after the month has about the calls of the month's last working day, of models still in use."""
    month = GroundTruth.make(7, MONTH_ENDS)
    after = GroundTruth.next_calls(7, MONTH_ENDS, MONTH_ENDS + timedelta(days=1)).calls
    last_day = by_day(month).filter(pl.col("day") == (MONTH_ENDS - timedelta(days=1)).date()).height
    assert 0.8 < after.height / last_day < 1.25
    assert "gpt-4o" not in after["model"]
    assert not set(after["request_id"]) & set(month.calls["request_id"])


def test_few_keys_make_most_of_the_calls(truth: GroundTruth) -> None:
    """The busiest fifth of the keys makes over 60 % of the calls, and no account is left without."""
    per_key = truth.calls.group_by("key").len().sort("len", descending=True)["len"]
    assert per_key.head(len(per_key) // 5).sum() > 0.6 * CALLS
    assert len(per_key) > 30
    assert truth.calls["account"].n_unique() == 4


def test_the_skew_lies_within_that_of_real_traces(truth: GroundTruth, shared: Path) -> None:
    """The busiest tenth of the keys makes a share of the calls that ServeGen's production traces have too."""

    def busiest_tenth(load: pl.Series) -> float:
        ordered = sorted(load.to_list(), reverse=True)
        return float(sum(ordered[: max(1, len(ordered) // 10)]) / sum(ordered))

    clients = pl.read_parquet(shared / "data" / "servegen" / "client_rates.parquet")
    rates = clients.group_by("category", "model", "client").agg(pl.col("rate_rps").sum())
    real = [busiest_tenth(group["rate_rps"]) for _, group in rates.group_by("category", "model")]
    made_up = busiest_tenth(truth.calls.group_by("key").len()["len"])
    assert len(real) == 5
    assert min(real) * 0.9 < made_up < max(real) * 1.1


def test_token_lengths_have_the_heavy_tail_of_a_real_trace(truth: GroundTruth, shared: Path) -> None:
    """A support call's lengths, in and out, spread like Azure's conversations: alike in the logarithm."""
    trace = pl.read_csv(shared / "data" / "azure_llm_2023" / "AzureLLMInferenceTrace_conv.csv.gz")
    calls = truth.calls.filter((pl.col("project") == "support-bot") & (pl.col("status") == "ok"))
    for made_up, real in (("input_tokens", "ContextTokens"), ("output_tokens", "GeneratedTokens")):
        ours, theirs = (
            float(np.std(np.log(lengths.filter(lengths > 0).to_numpy()))) for lengths in (calls[made_up], trace[real])
        )
        assert abs(ours - theirs) < 0.25


def test_weekends_are_quiet_and_nights_belong_to_the_batch(truth: GroundTruth) -> None:
    """A weekend day has under 65 % of a working day's calls; the nightly job runs at night, as a batch."""
    calls = by_day(truth)
    weekend = pl.col("day").dt.weekday() >= 6
    assert mean(calls_a_day(calls.filter(weekend))) < 0.65 * mean(calls_a_day(calls.filter(~weekend)))
    batch = truth.calls.filter(pl.col("service_tier") == "batch")
    assert batch["project"].unique().to_list() == ["night-digest"]
    assert set(batch["requested_at"].dt.hour()) <= {0, 1, 2, 3}


def test_the_month_tells_a_story(truth: GroundTruth) -> None:
    """Growth, a model left for another, a project that starts, a loop that nobody stopped, a provider that failed."""
    calls = by_day(truth)
    first, last = (calls.filter(pl.col("day_no").is_between(*days)).height for days in ((3, 9), (24, 30)))
    assert first * 1.1 < last < first * 1.6
    gone, new, started = (
        calls.filter(which)["day_no"].to_list()
        for which in (
            pl.col("model") == "gpt-4o",
            pl.col("model") == "gpt-4.1",
            pl.col("project") == "launch-assistant",
        )
    )
    assert max(gone) < 20
    assert min(new) > 13
    assert min(started) > 12
    loop = calls_a_day(calls.filter(pl.col("project") == "coding-desk"))
    assert max(loop) > 2.5 * median(loop)
    failures = calls_a_day(calls.filter((pl.col("provider") == "anthropic") & (pl.col("status") == "error")))
    assert max(failures) > 5 * median(failures)
    assert "tandem/support-bot-prod-2" in calls["key"]


def test_outcomes_are_as_rare_as_in_life(truth: GroundTruth) -> None:
    """About 1.5 % errors and 0.5 % cancelled calls, with the codes a gateway gives."""
    error, cancelled = ((truth.calls["status"] == status).sum() / CALLS for status in ("error", "cancelled"))
    assert 0.012 < error < 0.02
    assert 0.003 < cancelled < 0.007
    codes = truth.calls.group_by("status").agg(pl.col("http_status").unique().sort())
    assert dict(codes.iter_rows()) == {"ok": [200], "error": [429, 500, 503], "cancelled": [499]}


def test_models_are_ones_whose_prices_are_known_but_one(truth: GroundTruth) -> None:
    """genai-prices knows every model but the one that runs in the house; 60,000 calls cost 500 to 1,000 USD."""
    spent, unknown = Decimal(0), set()
    tokens = [pl.col(name).mean().cast(pl.Int64) for name in ("input_tokens", "output_tokens", "cached_tokens")]
    for provider, model, calls, *mean_call in (
        truth.calls.group_by("provider", "model").agg(pl.len(), *tokens).iter_rows()
    ):
        # An embedding has no price of output: nothing is asked about tokens that are not there.
        sent, got, cached = (count or None for count in mean_call)
        usage = Usage(input_tokens=sent, output_tokens=got, cache_read_tokens=cached)
        owner, name = seller(provider, model)
        try:
            price = calc_price(usage, name, provider_id=owner, genai_request_timestamp=MONTH_ENDS)
        except LookupError:
            unknown.add(model)
        else:
            spent += price.total_price * calls
    assert unknown == {"draft-7b"}
    assert 500 < spent < 1_000


def test_names_are_labels_and_users_are_addresses(truth: GroundTruth) -> None:
    """What people name looks like a name; users are addresses of the reserved `.example`, to be made numbers."""
    for column in ("account", "project", "team", "key", "end_user", "connection"):
        assert all(is_label(name) for name in truth.calls[column].drop_nulls().unique()), column
    users = truth.calls["user"].drop_nulls().unique()
    assert users.str.contains(r"^[\w.-]+@\w+\.example$").all()
    assert truth.calls["project"].null_count() > 0


def test_the_world_names_no_unknown_model() -> None:
    """A project that uses what has no table is refused when the world is read, with its name."""
    world = World.load().model_dump(by_alias=True)
    world["account"][0]["project"][0]["models"][0]["model"] = "gpt-9"
    with pytest.raises(ValueError, match=r"tandem/support-bot: give model gpt-9"):
        World.model_validate(world)
