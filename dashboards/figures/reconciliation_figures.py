"""mart.reconciliation_daily, mart.difference_cause, mart.unclaimed_daily -> why log and bill differ, for one viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures.viewer import Viewer

DEFAULT_DAYS = 30
_EARLIEST = date(2015, 1, 1)
_MOST_UPSTREAMS = 50
STEPS = ("day", "model", "key", "class", "price", "line", "part")
_DIFFERING = """
    SELECT cause.* FROM mart.difference_cause AS cause
    SEMI JOIN told ON told.day = cause.day AND told.connection_no = cause.connection_no"""


@dataclass(frozen=True)
class Asked:
    """The UTC days, both included, and the providers (none: all); one day of them, one model, one key, and a step.

    It lives in the URL.
    """

    start: date
    end: date
    providers: tuple[str, ...] = ()
    day: date | None = None
    key: str | None = None
    model: str | None = None
    by: str | None = None

    @staticmethod
    def from_query(query: Mapping[str, Sequence[str]], today: date) -> "Asked":
        """What a URL asks; what is unknown or makes no sense falls back to the last thirty days of every provider."""
        end = min(_day(query.get("to", ()), today), today)
        start = min(_day(query.get("from", ()), end - timedelta(days=DEFAULT_DAYS - 1)), end)
        day = _day(query.get("day", ()), end) if query.get("day") else None
        day = day if day is not None and start <= day <= end else None
        key, model, by = (next(iter(query.get(name, ())), "") or None for name in ("key", "model", "by"))
        by = by if by in STEPS else None
        return Asked(start, end, tuple(dict.fromkeys(query.get("provider", ()))), day, key, model, by)

    @property
    def whole(self) -> "Asked":
        """The same without the one day, the one model, the one key, and at the first step."""
        return replace(self, day=None, key=None, model=None, by=None)

    @property
    def step(self) -> str:
        """What a row is of: as asked, else what lies below what is chosen."""
        below = "part" if self.key else "key" if self.model else "model" if self.day else "day"
        return self.by if self.by in self.steps else below

    @property
    def steps(self) -> tuple[str, ...]:
        """What a row may be of: what is chosen is one, and needs no rows of its own."""
        one = {"day": self.day, "model": self.model, "key": self.key}
        return tuple(step for step in STEPS if one.get(step) is None)

    def chosen(self) -> tuple[str, list[Any]]:
        """The condition on model and key, and its bound values."""
        told = {"model": self.model, "key_label": self.key}
        asked = {name: value for name, value in told.items() if value}
        return " AND ".join(["true", *(f"{name} = ?" for name in asked)]), list(asked.values())

    def to_query(self, today: date) -> dict[str, list[str]]:
        """The URL's words for what differs from the default."""
        usual = Asked.from_query({}, today)
        words = {"from": [self.start.isoformat()], "to": [self.end.isoformat()]}
        words = words if (self.start, self.end) != (usual.start, usual.end) else {}
        words |= {"day": [self.day.isoformat()]} if self.day else {}
        words |= {name: [value] for name in ("key", "model", "by") if (value := getattr(self, name))}
        return words | ({"provider": list(self.providers)} if self.providers else {})


@dataclass(frozen=True)
class Unclaimed:
    """Calls of the log of which nobody can say what paid, by where they were sent; `account` is whose they are.

    Of accounts that the viewer does not see (`is_seen`) only the sum is told; `upstream_no` None is one nobody names.
    """

    provider: str
    account: str | None
    gateway: str
    upstream_no: int | None
    is_seen: bool
    days: int
    cost_usd: Decimal


@dataclass(frozen=True)
class Summary:
    """What log, provider's count and bill add up to on the days that have a bill, and how many days have none yet."""

    log_usd: Decimal
    usage_usd: Decimal | None
    bill_usd: Decimal
    unexplained_usd: Decimal
    billed_days: int
    days_without_bill: int
    # cause, what it adds up to: largest first, whatever its sign
    causes: tuple[tuple[str, Decimal], ...]
    # key, model, days, cost: calls the gateway never saw
    stray_keys: tuple[tuple[str | None, str | None, int, Decimal], ...]
    # calls of the log that none of several connections claims: what costs most first
    unclaimed: tuple[Unclaimed, ...]


def providers(connection: DuckDBPyConnection, viewer: Viewer, _: None) -> list[str]:
    """The providers whose bills are read."""
    condition, bound = viewer.condition_without_project()
    query = f"SELECT DISTINCT provider FROM mart.reconciliation_daily WHERE {condition} ORDER BY 1"
    return [name for (name,) in connection.execute(query, bound).fetchall()]


