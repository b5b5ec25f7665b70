"""What members are told unasked, looked for at each tick: bursts of failed sign-ins, a changed privacy policy."""

from datetime import UTC, datetime, timedelta

from retention import privacy
from retention.errors import PolicyError
from warehouse import database
from warehouse.control import burst, policy_mail
from warehouse.home import Home

# Who writes a text saves it more than once; what stood for a while is meant.
SETTLED = timedelta(minutes=10)


def enqueue(home: Home, now: datetime) -> int:
    """Queue what is to be told by now (naive UTC); how many members are told of something."""
    if not home.control_file.exists():
        return 0
    with database.control(home) as control:
        told = burst.tell(control, now)
        if _is_settled(home, now):
            try:
                privacy.noted(home, control, now)
            except PolicyError:
                # `apiledger doctor` names the file and what is wrong with it.
                return told
            told += policy_mail.tell(control, now)
    return told


def _is_settled(home: Home, now: datetime) -> bool:
    """Whether nobody wrote to the owner's words within the last minutes."""
    for own in (privacy.file_of(home), home.root / "policy.toml"):
        try:
            written = datetime.fromtimestamp(own.stat().st_mtime, UTC).replace(tzinfo=None)
        except FileNotFoundError:
            continue
        if timedelta(0) <= now - written < SETTLED:
            return False
    return True
