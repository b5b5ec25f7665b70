"""mart.credit_account|credit_balance|credit_daily, model.unclaimed_payment -> what is left, and what moved it."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer

SHOWN_DAYS = 60
_MOST_MODELS = 7
OTHERS = "other models"


@dataclass(frozen=True)
class Standing:
    """How an account's credits stand; amounts in USD, `factor` is what a dollar of list price costs it."""

    account: str
    balance_usd: Decimal
    is_prepaid: bool
    prepaid_from: date | None
    factor: Decimal | None
    low_usd: Decimal | None
    lifetime_usd: Decimal
    tier: str
    next_tier: str | None
    missing_usd: Decimal
    unpriced_requests: int


@dataclass(frozen=True)
class Asked:
    """Whose credits, up to which UTC day."""

    account: str
    today: date

    @property
    def first(self) -> date:
        """The first day that is drawn."""
        return self.today - timedelta(days=SHOWN_DAYS - 1)


@dataclass(frozen=True)
class Left:
    """What an account had left at the end of a UTC day, and by how much it moved on it."""

    day: date
    moved_usd: Decimal
    balance_usd: Decimal


def standings(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[Standing]:
    """Every account that has credits, the one that needs a look first."""
    condition, bound = viewer.condition_without_project()
    query = f"""SELECT account, balance_usd, is_prepaid, prepaid_from, factor, low_usd, lifetime_usd, tier, next_tier,
            missing_usd, unpriced_requests
        FROM mart.credit_account WHERE {condition}
        ORDER BY balance_usd < coalesce(low_usd, 0) DESC, balance_usd, account"""
    return [Standing(*row) for row in connection.execute(query, bound).fetchall()]


def balances(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> list[Left]:
    """What was left at the end of each day that is drawn, also of days on which nothing moved."""
    condition, bound = viewer.condition_without_project()
    rows = connection.execute(
        f"""SELECT day, moved_usd, balance_usd FROM mart.credit_balance
            WHERE {condition} AND account = ? AND day <= ? ORDER BY day""",
        [*bound, asked.account, asked.today],
    ).fetchall()
    if not rows:
        return []
    moved = {day: (amount, left) for day, amount, left in rows}
    first = max(asked.first, rows[0][0])
    last = next((left for day, _, left in reversed(rows) if day < first), Decimal(0))
    found = []
    for number in range((asked.today - first).days + 1):
        day = first + timedelta(days=number)
        amount, last = moved.get(day, (Decimal(0), last))
        found.append(Left(day, amount, last))
    return found


def deductions(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> list[tuple[date, str | None, Decimal]]:
    """What was deducted on each day that is drawn, by model, the dearest first; the small ones together."""
    condition, bound = viewer.condition_without_project()
    return connection.execute(
        f"""WITH taken AS (
                SELECT day, model, -amount_usd AS cost_usd FROM mart.credit_daily
                WHERE {condition} AND account = ? AND kind = 'deduction' AND day BETWEEN ? AND ?
            ), ranked AS (
                SELECT model, row_number() OVER (ORDER BY sum(cost_usd) DESC, model) AS place FROM taken GROUP BY model
            )
            SELECT day, CASE WHEN place <= ? THEN taken.model ELSE ? END AS name, sum(cost_usd)::DECIMAL(38,12)
            FROM taken JOIN ranked ON ranked.model IS NOT DISTINCT FROM taken.model
            GROUP BY day, name ORDER BY min(least(place, ?)), day""",
        [*bound, asked.account, asked.first, asked.today, _MOST_MODELS, OTHERS, _MOST_MODELS + 1],
    ).fetchall()


def unclaimed(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> pa.Table:
    """Payments that are in nobody's credits: the operator's alone to see."""
    only = "true" if viewer.is_operator and viewer.projects is None else "false"
    return connection.execute(
        f"""SELECT day, kind, 'customer ' || customer_no AS customer, amount_minor, currency, reason
            FROM model.unclaimed_payment WHERE {only} ORDER BY day DESC, amount_minor DESC"""
    ).to_arrow_table()


def moved(connection: DuckDBPyConnection, viewer: Viewer, account: str) -> pa.Table:
    """Every day, kind and model that moved an account's credits, the newest first; to see and to take away."""
    condition, bound = viewer.condition_without_project()
    return connection.execute(
        f"""SELECT day, account, replace(kind, '_', '-') AS kind, provider, model, amount_usd, entries
            FROM mart.credit_daily
            WHERE {condition} AND account = ? ORDER BY day DESC, kind, amount_usd""",
        [*bound, account],
    ).to_arrow_table()