def summary(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> Summary:
    """The whole range in one: days without a bill are counted and left out."""
    told, bound = _told(viewer, asked)
    ((log, usage, bill, unexplained, billed),) = connection.execute(
        f"""WITH {told}
            SELECT coalesce(sum(log_cost_usd), 0), sum(usage_cost_usd), coalesce(sum(bill_cost_usd), 0),
                coalesce(sum(unexplained_usd), 0), count(DISTINCT day)
            FROM told""",
        bound,
    ).fetchall()
    every, bound_every = _told(viewer, asked, billed=False)
    ((without,),) = connection.execute(
        # Some connections tell a balance alone: no bill of theirs is on its way.
        f"""WITH {every} SELECT count(DISTINCT day) FROM told WHERE bill_cost_usd IS NULL AND connection_no IN (
                SELECT connection_no FROM mart.reconciliation_daily WHERE bill_cost_usd IS NOT NULL)""",
        bound_every,
    ).fetchall()
    causes = connection.execute(
        f"""WITH {told} SELECT cause, sum(amount_usd) AS amount FROM ({_DIFFERING})
            GROUP BY cause HAVING amount <> 0 ORDER BY abs(amount) DESC, cause""",
        bound,
    ).fetchall()
    stray = connection.execute(
        f"""WITH {told} SELECT key_label, model, count(DISTINCT day), sum(amount_usd) AS amount FROM ({_DIFFERING})
            WHERE cause = 'unlogged' GROUP BY ALL ORDER BY amount DESC, key_label, model LIMIT 20""",
        bound,
    ).fetchall()
    open_calls = _unclaimed(connection, viewer, asked)
    return Summary(log, usage, bill, unexplained, billed, without, tuple(causes), tuple(stray), open_calls)


def _unclaimed(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> tuple[Unclaimed, ...]:
    """Of the accounts whose bills the viewer sees: who pays is asked, not who called."""
    condition, bound = viewer.condition_without_project()
    days, bound_days = on_days(asked)
    found = connection.execute(
        f"""SELECT provider, CASE WHEN is_seen THEN caller END, gateway, CASE WHEN is_seen THEN upstream_no END,
                is_seen, count(DISTINCT day), coalesce(sum(cost_usd), 0) AS amount
            FROM (
                SELECT * EXCLUDE (account, payer), account AS caller, payer AS account,
                    coalesce({condition}, false) AS is_seen
                FROM mart.unclaimed_daily)
            WHERE {condition} AND {days} GROUP BY ALL ORDER BY amount DESC, 1, 2, 3, 4 LIMIT {_MOST_UPSTREAMS}""",
        [*bound, *bound, *bound_days],
    ).fetchall()
    return tuple(Unclaimed(*row) for row in found)


def days(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """Every day and provider of the range, newest first, with those that have no bill yet."""
    told, bound = _told(viewer, asked.whole, billed=False)
    return connection.execute(
        f"""WITH {told}
            SELECT day, provider, log_cost_usd, usage_cost_usd, bill_cost_usd, difference_usd, unexplained_usd,
                settlement
            FROM told ORDER BY day DESC, provider""",
        bound,
    ).to_arrow_table()


def parts(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """Every part of every difference, of one model and key where asked for: model, key, class, cause, amount."""
    told, bound = _told(viewer, asked)
    chosen, values = asked.chosen()
    return connection.execute(
        f"""WITH {told} SELECT day, provider, model, key_label, token_class, cause, amount_usd
            FROM ({_DIFFERING}) WHERE {chosen}
            ORDER BY day DESC, abs(amount_usd) DESC, provider, model, cause, token_class""",
        [*bound, *values],
    ).to_arrow_table()


def _told(viewer: Viewer, asked: Asked, *, billed: bool = True) -> tuple[str, list[Any]]:
    """A subquery `told`: the days that are asked for, of this viewer's connections; those with a bill, or all."""
    condition, bound = viewer.condition_without_project()
    days, bound_days = on_days(asked)
    sql = f"""told AS (
        SELECT * FROM mart.reconciliation_daily
        WHERE {condition} AND {days} {"AND bill_cost_usd IS NOT NULL" if billed else ""})"""
    return sql, [*bound, *bound_days]


def on_days(asked: Asked) -> tuple[str, list[Any]]:
    """The condition on days and providers, and its bound values."""
    chosen = " AND provider IN (SELECT unnest(?))" if asked.providers else ""
    start, end = (asked.day, asked.day) if asked.day else (asked.start, asked.end)
    return f"day BETWEEN ? AND ?{chosen}", [start, end, *([list(asked.providers)] if asked.providers else [])]


def _day(values: Sequence[str], usual: date) -> date:
    try:
        day = date.fromisoformat(values[0]) if values else usual
    except ValueError:
        return usual
    return day if day >= _EARLIEST else usual
