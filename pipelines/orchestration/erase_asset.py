"""Erasures in Dagster: what a page or the command line began and did not end is taken up within seconds.

A thin registry: what an erasure does stands in retention/erase.py.
"""

import json
from datetime import UTC, datetime

import dagster as dg

from pipelines import erasing
from pipelines.orchestration.run_history import under_way
from retention import erase
from warehouse.home import Home

HOME = Home.own()


@dg.asset(
    key=["retention", "erased"],
    group_name="retention",
    description="Whoever is to be erased is gone from every store, to the last byte; a receipt for each.",
    kinds={"duckdb", "sqlite"},
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60),
)
def erased(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Carry out every pending erasure."""

    def tell(what: str, done: int, total: int) -> None:
        context.log.info("%s: %d of %d", what, done, total)

    receipts = [
        json.loads(receipt)
        for receipt in erasing.resume(HOME, datetime.now(UTC).replace(tzinfo=None), tell, restored=True)
    ]
    return dg.MaterializeResult(
        metadata={
            "erasures": len(receipts),
            "rows": sum(sum(receipt["rows"].values()) for receipt in receipts),
            "files_searched": sum(receipt["searched"]["files"] for receipt in receipts),
            "found_in": sum(sum(receipt["found_in"].values()) for receipt in receipts),
        }
    )


erasure = dg.define_asset_job(
    "erasure",
    selection=dg.AssetSelection.assets(erased),
    description="What `apiledger erase resume` does.",
    executor_def=dg.in_process_executor,
)


@dg.sensor(job=erasure, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def pending_erasures(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Start the job when an erasure waits and no run of it is under way."""
    if not erase.is_pending(HOME):
        return dg.SkipReason("nobody waits to be erased")
    if under_way(context.instance, erasure.name):
        return dg.SkipReason("an erasure is under way")
    return dg.RunRequest()


ASSETS, JOBS, SENSORS = [erased], [erasure], [pending_erasures]
