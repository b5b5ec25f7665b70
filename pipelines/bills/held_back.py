"""Days of a bill with rows that could not be read: what is stored of them, and the sentence that people are told.

The other rows of such a day land, and it stays open, since its total lacks something. What was told whole before stays
as it was while a newer telling has fewer rows that can be read: nothing is written over by its rest. A row that says no
day is counted on one of the days that it may be of; the others may lack it, and stay open as well.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from pipelines.bills.biller import Biller
from pipelines.bills.odd_row import OddRow
from pipelines.bills.report_reader import LEFT_OUT, report_name
from warehouse.control.pull import ReportDay

_MOST_DAYS = 5


def of(odd: Sequence[OddRow]) -> dict[str, Any]:
    """The fields of a report's day that say how many of its rows were held back, and why."""
    counted = sum(one.counts for one in odd)
    why = "; ".join(sorted({one.reason for one in odd})) or None
    return {"held_back": counted, "may_lack": counted < len(odd), "why": why}


def still(before: ReportDay, odd: dict[str, Any]) -> dict[str, Any]:
    """What a day lacks of which not all parts were told again: what it lacked before, or more."""
    may_lack = before.may_lack or odd["may_lack"]
    if before.lacks and odd["held_back"] <= before.held_back:
        return {"held_back": before.held_back, "may_lack": may_lack, "why": before.why}
    return {**odd, "may_lack": may_lack}


def stays(before: ReportDay, rows: int, odd: dict[str, Any]) -> bool:
    """Whether what was told whole before is more than the rest of what is told now."""
    return lacks(odd) and not before.is_rest and before.rows > rows


def lacks(odd: dict[str, Any]) -> bool:
    """Whether a day with these fields lacks a row, or may."""
    return bool(odd["held_back"] or odd["may_lack"])


def said(biller: Biller, known: Iterable[ReportDay], told: Iterable[ReportDay]) -> dict[str, str]:
    """A sentence by report that has such days, those among them that were told at an earlier time."""
    newest = {(day.report, day.day): day for day in (*known, *told)}
    tables = {report.name: report.table.full_name for report in biller.reports}
    found: dict[str, list[ReportDay]] = {}
    for day in newest.values():
        if day.lacks:
            found.setdefault(report_name(day.report), []).append(day)
    until = "until a delivery tells it whole" if biller.files else "and is asked for again each day"
    return {
        f"{LEFT_OUT}rows of {name}": f"{_sentence(tables[name], days)} {until}"
        for name, days in found.items()
        if name in tables
    }


def _sentence(table: str, days: list[ReportDay]) -> str:
    rows = max(sum(day.held_back for day in days), 1)
    named = _days(sorted({day.day for day in days}))
    of = f", which may be of {named}," if any(day.may_lack for day in days) else f" of {named}"
    why = "; ".join(sorted({day.why for day in days if day.why}))
    return (
        f"{rows:,} {'row' if rows == 1 else 'rows'} of {table}{of} cannot be"
        f" read ({why}) and {'is' if rows == 1 else 'are'} held back: what such a day adds up to may lack something, so"
        " it stays open"
    )


def _days(days: list[date]) -> str:
    named = ", ".join(f"{day}" for day in days[:_MOST_DAYS])
    return named if len(days) <= _MOST_DAYS else f"{named} and {len(days) - _MOST_DAYS} more days up to {days[-1]}"
