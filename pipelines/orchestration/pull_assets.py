"""What Dagster runs of providers' bills: an asset a raw table, a check a provider, and a schedule every half an hour.

A provider that cannot be pulled does not fail the run: its check says why, and the bills of the others go on into the
models. What a pull does stands in `pipelines/bills/pull.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.bills import pull
from pipelines.bills.biller import Biller, billers
from pipelines.orchestration import check, pass_record
from pipelines.payments import pull as payments
from warehouse.home import Home


def assets(home: Home) -> list[dg.AssetsDefinition]:
    """Give every provider's raw tables as one step each."""
    return [_asset(home, biller) for biller in billers().values()]


def _asset(home: Home, biller: Biller) -> dg.AssetsDefinition:
    keys = {report.table.full_name: dg.AssetKey([report.table.schema, report.table.name]) for report in biller.reports}
    first = next(iter(keys.values()))

    @dg.multi_asset(
        name=f"pull_{biller.name}",
        specs=[
            dg.AssetSpec(
                keys[report.table.full_name],
                group_name="raw",
                description=f"{report.table.meaning} Appended where a day says something else than before.",
                metadata={
                    "dagster/column_schema": check.column_schema(report.table),
                    "dagster/table_name": report.table.full_name,
                },
                kinds={"dlt", "duckdb"},
            )
            for report in biller.reports
        ],
        check_specs=[
            dg.AssetCheckSpec(f"{biller.name}_answers", asset=first, description="Whether it could be pulled.")
        ],
    )
    def pulled(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        def tell(what: str, done: int, total: int) -> None:
            context.log.info("%s: %d of %d", what, done, total)

        each = pull.pull_each(home, biller, datetime.now(UTC).replace(tzinfo=None), tell)
        # Connections fail one like another: each reason is said once.
        skipped = "; ".join(dict.fromkeys(one.skipped for one in each if one.skipped is not None))
        if skipped and pull.is_connected(home, biller):
            context.log.warning("%s was skipped: %s", biller.title, skipped)
        for key in keys.values():
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "connections": len(each),
                    "rows_landed": sum(one.rows for one in each),
                    "days_read": sum(one.days for one in each),
                    "days_told_anew": sum(one.new_days for one in each),
                    "days_refused": sum(one.refused_days for one in each),
                    "skipped": skipped,
                },
            )
        yield dg.AssetCheckResult(
            asset_key=first,
            check_name=f"{biller.name}_answers",
            passed=not skipped or not pull.is_connected(home, biller),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": skipped or "it answered"},
        )

    return pulled


def job(
    home: Home,
    pulls: Sequence[dg.AssetsDefinition],
    rest: Sequence[dg.AssetsDefinition],
    held: Sequence[dg.AssetChecksDefinition],
) -> Any:
    """Give the job from bills to a new version; Dagster does not export its type."""
    return dg.define_asset_job(
        "bills",
        selection=dg.AssetSelection.assets(*pulls)
        | dg.AssetSelection.assets(*rest).without_checks()
        | dg.AssetSelection.checks(*held),
        description="Providers' bills to a new version.",
        executor_def=dg.in_process_executor,
        hooks={pass_record.failed(home, but=pulls)},
    )


def half_hourly(home: Home, bills: Any, under_way: Callable[[dg.DagsterInstance, str], bool]) -> dg.ScheduleDefinition:
    """Give the schedule: ticks missed while the machine slept are one pull, and without a key there is none."""

    @dg.schedule(job=bills, cron_schedule="*/30 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
    def half_hourly_bills(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        connected = (pull.is_connected(home, biller) for biller in billers().values())
        if not any(connected) and not payments.is_connected(home):
            return dg.SkipReason("no provider is connected")
        if under_way(context.instance, bills.name):
            return dg.SkipReason("a pull is under way")
        return dg.RunRequest()

    return half_hourly_bills
