"""Prepaid credits in Dagster: what calls cost is deducted once it is conserved, and nothing is published that is off.

A thin registry: what is deducted stands in pipelines/materialization/build_credits.py.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from pipelines.materialization import build_credits
from warehouse import database, publication
from warehouse.control import credit
from warehouse.home import Home

KEY = dg.AssetKey(["credits", "ledger"])


def ledger(home: Home, after: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """Give the step between the marts and a version."""

    @dg.asset(
        key=KEY,
        deps=after,
        group_name="credits",
        description="The append-only ledger of prepaid credits: deductions of what was found conserved.",
        kinds={"sqlite"},
        retry_policy=dg.RetryPolicy(max_retries=3, delay=20),
    )
    def deducted() -> dg.MaterializeResult[None]:
        with database.held(home.build_lock), database.build(home) as connection:
            now = datetime.now(UTC).replace(tzinfo=None)
            made = build_credits.deduct(home, connection, now) if publication.due(home, connection) else 0
        with database.control(home) as control:
            accounts, (entered, _) = len(credit.accounts(control)), credit.tail(control)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": entered, "deductions_made": made, "accounts": accounts}
        )

    return deducted


def adds_up(home: Home) -> dg.AssetChecksDefinition:
    """Every transaction adds up to nothing, a balance is its entries, deductions are the usage, rounded once."""

    @dg.asset_check(name="adds_up", asset=KEY, blocking=True, description=adds_up.__doc__)
    def check() -> dg.AssetCheckResult:
        with database.control(home) as control:
            wrong = credit.wrong(control)
        # Counts alone: Dagster keeps metadata for good.
        return dg.AssetCheckResult(passed=not wrong, metadata={"wrong": len(wrong)})

    return check
