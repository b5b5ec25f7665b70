"""Moves of days of bills, made up: how late a source told or corrected them."""

from datetime import date, datetime, timedelta

import duckdb

FIRST = date(2026, 1, 1)
# source, provider, connection, day, age of the move, reason
Move = tuple[str, str, int, date, int, str]


def moved(build: duckdb.DuckDBPyConnection, moves: list[Move], basis: str = "bill") -> None:
    """Days of bills that were told so many days after they began."""
    build.executemany(
        """INSERT INTO model.change (source, provider, connection_no, day, changed_at, reason, basis)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [
            (source, provider, number, day, datetime(day.year, day.month, day.day) + timedelta(days=age), reason, basis)  # noqa: DTZ001 (UTC at rest is naive)
            for source, provider, number, day, age, reason in moves
        ],
    )


def each_day(days: int, source: str = "openai", number: int = 1) -> list[Move]:
    """Each day told on the next one."""
    return [(source, source, number, FIRST + timedelta(days=n), 1, "first") for n in range(days)]


def restated(day: int, age: int, source: str = "openai", number: int = 1) -> Move:
    """A day that was corrected so late."""
    return source, source, number, FIRST + timedelta(days=day), age, "restated"
