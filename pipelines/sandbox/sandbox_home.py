"""The sandbox's home: marked, filled with two months of made-up logs and bills, kept up to date by what happened since.

The mark, `<home>/SANDBOX`, keeps what the logs were drawn from and until when they are written, so that going on never
writes a call twice. What the calls look like does not belong here (pipelines/sandbox/).
"""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.errors import PipelineError
from pipelines.services import service
from warehouse.home import Home

SEED = 20
CALLS = 300_000
# This month and the one before, so that the change is seen.
DAYS = 62
# Longer ago than this and a month drawn anew is the better first look, and the cheaper one.
LONGEST_GAP = timedelta(days=7)


@dataclass(frozen=True)
class Mark:
    """What a sandbox was drawn from: a seed, how many calls over how many days, and until when logs are written."""

    seed: int
    calls: int
    days: int
    written_until: str

    @staticmethod
    def read(home: Home) -> "Mark | None":
        """Read a home's mark; None where it has none, or an empty one."""
        try:
            return Mark(**json.loads((home.root / "SANDBOX").read_bytes()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def write(self, home: Home) -> None:
        """Write the mark, whole or not at all, 0600."""
        working = home.root / ".SANDBOX.part"
        with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump(asdict(self), handle)
        working.replace(home.root / "SANDBOX")


def make(
    home: Home,
    now: datetime,
    seed: int = SEED,
    calls: int = CALLS,
    days: int = DAYS,
    providers: Sequence[str] | None = None,
    consoles: Sequence[str] = (),
) -> int:
    """Make a sandbox home anew, with the logs and bills of `days` days up to `now`; returns how many log files.

    `providers` are those whose bills it has, None is all of them; those of `consoles` come as exports. What was there
    goes, if it is a sandbox that nothing serves; PipelineError otherwise.
    """
    from pipelines.sandbox import bill_file, cloud_bill, console_bill, customer, subscription, witness
    from pipelines.sandbox.company import GATEWAY
    from pipelines.sandbox.ground_truth import GroundTruth

    if home.root.exists() and any(home.root.iterdir()):
        if not home.is_sandbox:
            raise PipelineError(f"{home.root} is no sandbox and is left alone; name an empty folder with --home")
        if service.is_running(home):
            raise PipelineError(f"the sandbox {home.root} is being served; run `apiledger stop` first")
    if home.root.exists():
        shutil.rmtree(home.root)
    home.make((GATEWAY,), sandbox=True)
    until = now.replace(microsecond=0)
    truth = GroundTruth.make(seed, until, days=days, calls=calls, sources=witness.SOURCES)
    console_bill.choose(home, consoles)
    bill_file.add(home, truth, bill_file.PROVIDERS if providers is None else providers)
    cloud_bill.deliver(home, date.min, until.date())
    console_bill.deliver(home, date.min, until.date())
    files = witness.tell(truth, home)
    subscription.take_out(home, (until - timedelta(days=days)).date(), until)
    customer.pay(home, truth, until)
    Mark(seed, calls, days, until.isoformat()).write(home)
    return len(files)


def go_on(home: Home, now: datetime) -> int:
    """Write the calls since the last time into a sandbox's inbox, and bill them; returns how many files, 0 for no call.

    The mark is moved before the files are written: after a kill in between a few made-up calls are missing, none
    comes twice. Makes the sandbox anew where it has no mark or no bills, or stood still for more than LONGEST_GAP; one
    that is being served goes on with its last day instead.
    """
    from pipelines.sandbox import bill_file, cloud_bill, console_bill, customer, witness
    from pipelines.sandbox.ground_truth import GroundTruth

    mark = Mark.read(home)
    if mark is None or not (bill_file.there(home) or service.is_running(home)):
        return make(home, now)
    since, until = datetime.fromisoformat(mark.written_until), now.replace(microsecond=0)
    if until - since > LONGEST_GAP:
        if not service.is_running(home):
            return make(home, now, mark.seed, mark.calls, mark.days, consoles=bill_file.exported(home))
        since = until - timedelta(days=1)
    if until <= since:
        return 0
    truth = GroundTruth.next_calls(mark.seed, since, until, max(mark.calls // mark.days, 1), witness.SOURCES)
    Mark(mark.seed, mark.calls, mark.days, until.isoformat()).write(home)
    bill_file.add(home, truth, bill_file.there(home))
    customer.pay(home, truth, until)
    cloud_bill.deliver(home, since.date(), until.date())
    console_bill.deliver(home, since.date(), until.date())
    return len(witness.tell(truth, home))


if __name__ == "__main__":
    go_on(Home(Path(sys.argv[1])), datetime.now(UTC))
