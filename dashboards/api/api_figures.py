"""The figures of pages -> what programs are told: each answer is the question of a page, as one table."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pyarrow as pa

from dashboards.api.problem import Problem
from dashboards.api.resource import Asking
from dashboards.figures import (
    allocation_figures,
    budget_figures,
    change_figures,
    freshness_figures,
    model_figures,
    name_figures,
    reconciliation_figures,
    spend_figures,
)
from dashboards.figures.name_figures import Kind
from dashboards.figures.period import MOST_DAYS, Period
from dashboards.figures.spend_filter import DIMENSIONS, EARLIEST, HOURLY_DAYS, SpendFilter
from dashboards.figures.viewer import Viewer
from warehouse.home import Home

_MONEY = pa.decimal128(38, 12)


def spend(asking: Asking) -> pa.Table:
    """Spend by time and groups: the page's own rows, from the offset on, one more than the limit."""
    said, (start, end) = asking.said, asking.days()
    if said["granularity"] == "hour" and (end - start).days >= HOURLY_DAYS:
        told = f"hours of more than {HOURLY_DAYS} days"
        raise Problem(422, f"that is {told}", f"ask for {HOURLY_DAYS} days at once, or by day", "granularity")
    asked = SpendFilter(
        start=max(start, EARLIEST),
        end=max(end, EARLIEST),
        grain=said["granularity"],
        group_by=said["group_by"],
        chosen={name: said[name] for name in DIMENSIONS if said[name] is not None},
        search=(said["q"] or "").strip(),
        zones=asking.zones.names,
    )
    found = spend_figures.rows(asking.connection, asking.viewer, asked, asking.limit + 1, asking.offset)
    return found.rename_columns([{"key_label": "key"}.get(name, name) for name in found.column_names])


def _period(asking: Asking) -> Period:
    start, end = asking.days(MOST_DAYS)
    return Period(max(start, EARLIEST), max(end, EARLIEST), (asking.said["q"] or "").strip())


def models(asking: Asking) -> pa.Table:
    """What each model costs."""
    return model_figures.rows(asking.connection, asking.viewer, _period(asking))


def names(kind: Kind, other: str, asking: Asking) -> pa.Table:
    """What each key or project costs; `other` is what its parts are called."""
    asked = name_figures.Asked(kind, _period(asking), unused=asking.said["only"] == "unused")
    found = name_figures.rows(asking.connection, asking.viewer, asked)
    return found.rename_columns([{"label": kind, "parts": other}.get(name, name) for name in found.column_names])


def _reconciled(asking: Asking) -> reconciliation_figures.Asked:
    return reconciliation_figures.Asked(*asking.days(MOST_DAYS), asking.said["provider"] or ())


def reconciliation(asking: Asking) -> pa.Table:
    """Log, count and bill by day."""
    return reconciliation_figures.days(asking.connection, asking.viewer, _reconciled(asking))


def causes(asking: Asking) -> pa.Table:
    """Every part of every difference."""
    found = reconciliation_figures.parts(asking.connection, asking.viewer, _reconciled(asking))
    return found.rename_columns([{"key_label": "key"}.get(name, name) for name in found.column_names])


def allocation(asking: Asking) -> pa.Table:
    """What each cost centre took."""
    asked = allocation_figures.Asked(*asking.days(MOST_DAYS), asking.said["cost_centre"] or ())
    found = allocation_figures.rows(asking.connection, asking.viewer, asked)
    return found.rename_columns([{"key_label": "key"}.get(name, name) for name in found.column_names])


def changes(asking: Asking) -> pa.Table:
    """Which past days moved."""
    since = asking.said["since"] or date.fromordinal(asking.today.toordinal() - change_figures.DEFAULT_DAYS)
    asked = change_figures.Asked(max(since, EARLIEST), asking.said["basis"])
    return change_figures.rows(asking.connection, asking.viewer, asked)


def budgets(asking: Asking) -> pa.Table:
    """How far each budget is used this month."""
    listed = budget_figures.visible(asking.home, asking.viewer)
    # A budget's month is UTC's, whatever the zone of its account.
    asked = budget_figures.Asked(asking.utc_today, listed)
    uses = budget_figures.uses(asking.connection, asking.viewer, asked)
    rows = [
        {
            "account": use.listed.scope.account,
            "project": use.listed.scope.project,
            "month": asked.today.replace(day=1),
            "monthly_usd": use.listed.budget.monthly_usd,
            "spent_usd": use.spent_usd,
            "left_usd": use.listed.budget.monthly_usd - use.spent_usd,
            "forecast_low_usd": use.low_usd,
            "forecast_high_usd": use.high_usd,
            "unpriced_requests": use.unpriced_requests,
            "unpriced_high_usd": use.unpriced_high_usd,
            "thresholds_percent": ",".join(map(str, use.listed.budget.thresholds)),
        }
        for use in uses
    ]
    return pa.Table.from_pylist([_exact(row) for row in rows], schema=_BUDGETS)


def _exact(row: Mapping[str, object]) -> dict[str, object]:
    """Amounts rounded to a pico-dollar, as every table has them."""
    return {n: v.quantize(Decimal("1e-12")) if isinstance(v, Decimal) else v for n, v in row.items()}


def state_of_budgets(home: Home, viewer: Viewer) -> str:
    """Which budgets there are, which the control store says anew at any time."""
    return repr(budget_figures.visible(home, viewer))


def freshness(asking: Asking) -> pa.Table:
    """How far the figures go."""
    found = freshness_figures.reach(asking.connection, asking.viewer, asking.today)
    return pa.Table.from_pylist([row._asdict() for row in found], schema=_REACH)


_BUDGETS = pa.schema(
    [("account", pa.string()), ("project", pa.string()), ("month", pa.date32())]
    + [(f"{name}_usd", _MONEY) for name in ("monthly", "spent", "left", "forecast_low", "forecast_high")]
    + [("unpriced_requests", pa.int64()), ("unpriced_high_usd", _MONEY), ("thresholds_percent", pa.string())]
)
_REACH = pa.schema(
    [
        ("provider", pa.string()),
        ("basis", pa.string()),
        ("last_day", pa.date32()),
        ("provisional_days", pa.int64()),
        ("unpriced_requests", pa.int64()),
    ]
)
