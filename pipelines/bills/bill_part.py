"""The parts of a bill that a day may be of: what a delivery does not tell of stays as it was told before."""

from typing import Any

import duckdb

from pipelines.bills.biller import Report
from warehouse.control.pull import ReportDay


def kept(
    build: duckdb.DuckDBPyConnection, report: Report, before: ReportDay, parts: frozenset[str]
) -> list[dict[str, Any]]:
    """A day's rows of those parts of the bill that a delivery does not tell of."""
    if report.part is None or not before.rows:
        return []
    named = ", ".join(
        f'NULL AS "{name}"' if name in {"pull_no", "observed_at"} else f'"{name}"' for name in report.table.column_names
    )
    query = f"""SELECT {named} FROM {report.table.full_name}
                WHERE connection_no = ? AND day = ? AND pull_no = ? AND NOT list_contains(?, {report.part})"""
    found = build.execute(query, [before.connection_no, before.day, before.pull_no, sorted(parts)]).fetchall()
    return [dict(zip(report.table.column_names, row, strict=True)) for row in found]
