"""What `apiledger doctor` says of the audit chain's anchor outside the home: none, or none of late."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipelines.gateways.finding import Finding
from retention import audit_anchor, tombstone_ledger
from warehouse import database
from warehouse.control import audit
from warehouse.home import Home

# A line a night; a machine that slept over the weekend is no fault.
TOO_OLD = timedelta(days=4)


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Look at the newest line outside, where acts of the chain are older than it may be; `now` is UTC."""
    if not home.control_file.exists():
        return
    moment = now.replace(tzinfo=None)
    with database.control(home) as control:
        last, place = audit_anchor.last(home, control), audit_anchor.path(home, control)
        (first,) = control.execute("SELECT min(at) FROM audit").fetchone()
        end = audit.tail(control)
    since = database.moment(last.at if last else first) if last or first else moment
    if moment - since <= TOO_OLD or (last and (last.audit_no, last.chain) == end):
        return
    what = f"the audit chain's end was last anchored outside the home on {since:%Y-%m-%d}"
    step = f"run `apiledger policy expire`; {place} has to be writable, or name a folder in {tombstone_ledger.FOLDER}"
    yield Finding(what if last else f"the audit chain's end is not anchored in {place}", step, warning=True)
