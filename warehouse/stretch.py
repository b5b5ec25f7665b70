"""A stretch of days as SQL: dates of our own stand in it as they are, so that DuckDB reads no more than those days."""

from datetime import date


def between(first: date, last: date) -> str:
    """The condition on a column `day`, both days included."""
    return f"day BETWEEN {literal(first)} AND {literal(last)}"


def literal(day: date) -> str:
    """A day as SQL spells it."""
    return f"DATE '{day}'"
