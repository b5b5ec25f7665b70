"""raw_<provider>.*: what a provider once said of a day and a later pull said otherwise goes, the newest stays.

Bills are append-only, and a provider corrects its newest days at every pull: without a clause each form of them would
stay for as long as the bill.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from retention.policy import Clause

CLAUSE = "R-pulls"


@dataclass(frozen=True)
class ReportTable:
    """A raw table of a provider's report: the source that reads it, the report's name, and `schema.name`."""

    source: str
    report: str
    table: str


def ready(
    connection: duckdb.DuckDBPyConnection,
    control: sqlite3.Connection,
    clause: Clause,
    today: date,
    reports: Sequence[ReportTable],
) -> list[tuple[str, list[str]]]:
    """By table, the days told by pulls that a newer one replaced before the clause's cutoff, as `connection/day/pull`.

    The models must have been made from the newer pull; its receipt says when it was complete.
    """
    made = set(
        connection.execute("SELECT connection_no, report, day::VARCHAR, pull_no FROM model.built_pull").fetchall()
    )
    told = control.execute(
        """SELECT source, report, connection_no, day, pull_no FROM report_day
           JOIN pull USING (connection_no, pull_no) JOIN connection USING (connection_no) WHERE completed_at < ?""",
        (clause.cutoff(today).isoformat(),),
    ).fetchall()
    newest: dict[tuple[str, str], dict[tuple[int, str], int]] = {}
    for source, report, number, day, pull_no in told:
        if (number, report, day, pull_no) in made:
            newest.setdefault((source, report), {})[number, day] = pull_no
    there = set(connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall())
    found = []
    for each in reports:
        pulls = newest.get((each.source, each.report), {})
        if not pulls or (each.table,) not in there:
            continue
        stored = connection.execute(
            f"SELECT DISTINCT connection_no, day::VARCHAR, pull_no FROM {each.table}"
        ).fetchall()
        old = [f"{no}/{day}/{pull}" for no, day, pull in stored if pull < pulls.get((no, day), 0)]
        if old:
            found.append((each.table, sorted(old)))
    return found
