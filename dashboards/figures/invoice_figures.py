"""mart.invoice_tie_out, mart.plan_value -> each invoice beside its bills, each plan's fee beside its worth."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer

MOST_MONTHS = 12
_TIED = "SELECT * EXCLUDE (added_at) FROM mart.invoice_tie_out"
_VALUED = "SELECT * FROM mart.plan_value"


@dataclass(frozen=True)
class Invoice:
    """An invoice and what the bills of its days, or its plan's fee, say with tax and credits; amounts in USD.

    `currency` and what follows are None where it is billed in USD; `told_amount` where its bill is in another one.
    """

    number: str
    provider: str
    plan: str | None
    start: date
    end: date
    amount_usd: Decimal | None
    told_usd: Decimal | None
    difference_usd: Decimal | None
    status: str
    period_days: int
    told_days: int
    open_days: int
    currency: str | None = None
    billed_amount: Decimal | None = None
    fx_usd_per_unit: Decimal | None = None
    fx_day: date | None = None
    told_amount: Decimal | None = None


@dataclass(frozen=True)
class PlanMonth:
    """A plan's month: its fee so far, and what the calls it pays for would have cost at list price; never one sum."""

    plan: str
    provider: str
    month: date
    seats: int
    fee_usd: Decimal
    requests: int
    worth_usd: Decimal
    unpriced_requests: int
    ratio: Decimal
    covers: str
    ends_on: date | None


def invoices(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[Invoice]:
    """Every invoice, the newest period first."""
    condition, bound = viewer.condition_without_project()
    query = f"""SELECT number, provider, plan, period_start, period_end, amount_usd,
            (charges_usd + adjustments_usd + taxes_usd + credited_usd)::DECIMAL(38,12), difference_usd,
            status, period_days, told_days, open_days,
            currency, billed_amount, fx_usd_per_unit, fx_day, told_amount
        FROM mart.invoice_tie_out WHERE {condition} ORDER BY period_start DESC, provider, number"""
    return [Invoice(*row) for row in connection.execute(query, bound).fetchall()]


def plans(connection: DuckDBPyConnection, viewer: Viewer, today: date) -> list[PlanMonth]:
    """Every plan by month, the newest first, of the last twelve months up to `today` (UTC)."""
    condition, bound = viewer.condition_without_project()
    query = f"""SELECT plan, provider, month, seats, fee_usd, covered_requests, covered_list_cost_usd,
            covered_unpriced_requests, value_ratio, coalesce(covers, ''), ends_on
        FROM mart.plan_value
        WHERE {condition} AND month > ?::DATE - to_months(?) ORDER BY month DESC, provider, plan, starts_on"""
    return [PlanMonth(*row) for row in connection.execute(query, [*bound, today, MOST_MONTHS]).fetchall()]


def tie_out(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> pa.Table:
    """The whole tie-out, to take away."""
    condition, bound = viewer.condition_without_project()
    return connection.execute(
        f"{_TIED} WHERE {condition} ORDER BY period_start DESC, provider, number", bound
    ).to_arrow_table()


def plan_value(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> pa.Table:
    """Every plan and month, to take away."""
    condition, bound = viewer.condition_without_project()
    return connection.execute(f"{_VALUED} WHERE {condition} ORDER BY month DESC, plan", bound).to_arrow_table()
