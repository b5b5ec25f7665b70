"""The verdict of a check: which expectations held of how many rows, and never what any row says."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation:
    """How one expectation fared: Great Expectations' name for it, where it looked, and how many rows fell short.

    `column` is a column of `table`, one computed from it (a sum that must agree, money that must not be negative), or
    several with commas between them. There is no place for a value.
    """

    name: str
    table: str
    column: str
    passed: bool
    unexpected_count: int
    rows: int


@dataclass(frozen=True)
class Verdict:
    """What a check found; `rows` is how many rows it looked at in all its tables, 0 for a day without any."""

    passed: bool
    expectations: tuple[Expectation, ...]
    rows: int

    @property
    def failed(self) -> tuple[Expectation, ...]:
        """The expectations that did not hold."""
        return tuple(each for each in self.expectations if not each.passed)

    @staticmethod
    def together(verdicts: Iterable["Verdict"]) -> "Verdict":
        """One verdict over several tables: it passes when all of them do."""
        several = tuple(verdicts)
        return Verdict(
            passed=all(each.passed for each in several),
            expectations=tuple(expectation for each in several for expectation in each.expectations),
            rows=sum(each.rows for each in several),
        )
