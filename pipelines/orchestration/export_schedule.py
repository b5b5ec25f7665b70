"""What Dagster exports by itself each morning, where a place is named: FOCUS files, and every mart as Parquet."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.exports import export
from pipelines.exports.export import Exported
from warehouse.home import Home

VERSION = "APILEDGER_EXPORT_FOCUS"


@dataclass(frozen=True)
class Export:
    """One of the two: the job's name, the variable that names a folder or an S3 prefix, and what is written there."""

    name: str
    target: str
    meaning: str
    write: Callable[[Home, str], Exported]


def _focus(home: Home, target: str) -> Exported:
    return export.focus(home, target, datetime.now(UTC), os.environ.get(VERSION, "1.2"))


def _marts(home: Home, target: str) -> Exported:
    return export.marts(home, target, datetime.now(UTC))


EXPORTS = (
    Export("focus_export", "APILEDGER_EXPORT", "Spend in FOCUS's columns, a file a billing period.", _focus),
    Export("parquet_export", "APILEDGER_EXPORT_PARQUET", "Every mart as a Parquet file.", _marts),
)


def jobs(home: Home) -> list[Any]:
    """Give the job of each export; Dagster does not export its type."""
    return [_job(home, each) for each in EXPORTS]


def schedules(exported: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    """Give each job's schedule, in the order of `jobs`; without a target there is nothing to do."""
    return [_daily(made, each) for made, each in zip(exported, EXPORTS, strict=True)]


def _job(home: Home, asked: Export) -> Any:

    @dg.op(name=asked.name.replace("_export", "_files"), description=f"{asked.meaning} A manifest comes last.")
    def files(context: dg.OpExecutionContext) -> None:
        made = asked.write(home, os.environ[asked.target])
        context.add_output_metadata(
            {
                "files": made.files,
                "rows": made.rows,
                "billed_cost_usd": str(made.cost_usd),
                "unpriced_requests_left_out": made.unpriced_requests,
            }
        )

    @dg.job(name=asked.name, description=asked.meaning, executor_def=dg.in_process_executor)
    def exported() -> None:
        files()

    return exported


def _daily(exported: Any, asked: Export) -> dg.ScheduleDefinition:

    @dg.schedule(
        name=f"daily_{asked.name}",
        job=exported,
        cron_schedule="40 5 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def each_morning(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return dg.RunRequest() if os.environ.get(asked.target) else dg.SkipReason(f"{asked.target} names no place")

    return each_morning
