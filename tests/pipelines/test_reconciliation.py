"""Log and bill of a made-up company are reconciled: each difference has its cause, the parts add up to it exactly."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.sandbox import witness
from pipelines.sandbox.bill import LEAKS
from pipelines.sandbox.company import GATEWAY
from tests.pipelines.billed_world import ENDS, LATER, World, world
from tests.pipelines.planted import Plan
from tests.templates import Templates
from warehouse import causes
from warehouse.reconciliation_tables import RECONCILIATION_TABLES

BOTH = ("openai", "anthropic")


@pytest.fixture(autouse=True)
def key(master_key: str) -> str:
    """Every pull here has its master key."""
    return master_key


@pytest.fixture
def reconciled(templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A month of one world, pulled and modelled."""
    with world(tmp_path, monkeypatch, days=31, calls=3_000) as made:

        def reconciled(_: object) -> None:
            for provider in BOTH:
                made.pull(provider)
            made.take_in()

        templates.once(made.home, reconciled)
        yield made


def found(made: World, provider: str) -> dict[str, Decimal]:
    """What each cause adds up to at one provider."""
    return dict(
        made.query(
            "SELECT cause, sum(amount_usd) FROM mart.difference_cause WHERE provider = ? GROUP BY cause", provider
        )
    )


def test_the_three_causes_of_the_usual_world_explain_all_of_it(reconciled: World) -> None:
    """A leaked key, broken-off streams and uses of tools, nothing else, and nothing unexplained."""
    for provider in BOTH:
        assert set(found(reconciled, provider)) == {causes.UNLOGGED, causes.CANCELLED, causes.TOOL}


def test_the_parts_add_up_to_each_days_difference(reconciled: World) -> None:
    """Bill less log of every connection's day, to the pico-dollar; the bill is the one that was pulled."""
    wrong = reconciled.query(
        """SELECT count(*) FROM mart.reconciliation_daily
           WHERE bill_cost_usd IS NOT NULL AND bill_cost_usd - log_cost_usd <> difference_usd"""
    )
    assert wrong == [(0,)]
    for provider in BOTH:
        query = "SELECT sum(bill_cost_usd) FROM mart.reconciliation_daily WHERE provider = ?"
        assert reconciled.query(query, provider) == [(reconciled.billed(provider),)]


def test_the_leaked_key_is_named_with_its_model_and_its_cost(reconciled: World) -> None:
    """One key at each provider, of the leaked model alone, with every token it used."""
    for provider in BOTH:
        model, uncached, out = LEAKS[provider]
        ((keys, named, days),) = reconciled.query(
            """SELECT count(DISTINCT key_label), string_agg(DISTINCT model), count(DISTINCT day)
               FROM mart.difference_cause WHERE provider = ? AND cause = 'unlogged'""",
            provider,
        )
        assert (keys, named) == (1, model)
        ((tokens,),) = reconciled.query(
            """SELECT sum(usage_tokens) FROM model.reconciliation SEMI JOIN (
                   SELECT key_no FROM model.difference JOIN model.connection USING (connection_no)
                   WHERE provider = ? AND cause = 'unlogged') USING (key_no)""",
            provider,
        )
        assert tokens == days * (uncached + out)


def test_every_model_and_key_has_its_log_count_and_bill(reconciled: World) -> None:
    """What a day's rows say adds up to the day, side by side; logged as single calls tell, counted and billed alike."""
    sides = "log_cost_usd, usage_cost_usd, bill_cost_usd, difference_usd"
    summed = ", ".join(f"coalesce(sum({name}), 0)" for name in sides.split(", "))
    by_day = f"SELECT day, connection_no, {summed} FROM mart.reconciliation_{{}} GROUP BY ALL ORDER BY ALL"
    days = reconciled.query(by_day.format("daily"))
    assert len(days) == 64
    assert reconciled.query(by_day.format("by_key")) == days
    without = summed.replace(", coalesce(sum(difference_usd), 0)", "")
    of_classes = f"SELECT day, connection_no, {without} FROM mart.reconciliation_by_class GROUP BY ALL ORDER BY ALL"
    assert reconciled.query(of_classes) == [row[:-1] for row in days]
    keyed = "SELECT day, model, key_label, {} WHERE {} AND provider IN ('openai', 'anthropic') {} ORDER BY ALL"
    logged = keyed.format(
        "log_requests, log_tokens, log_cost_usd FROM mart.reconciliation_by_key", "log_requests IS NOT NULL", ""
    )
    calls = keyed.format(
        """sum(requests)::BIGINT, sum(input_tokens + output_tokens)::BIGINT, sum(cost_usd) FROM mart.spend_daily""",
        "basis = 'log'",
        "GROUP BY ALL",
    )
    assert reconciled.query(logged) == reconciled.query(calls)
    ((billed, of_models, keys),) = reconciled.query(
        """SELECT sum(bill_cost_usd), sum(bill_cost_usd) FILTER (model IS NOT NULL),
               count(DISTINCT key_label) FILTER (causes = 'unlogged')
           FROM mart.reconciliation_by_key"""
    )
    ((of_lines,),) = reconciled.query("SELECT sum(amount_usd) FROM mart.bill_line")
    assert billed == of_lines == sum(map(reconciled.billed, BOTH))
    # Anthropic's bill names models, OpenAI's has its own words: no model is read out of them.
    assert of_models == reconciled.billed("anthropic")
    assert keys == 2


def test_a_second_pass_over_the_same_changes_nothing(reconciled: World) -> None:
    """The same days, told again, are reconciled to the same rows."""
    before = [reconciled.query(f"FROM {table.full_name} ORDER BY ALL") for table in RECONCILIATION_TABLES]
    for provider in BOTH:
        reconciled.pull(provider)
    reconciled.take_in()
    assert before == [reconciled.query(f"FROM {table.full_name} ORDER BY ALL") for table in RECONCILIATION_TABLES]
    assert all(before)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 31))])
def test_each_planted_cause_is_found_and_none_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Within a cent each, by provider; nothing is unexplained, and no cause is seen where none was planted."""
    plan = Plan.of(seed)
    with world(
        tmp_path,
        monkeypatch,
        seed,
        days=20,
        calls=2_500,
        planted=plan.planted,
        held_back=plan.held_back,
        # The first seed's company has its gateway alone; the others' services send spans, and developers have agents.
        sources=(GATEWAY,) if seed == 1 else witness.SOURCES,
    ) as made:
        # Where rows are held back, days are too young for the log to be taken for whole.
        asked_at = ENDS + timedelta(days=2) if plan.held_back else LATER
        for provider in BOTH:
            made.pull(provider, asked_at)
        made.take_in(asked_at)
        for provider in BOTH:
            worth, told = plan.worth(made.truth, provider, ENDS), found(made, provider)
            apart = {
                cause: (worth.get(cause, Decimal(0)), told.get(cause, Decimal(0)))
                for cause in {*worth, *told}
                if abs(worth.get(cause, Decimal(0)) - told.get(cause, Decimal(0))) > Decimal("0.01")
            }
            assert apart == {}, (provider, plan)
