"""Payments in Dagster: what Stripe tells of settled payments lands with the bills, every half an hour.

A thin registry: what a pull does stands in pipelines/payments/pull.py. Where Stripe cannot be asked, the run goes on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from pipelines.orchestration import check
from pipelines.payments import pull
from pipelines.providers.stripe import RAW_TRANSACTIONS
from warehouse.home import Home

KEY = dg.AssetKey([RAW_TRANSACTIONS.schema, RAW_TRANSACTIONS.name])


def transactions(home: Home) -> dg.AssetsDefinition:
    """Give the step that asks Stripe."""

    @dg.multi_asset(
        name="pull_stripe",
        specs=[
            dg.AssetSpec(
                KEY,
                group_name="raw",
                description=f"{RAW_TRANSACTIONS.meaning} Appended, each once.",
                metadata={
                    "dagster/column_schema": check.column_schema(RAW_TRANSACTIONS),
                    "dagster/table_name": RAW_TRANSACTIONS.full_name,
                },
                kinds={"dlt", "duckdb"},
            )
        ],
        check_specs=[dg.AssetCheckSpec("stripe_answers", asset=KEY, description="Whether it could be pulled.")],
    )
    def pulled(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        def tell(what: str, done: int, total: int) -> None:
            context.log.info("%s: %d of %d", what, done, total)

        paid = pull.pull_or_say(home, datetime.now(UTC).replace(tzinfo=None), tell)
        asked = pull.is_connected(home)
        if paid.skipped and asked:
            context.log.warning("Stripe was skipped: %s", paid.skipped)
        yield dg.MaterializeResult(asset_key=KEY, metadata={"read": paid.read, "rows_landed": paid.new})
        yield dg.AssetCheckResult(
            asset_key=KEY,
            check_name="stripe_answers",
            passed=not (paid.skipped and asked),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": paid.skipped or "it answered"},
        )

    return pulled
