"""One day of the real line's rows, in which a test may plant what is wrong."""

from collections import Counter
from dataclasses import dataclass
from datetime import date

import duckdb

from warehouse.checks.verdict import Verdict

NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
MATCHES = "expect_column_values_to_match_regex"
WITHOUT = "expect_column_values_to_not_match_regex"
UNIQUE = "expect_column_values_to_be_unique"
UNIQUE_TOGETHER = "expect_compound_columns_to_be_unique"
CREDENTIAL = "'sk-' || repeat('a', 24)"

# What is written into one row, and every expectation that must find it.
Planted = tuple[str, set[tuple[str, str]]]
_MOMENT = {"usage_hourly": "hour", "request_tag": "day", "spend_daily": "day"}


@dataclass(frozen=True)
class Line:
    """A writable copy of a published version, its newest day, and ways to plant one bad row into it."""

    connection: duckdb.DuckDBPyConnection
    day: date

    def row(self, table: str) -> str:
        """SQL: the first row of the day."""
        moment = _MOMENT.get(table.split(".")[1], "requested_at")
        return f"rowid = (SELECT min(rowid) FROM {table} WHERE {moment}::DATE = '{self.day}')"

    def update(self, table: str, assignments: str) -> None:
        """Change one row."""
        changed = self.connection.execute(f"UPDATE {table} SET {assignments} WHERE {self.row(table)}").fetchone()
        assert changed == (1,)

    def repeat(self, table: str) -> None:
        """Put one row in twice."""
        self.connection.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE {self.row(table)}")

    def gather(self, table: str, assignments: str) -> None:
        """Move every row of every day into the day, so that each fault has a row of its own."""
        self.connection.execute(f"UPDATE {table} SET {assignments}", {"day": self.day})

    def plant_each(self, table: str, planted: list[Planted]) -> Counter[tuple[str, str]]:
        """Change one row for each plant; returns how many rows each expectation must find."""
        rows = self.connection.execute(f"SELECT rowid FROM {table} ORDER BY 1 LIMIT {len(planted)}").fetchall()
        for (rowid,), (assignments, _) in zip(rows, planted, strict=True):
            changed = self.connection.execute(f"UPDATE {table} SET {assignments} WHERE rowid = {rowid}").fetchone()
            assert changed == (1,)
        return Counter(each for _, found in planted for each in found)


def counts(verdict: Verdict, table: str) -> Counter[tuple[str, str]]:
    """How many rows of a table each failed expectation found."""
    return Counter({(e.name, e.column): e.unexpected_count for e in verdict.failed if e.table == table})


def failures(verdict: Verdict, table: str) -> set[tuple[str, str]]:
    """The failed expectations of one table, by name and column."""
    assert verdict.passed == (not verdict.failed)
    return {(each.name, each.column) for each in verdict.failed if each.table == table}


def asked(verdict: Verdict, table: str) -> set[tuple[str, str]]:
    """The expectations that were held against a table."""
    return {(each.name, each.column) for each in verdict.expectations if each.table == table}
