"""What `apiledger doctor` says of accounts that nobody uses: who goes soon, and who stays and why."""

from collections.abc import Iterator
from datetime import datetime

from pipelines.gateways.finding import Finding
from retention import idle, policy
from retention.errors import PolicyError
from warehouse import database
from warehouse.home import Home


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Every account that clause R-idle is about to take or would have taken, by number."""
    if not home.control_file.exists():
        return
    try:
        held = policy.load(home.root / "policy.toml")
    except PolicyError:
        # Whatever else reads the policy says so.
        return
    with database.control(home) as control:
        found = idle.listed(control, held, now.date())
    for one in found:
        what = f"account {one.account_no} was last used on {one.used_on}"
        if one.kept_by is None:
            step = f"none needed: its owners were told; who needs it signs in until {one.last_day}"
            yield Finding(f"{what} and is erased after {one.last_day}", step, warning=True)
        else:
            step = "name a mail server with `apiledger budget server`, or erase it with `apiledger erase account`"
            yield Finding(f"{what}, and is not erased: {one.kept_by}", step, warning=True)
