"""Log and bill of a made-up company are reconciled: each difference has its cause, the parts add up to it exactly."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.sandbox.bill import LEAKS
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
        tmp_path, monkeypatch, seed, days=20, calls=2_500, planted=plan.planted, held_back=plan.held_back
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
