"""Connections to providers as `apiledger doctor` sees them: keys that cannot work, refusals, silence, old keys.

Nobody is asked: what is told is what the environment holds and what the last pulls met.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipelines.alerts import mail, postman
from pipelines.bills import billing_key
from pipelines.bills.biller import billers
from pipelines.gateways.finding import Finding
from warehouse import database
from warehouse.control import connection as connections
from warehouse.control import vault
from warehouse.control.connection import Health
from warehouse.home import Home

KEY_OLD_AFTER = timedelta(days=365)


def findings(home: Home, now: datetime) -> Iterator[Finding]:
    """Look at every key and every connection; `now` is UTC."""
    if vault.next_key_file().exists():
        yield Finding("a change of the master key was broken off", "go on with it: `apiledger connect rotate`")
    known = billers().values()
    unfit = {}
    for biller in known:
        if reason := billing_key.wrong(biller, billing_key.held(biller), known):
            unfit[biller.name] = reason
            said, _, instead = reason.partition("; ")
            yield Finding(f"{said}: it is sent nowhere", instead or f"set another {biller.key_variable}")
    if home.control_file.exists():
        with database.control(home) as control:
            health_of_all = connections.health(control)
        # Files need no key.
        found = [
            health for health in health_of_all if health.source in billers() and not billers()[health.source].files
        ]
        for health in found:
            if health.stored == "removed":
                continue
            if health.stored is not None or health.source not in unfit:
                yield from _connection(health, now.astimezone(UTC).replace(tzinfo=None))
        # Without a connection nothing is read, and nobody need be told.
        if found:
            yield from _operator()


def told(home: Home) -> Iterator[str]:
    """Tell how far each connection's bills are read, and why not further, a line each."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        found = connections.health(control)
    for health in found:
        read = "no bill read yet" if health.read_until is None else f"bills read up to {health.read_until:%Y-%m-%d}"
        read = "removed; " + read if health.stored == "removed" else read
        why = "" if health.skipped is None else f"; skipped: {health.skipped}"
        yield f"{health.source:<14} {read}{why}"


def _connection(health: Health, now: datetime) -> Iterator[Finding]:
    biller = billers()[health.source]
    if health.stored is None and not billing_key.held(biller):
        what = f"{biller.title} was read before, and {biller.key_variable} is not set here"
        yield Finding(what, "set it where `apiledger up` runs", warning=True)
    elif health.refused_at is not None:
        what = f"{biller.title} refuses the key since {_told(health.skipped_since or health.refused_at)}"
        step = billing_key.another(biller, is_stored=health.stored is not None)
        yield Finding(what, f"{step}; {biller.key_help}" if biller.key_help else step)
    elif health.skipped is not None and health.skipped_since is not None:
        what = f"{health.skipped}; so it is since {_told(health.skipped_since)}"
        is_long = now - health.skipped_since > timedelta(days=1)
        yield Finding(what, "look at your network and the provider's status page", warning=not is_long)
    if health.used_since is not None and now - health.used_since > KEY_OLD_AFTER:
        holder = biller.key_variable if health.stored is None else f"a connection's key at {biller.title}"
        what = f"{holder} has been the same for {(now - health.used_since).days} days"
        yield Finding(what, "make a new key, give it, and revoke the old one", warning=True)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _operator() -> Iterator[Finding]:
    """Whether anybody is told when a provider refuses a key."""
    text = os.environ.get(postman.OPERATOR_SETTING, "").strip()
    if not text:
        what = "nobody is mailed when a provider refuses a key"
        yield Finding(what, f"set {postman.OPERATOR_SETTING} to the operator's address", warning=True)
    elif not mail.is_address(text):
        yield Finding(f"{postman.OPERATOR_SETTING} is not one e-mail address", "such as costs@team.example")
