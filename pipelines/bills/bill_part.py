"""The parts of a bill that a day may be of: what a delivery does not tell of stays as it was told before.

A part whose name begins with a word and a blank is told in a form of its own. A day is told in one form: another one
takes the place of all that was told of it, which is the same bill in other words.
"""

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
                WHERE connection_no = ? AND day = ? AND pull_no = ? AND NOT list_contains(?, {report.part})
                    AND list_contains(?, regexp_extract({report.part}, '^(\\w+) ', 1))"""
    forms = sorted({part.rpartition(" ")[0] for part in parts})
    found = build.execute(query, [before.connection_no, before.day, before.pull_no, sorted(parts), forms]).fetchall()
    return [dict(zip(report.table.column_names, row, strict=True)) for row in found]
