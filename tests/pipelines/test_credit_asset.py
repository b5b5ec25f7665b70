"""The ledger in Dagster: what is due is deducted once, what does not add up stops the run and the version."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import dagster as dg
import pytest

from pipelines.orchestration import credit_asset
from pipelines.passage import modelled
from tests.pipelines.gateway_log import NOW, line, put, take_in
from warehouse import database
from warehouse.control import credit, prepaid
from warehouse.control.outside_id import OutsideIds
from warehouse.control.vault import Vault
from warehouse.home import PROJECT, Home

_PLAN = """
from dagster._core.execution.api import create_execution_plan
from pipelines import definitions
for name in ("a_pass", "bills"):
    plan = create_execution_plan(definitions.defs.resolve_job_def(name))
    needs = {step.key: {key for put in step.step_inputs for key in put.dependency_keys} for step in plan.steps}
    waits, due = set(), ["published__warehouse"]
    while due:
        due += needs[step := due.pop()] - waits
        waits.add(step)
    print(name, "model__usage_monthly_conservation" in waits, "credits__ledger_adds_up" in waits)
"""


def test_the_step_deducts_what_is_due_and_the_check_stops_what_does_not_add_up(home: Home, master_key: str) -> None:
    """Once, and not again; an entry that somebody changed by force is told by its count, and fails the run."""
    assert master_key
    put(home, "a.jsonl", [line(input_tokens=5_000)])
    with database.control(home) as control:
        with database.transaction(control):
            ids = OutsideIds(control, Vault(control, NOW), NOW)
            number = ids.accounts("gateway_jsonl", ["acme"])["acme"]
        prepaid.put(control, prepaid.Terms(number, date(2026, 11, 1), is_prepaid=True, factor=Decimal(1)), NOW)
    take_in(home)
    with database.held(home.build_lock), database.build(home) as build:
        build.execute("UPDATE model.usage_daily SET list_cost_usd = list_cost_usd * 2")
        build.execute("UPDATE model.revision SET revision = revision + 1")
        modelled(home, build, datetime.now(UTC), lambda *_: None)
    step = [credit_asset.ledger(home, []), credit_asset.adds_up(home)]
    with dg.DagsterInstance.ephemeral() as instance:
        for made in (1, 0):
            result = dg.materialize(step, instance=instance)
            ((event,),) = [result.get_asset_materialization_events()]
            assert event.materialization.metadata["deductions_made"].value == made
            assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
        with database.control(home) as control:
            control.execute("DROP TRIGGER credit_entry_same")
            control.execute("UPDATE credit_entry SET amount_nano = amount_nano + 1 WHERE book = 'customer'")
            assert len(credit.wrong(control)) >= 2
        result = dg.materialize(step, instance=instance, raise_on_error=False)
        assert not result.success
        (check,) = result.get_asset_check_evaluations()
        assert not check.passed


@pytest.mark.soak
def test_a_version_waits_for_what_holds_it_back(home: Home, master_key: str) -> None:
    """In both jobs: published comes after conservation and after the ledger's check, so that either stops it."""
    assert home
    assert master_key
    done = subprocess.run([sys.executable, "-c", _PLAN], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["a_pass True True", "bills True True"], done.stderr[-2_000:]
