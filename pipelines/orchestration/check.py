"""Asset checks: conservation blocks publication; Great Expectations looks at what was published, afterwards.

A check's metadata is counts and names of expectations, never a value: Dagster keeps metadata for good.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb

from pipelines.gateways.provider import gateways
from warehouse import conservation, database
from warehouse.control import protection
from warehouse.home import Home
from warehouse.money import shown
from warehouse.tables import Table


def conserved(home: Home, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """Roll-ups hold what their rows hold, to the token and the pico-dollar; a difference stops the run."""

    @dg.asset_check(name="conservation", asset=key, blocking=True, description=conserved.__doc__)
    def check() -> dg.AssetCheckResult:
        with database.held(home.build_lock), database.build(home) as connection:
            found = conservation.differences(connection)
        differing = [{"table": each.table, "month": each.month, "columns": ", ".join(each.columns)} for each in found]
        return dg.AssetCheckResult(passed=not found, metadata={"differences": len(found), "where": _rows(differing)})

    return check


# A month and its late corrections; of the bill, at most so much may stay unexplained.
_RECONCILED_DAYS = 35
_UNEXPLAINED_SHARE, _UNEXPLAINED_USD = Decimal("0.01"), Decimal(1)
# Great Expectations takes a second or two a day and layer; of a backfill the newest days are looked at, and it says so.
_DAYS_AT_ONCE = 7
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001 (naive moments are UTC here)


def reconciled(home: Home, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """Of each bill of the last five weeks at most 1 %, or a dollar, differs from the log without a known cause."""

    @dg.asset_check(name="reconciliation", asset=key, description=reconciled.__doc__)
    def check() -> dg.AssetCheckResult:
        with database.published(home) as connection:
            told = connection.execute(
                """SELECT provider, coalesce(sum(log_cost_usd), 0), sum(bill_cost_usd), sum(difference_usd),
                       sum(unexplained_usd)
                   FROM mart.reconciliation_daily
                   WHERE bill_cost_usd IS NOT NULL
                       AND day > (SELECT max(day) FROM mart.reconciliation_daily) - to_days(?)
                   GROUP BY provider, connection_no ORDER BY ALL""",
                [_RECONCILED_DAYS],
            ).fetchall()
        wrong = [row for row in told if abs(row[4]) > max(_UNEXPLAINED_SHARE * abs(row[2]), _UNEXPLAINED_USD)]
        names = ("provider", "log", "bill", "difference", "unexplained")
        return dg.AssetCheckResult(
            passed=not wrong,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "bills": len(told),
                "beyond_tolerance": len(wrong),
                "in_usd": _rows([dict(zip(names, (row[0], *map(shown, row[1:])), strict=True)) for row in told]),
            },
        )

    return check


def expectations(home: Home, keys: dict[str, dg.AssetKey]) -> list[dg.AssetChecksDefinition]:
    """Great Expectations on the published days that moved since the last look: raw tables, models and marts."""
    made = [_expected(home, f"raw_{name}", keys[f"raw_{name}"], name) for name in gateways()]
    return [*made, _expected(home, "model", keys["model"], None), _expected(home, "mart", keys["mart"], None)]


def _expected(home: Home, layer: str, key: dg.AssetKey, gateway: str | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=f"{layer}_expectations",
        asset=key,
        description="Great Expectations on the newest day and on those whose figures moved since; counts only.",
    )
    def check() -> dg.AssetCheckResult:
        # Great Expectations takes seconds to import: only where a check runs.
        from warehouse.checks import mart, model, raw
        from warehouse.checks.verdict import Verdict

        if layer != "mart" and protection.is_on(home):
            # Conservation held the build's calls against their sums before anything was published.
            return dg.AssetCheckResult(passed=True, metadata={"rows": 0, "why": "protected mode publishes no calls"})
        with database.published(home) as connection, database.control(home) as control:
            days, moved_at = _days_due(connection, control, layer)
            if not days:
                return dg.AssetCheckResult(passed=True, metadata={"rows": 0})
            looks = days[:_DAYS_AT_ONCE]
            if gateway is not None:
                verdict = Verdict.together(raw.check(connection, gateway, day) for day in looks)
            else:
                of_layer = model if layer == "model" else mart
                verdict = Verdict.together(of_layer.check(connection, day) for day in looks)
            until = database.stamp(moved_at).encode()
            control.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_looked(layer), until))
        wrong = [
            {"expectation": each.name, "column": each.column or "", "unexpected": str(each.unexpected_count)}
            for each in verdict.expectations
            if not each.passed
        ]
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "days": ", ".join(day.isoformat() for day in looks),
                "older_days_not_looked_at": len(days) - len(looks),
                "rows": verdict.rows,
                "expectations": len(verdict.expectations),
                "unmet": _rows(wrong),
            },
        )

    return check


def _looked(layer: str) -> str:
    return f"looked_at_{layer}"


def _days_due(
    connection: duckdb.DuckDBPyConnection, control: sqlite3.Connection, layer: str
) -> tuple[list[date], datetime]:
    """The newest day and those that moved since the last look, newest first; and until when moves were looked at."""
    row = control.execute("SELECT value FROM setting WHERE name = ?", (_looked(layer),)).fetchone()
    since = database.moment(row[0].decode()) if row else _LONG_AGO
    ((days, moved_at),) = connection.execute(
        """SELECT list(DISTINCT day ORDER BY day DESC), coalesce(max(moved_at), ?) FROM (
               SELECT max(day) AS day, NULL::TIMESTAMP AS moved_at FROM model.usage_daily
               UNION ALL SELECT day, changed_at FROM model.change WHERE changed_at > ?
           ) WHERE day IS NOT NULL""",
        [since, since],
    ).fetchall()
    return days or [], moved_at


def _rows(records: Sequence[dict[str, str]]) -> dg.MetadataValue[Any]:
    names = list(records[0]) if records else ["nothing"]
    schema = dg.TableSchema([dg.TableColumn(name, "string") for name in names])
    return dg.MetadataValue.table([dg.TableRecord(dict(record)) for record in records], schema=schema)


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns with their types and meanings, as Dagster's UI shows them."""
    return dg.TableSchema([dg.TableColumn(c.name, c.type, description=c.meaning) for c in table.columns])
