"""What Dagster backs up by itself: the home each morning after the expiry, where APILEDGER_BACKUP names a place."""

import os
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.backups import backup
from pipelines.backups.backup_health import TARGET
from warehouse.home import Home


def job(home: Home) -> Any:
    """Give the job of one backup; Dagster does not export its type."""

    @dg.op(name="sealed_backup", description="The home as one sealed file; those that are too old go.")
    def sealed_backup(context: dg.OpExecutionContext) -> None:
        made = backup.make(home, os.environ[TARGET], datetime.now(UTC).replace(tzinfo=None), lambda *_: None)
        context.add_output_metadata(
            {
                "backup": made.backup.name,
                "files": made.files,
                "bytes": made.content_bytes,
                "older_ones_deleted": len(made.expired),
            }
        )

    @dg.job(name="backup", description="What `apiledger backup make` does.", executor_def=dg.in_process_executor)
    def home_backup() -> None:
        sealed_backup()

    return home_backup


def daily(made: Any) -> dg.ScheduleDefinition:
    """Give the schedule; without a place there is nothing to do."""

    @dg.schedule(job=made, cron_schedule="20 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    def daily_backup(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return dg.RunRequest() if os.environ.get(TARGET) else dg.SkipReason(f"{TARGET} names no place")

    return daily_backup
