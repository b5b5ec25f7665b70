"""What Dagster exports by itself: FOCUS files each morning, where APILEDGER_EXPORT names a folder or an S3 prefix."""

import os
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.exports import export
from warehouse.home import Home

TARGET, VERSION = "APILEDGER_EXPORT", "APILEDGER_EXPORT_FOCUS"


def job(home: Home) -> Any:
    """Give the job of one export; Dagster does not export its type."""

    @dg.op(name="focus_files", description="Spend in FOCUS's columns, a file a billing period, and a manifest.")
    def focus_files(context: dg.OpExecutionContext) -> None:
        made = export.focus(home, os.environ[TARGET], datetime.now(UTC), os.environ.get(VERSION, "1.2"))
        context.add_output_metadata(
            {
                "files": made.files,
                "rows": made.rows,
                "billed_cost_usd": str(made.cost_usd),
                "unpriced_requests_left_out": made.unpriced_requests,
            }
        )

    @dg.job(name="focus_export", description="FOCUS files for other tools.", executor_def=dg.in_process_executor)
    def focus_export() -> None:
        focus_files()

    return focus_export


def daily(exported: Any) -> dg.ScheduleDefinition:
    """Give the schedule; without a target there is nothing to do."""

    @dg.schedule(job=exported, cron_schedule="40 5 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    def daily_export(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return dg.RunRequest() if os.environ.get(TARGET) else dg.SkipReason(f"{TARGET} names no place")

    return daily_export
