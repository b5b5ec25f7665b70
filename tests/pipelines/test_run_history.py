"""Dagster's own records: what a run told of itself is in no byte of the home once its month is over."""

import shutil
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.orchestration import run_history
from retention import policy
from retention.receipts import Expired
from tests.retention import byte_scan
from warehouse.home import Home

_CLAUSE = policy.load().clause("S-runs")


@dg.asset
def told() -> dg.MaterializeResult[None]:
    """Say something of oneself in metadata, a tag and printed words."""
    print("printed-canary-5d1c")
    return dg.MaterializeResult(metadata={"said": "metadata-canary-5d1c"}, tags={"tag": "tag-canary-5d1c"})


@dg.asset_check(asset=told)
def checked() -> dg.AssetCheckResult:
    """Say something in a check."""
    return dg.AssetCheckResult(passed=True, metadata={"said": "check-canary-5d1c"})


_JOB = dg.Definitions(assets=[told], asset_checks=[checked]).resolve_implicit_global_asset_job_def()


def _made(instance: dg.DagsterInstance) -> str:
    return _JOB.execute_in_process(instance=instance).run_id


def _instance(home: Home) -> AbstractContextManager[dg.DagsterInstance]:
    return dg.DagsterInstance.local_temp(str(home.dagster), overrides={"telemetry": {"enabled": False}})


def _swept(instance: dg.DagsterInstance, home: Home, days: float) -> list[Expired]:
    return run_history.sweep(instance, home, _CLAUSE, datetime.now(UTC).replace(tzinfo=None) + timedelta(days=days))


def _canaries(home: Home) -> set[bytes]:
    return set().union(*byte_scan.found(home.dagster, rb"(\w+)-canary-5d1c").values())


@pytest.mark.clause("VA-6.1")
def test_what_a_run_told_is_gone_after_a_month(home: Home) -> None:
    """Metadata, tags, checks and printed words, from the events, the index of assets and the captured output."""
    with _instance(home) as instance:
        _made(instance)
        assert _canaries(home) == {b"metadata", b"tag", b"check", b"printed"}
        assert _swept(instance, home, 29) == []
        assert instance.get_latest_materialization_event(told.key) is not None
        taken = _swept(instance, home, 31)
        assert [each.place for each in taken] == [
            "dagster/runs",
            "dagster/files of runs",
            "dagster/history/runs/index.db",
        ]
        assert taken[0].things == 1
        assert _canaries(home) == set()
        assert instance.get_latest_materialization_event(told.key) is None
        # Dagster goes on with what is left.
        _made(instance)
        assert instance.get_latest_materialization_event(told.key) is not None
        assert [record.asset_entry.asset_key for record in instance.get_asset_records()] == [told.key]


@pytest.mark.clause("VA-6.1")
def test_a_run_that_is_younger_or_goes_on_stays(home: Home) -> None:
    """Its events, its files and what the assets' index knows of it, while an older one of the same asset goes."""
    with _instance(home) as instance:
        old = _made(instance)
        going = instance.create_run_for_job(_JOB, status=dg.DagsterRunStatus.STARTED).run_id
        time.sleep(1.1)
        middle = datetime.now(UTC).replace(tzinfo=None)
        young = _made(instance)
        limit = middle + timedelta(days=_CLAUSE.kept_days or 0)
        assert run_history.sweep(instance, home, _CLAUSE, limit) != []
        known = set(instance.get_run_ids())
        assert {going, young} <= known
        assert old not in known
        event = instance.get_latest_materialization_event(told.key)
        assert event is not None
        assert event.timestamp > middle.replace(tzinfo=UTC).timestamp()
        assert len(instance.fetch_materializations(told.key, limit=9).records) == 1
    assert list(home.dagster.rglob(f"*{old}*")) == []
    assert list(home.dagster.rglob(f"*{young}*")) != []


@pytest.mark.clause("VA-6.1")
def test_files_of_a_run_that_is_no_more_are_found(home: Home) -> None:
    """A sweep that was killed between a run and its files leaves them to the next one."""
    with _instance(home) as instance:
        run_id = _made(instance)
        lost: list[Path] = []
        for path in list(home.dagster.rglob(f"{run_id}*")):
            lost.append(path.with_name(path.name.replace(run_id, "11111111-1111-1111-1111-111111111111")))
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, lost[-1])
        assert len(lost) >= 2
        _swept(instance, home, 29)
        assert all(path.exists() for path in lost)
        _swept(instance, home, 31)
        assert [path for path in lost if path.exists()] == []
