"""A key that a person gives -> a stored connection: checked before it is kept, said what it cannot read.

The command line asks here, and so does the dashboard, by the same command as a child process: one way in.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from pipelines.bills import billing_key, key_check
from pipelines.bills.biller import Biller, billers
from pipelines.bills.billing_api import is_loopback
from pipelines.bills.key_check import Checked
from pipelines.bills.report_reader import LEFT_OUT
from pipelines.errors import PipelineError
from warehouse import database
from warehouse.control import coverage, credential
from warehouse.control.credential import Credential
from warehouse.control.vault import Vault
from warehouse.home import Home


class KeyUnfitError(PipelineError):
    """A key was not kept: the person makes another, as the sentence says."""


@dataclass(frozen=True)
class Connected:
    """A key that was kept, with what was found when it was tried."""

    credential: Credential
    checked: Checked


def biller_of(name: str) -> Biller:
    """The provider of a name; PipelineError where no key connects it."""
    found = {biller.name: biller for biller in key_check.connectable()}
    if name not in found:
        raise PipelineError(f"no key connects {name[:40]!r}; the providers are {', '.join(found)}")
    return found[name]


def connect(home: Home, biller: Biller, account_no: int, label: str, key: str, now: datetime) -> Connected:
    """Check a key and keep it; `now` is UTC.

    KeyUnfitError, and nothing is kept, where it can read nothing of the bills; CredentialError as `credential.add`.
    """
    if home.is_sandbox and not is_loopback(billing_key.address(biller)):
        raise KeyUnfitError("the sandbox is of made-up data and asks no provider: name your own home")
    credential.hold_label(label)
    checked = key_check.check(biller, key, now)
    if checked.refusal is not None:
        raise KeyUnfitError(f"not kept: {checked.refusal}")
    # Two keys of one organisation would tell its bill twice; another key in the environment is taken for another's.
    apart = billing_key.held(biller) not in {"", key}
    with database.control(home) as control:
        vault = _vault(control, now)
        kept = credential.add(
            control, vault, account_no, biller.name, label, key, now, beyond=checked.beyond, apart=apart
        )
        if checked.answered:
            credential.note(control, kept.connection_no, "working", now)
        with database.transaction(control):
            coverage.note(control, kept.connection_no, checked.notes, LEFT_OUT, now)
        return Connected(credential.find(control, account_no, kept.connection_no), checked)


def again(home: Home, control: sqlite3.Connection, one: Credential, now: datetime) -> Checked:
    """Try a stored key now, and note how it was found; the key is in clear within this call alone."""
    biller = billers()[one.provider]
    if home.is_sandbox and not is_loopback(billing_key.address(biller)):
        return Checked(unheard="the sandbox asks no provider")
    opened = credential.opened(control, _vault(control, now), one.connection_no)
    if opened is None:
        return Checked("the connection was removed")
    connection, key = opened
    checked = key_check.check(biller, key, now)
    if checked.answered or checked.refusal is not None:
        credential.note(control, connection.connection_no, "working" if checked.answered else "refused", now)
    return checked


def said(biller: Biller, checked: Checked) -> list[str]:
    """What people are told of a key that is kept, a sentence each."""
    told = [*checked.notes.values(), *([f"it could not be tried: {checked.unheard}"] if checked.unheard else [])]
    if checked.beyond is not None:
        told.append(f"careful: {checked.beyond}")
    told.append(f"what {biller.title} does with what it is asked: {biller.policy_url}")
    return told


def operator_no(control: sqlite3.Connection, now: datetime) -> int:
    """The operator's account, made where there is none yet."""
    from warehouse.control import member as members

    return members.operator(control, _vault(control, now), now).account_no


def _vault(control: sqlite3.Connection, now: datetime) -> Vault:
    with database.transaction(control):
        return Vault(control, now)
