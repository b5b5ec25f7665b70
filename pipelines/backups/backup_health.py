"""What is wrong with a home's backups, for `apiledger doctor`: too old, or behind on who was erased."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from pipelines.backups import ledger_copy
from pipelines.gateways.finding import Finding
from retention import tombstone_ledger
from warehouse import database
from warehouse.home import Home

TARGET = "APILEDGER_BACKUP"
TOO_OLD = timedelta(days=8)
MADE_AT = "backup_made_at"


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Look at what the home remembers of its backups, and nowhere else; `now` is UTC."""
    if not home.control_file.exists():
        return
    wanted = os.environ.get(TARGET)
    with database.control(home) as control:
        row = control.execute("SELECT value FROM setting WHERE name = ?", (MADE_AT,)).fetchone()
        if lacking := tombstone_ledger.lacking(home, control):
            place = tombstone_ledger.path(home, tombstone_ledger.home_id(control))
            what = f"{lacking} tombstones are in no ledger on this machine: {place} cannot be written"
            yield Finding(what, f"make its folder writable, or name another in {tombstone_ledger.FOLDER}")
    if row is None:
        if wanted:
            yield Finding(f"there is no backup yet, though {TARGET} names a place", "run `apiledger backup make`")
        return
    age = now.replace(tzinfo=None) - database.moment(row[0].decode())
    if age > TOO_OLD:
        yield Finding(f"the newest backup is {age.days} days old", "run `apiledger backup make TARGET`", warning=True)
    if ledger_copy.is_due(home):
        what = "the ledger of tombstones beside the backups does not know of everybody who was erased"
        yield Finding(what, "run `apiledger erase resume` once its place and the backup key are there")
