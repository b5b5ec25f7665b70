"""What `apiledger doctor` says of people's requests: those whose month is over, and those that it soon will be."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipelines.gateways.finding import Finding
from warehouse import database
from warehouse.control import right
from warehouse.home import Home

# A week, and the day itself: an answer takes a person a while.
SOON = timedelta(days=8)


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Every open request that is overdue, or due within a week; by number and kind, never by what was written."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        soon = right.due_before(control, (now + SOON).date())
    for number, kind, due_on in soon:
        step = f"`apiledger rights list` shows it; `apiledger rights done {number}` once it is answered"
        if due_on < now.date():
            yield Finding(f"request {number} ({kind}) was due on {due_on}: the law gives a month", step)
        else:
            yield Finding(f"request {number} ({kind}) is due on {due_on}", step, warning=True)
