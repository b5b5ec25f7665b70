"""Dagster's steps for bills: one provider that refuses does not keep another's bill from landing."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.bills.biller import billers
from pipelines.orchestration import pull_assets
from tests.pipelines.billed_world import KEYS, world


@pytest.mark.usefixtures("master_key")
def test_a_provider_that_refuses_is_said_and_the_other_lands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run succeeds; the check of the one warns, the other's rows are there, and no key is in any metadata."""
    now = datetime.now(UTC).replace(microsecond=0)
    with world(tmp_path, monkeypatch, ends=now) as made, dg.DagsterInstance.ephemeral() as instance:
        made.apis["openai"].faults = [401] * 9
        result = dg.materialize(pull_assets.assets(made.home), instance=instance)
        assert result.success
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        # A provider whose key nobody gave is no trouble.
        assert {name: check.passed for name, check in checks.items()} == {
            f"{name}_answers": name != "openai" for name in billers()
        }
        landed = {
            event.asset_key.path[-1]: event.materialization.metadata["rows_landed"].value
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }
        assert landed["costs"] == landed["usage_completions"] == 0
        assert isinstance(landed["cost_report"], int)
        assert landed["cost_report"] > 0
        said = "".join(str(event) for event in result.all_events)
        assert "refused" in said
        assert not any(key in said for key in KEYS.values())
