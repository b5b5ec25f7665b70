"""The outbox -> the mail server: each mail that is due, once, whoever else is at it."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from pipelines.alerts import balance_mail, budget_mail, letter_mail, mail, notice_mail, security_mail
from pipelines.alerts.budget_mail import Telling
from pipelines.alerts.mail_server import MailServer, NotSentError
from warehouse import branding, database
from warehouse.control import balance_watch, letter, notice, outbox, prepaid, refusal
from warehouse.control import budget as budgets
from warehouse.control import member as members
from warehouse.control.outbox import Alert, Lease, Patience
from warehouse.control.refusal import Refusal
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError
from warehouse.home import Home

SETTING = letter.SERVER_SETTING
OPERATOR_SETTING = "APILEDGER_OPERATOR_MAIL"
# A tick of a sensor is ended after 60 seconds; a server that hangs costs TIMEOUT_S before the next mail is left.
ROUND = timedelta(seconds=20)
# What belongs to the installation itself is sealed under number 0, which no account has.
_INSTALLATION = 0
_PLACE = "setting.mail_server"


@dataclass
class Round:
    """What a round of the postman did with the mails that were due."""

    sent: int = 0
    put_off: int = 0
    given_up: int = 0
    withdrawn: int = 0
    unconfigured: bool = False


def server(control: sqlite3.Connection, vault: Vault) -> MailServer | None:
    """The mail server: APILEDGER_SMTP, else what `apiledger budget server` sealed; None where neither is set."""
    url = os.environ.get(SETTING)
    if url is None:
        row = control.execute("SELECT value FROM setting WHERE name = 'mail_server'").fetchone()
        url = None if row is None else vault.open(_INSTALLATION, _PLACE, row[0].decode())
    return MailServer.parse(url) if url else None


def keep_server(control: sqlite3.Connection, vault: Vault, url: str) -> MailServer:
    """Seal the mail server's address in the home; MailSettingError where it is none."""
    found = MailServer.parse(url)
    sealed = vault.seal(_INSTALLATION, _PLACE, url.strip()).encode()
    control.execute("INSERT OR REPLACE INTO setting VALUES ('mail_server', ?)", (sealed,))
    return found


def operator_address() -> str | None:
    """Where security mails go: APILEDGER_OPERATOR_MAIL; None where it is not set or is no address."""
    text = os.environ.get(OPERATOR_SETTING, "").strip()
    return text if mail.is_address(text) else None


def deliver(
    home: Home, clock: Callable[[], datetime], patience: Patience = outbox.PATIENCE, limit: timedelta = ROUND
) -> Round:
    """Send what is due, for `limit` at most and until the server is found not to answer; `clock` gives UTC.

    Raises KeyUnavailableError without the master key and MailSettingError for an address that names no server: the
    mails wait. Mails of refused keys wait, too, as long as no operator's address is set.
    """
    done = Round()
    until = clock() + limit
    with database.control(home) as control:
        if not outbox.unsent(control).get("queued"):
            return done
        vault = Vault(control, clock())
        found = server(control, vault)
        if found is None:
            done.unconfigured = True
            return done
        without = None if operator_address() else refusal.MAIL_CLASS
        while (now := clock()) < until and (lease := outbox.take(control, now, patience, without)):
            if not _delivered(home, control, vault, found, lease, clock, patience, done):
                break
    return done


def _delivered(
    home: Home,
    control: sqlite3.Connection,
    vault: Vault,
    found: MailServer,
    lease: Lease,
    clock: Callable[[], datetime],
    patience: Patience,
    done: Round,
) -> bool:
    """Send one leased mail and note how it went; False where the server takes none at present."""
    message = _message(home, control, vault, found.sender, lease, clock())
    if message is None:
        outbox.withdraw(control, lease, clock())
        _put_away(control, lease)
        done.withdrawn += 1
        return True
    try:
        found.send(
            mail.signed(message, branding.shown(home).sender_name),
            lease.mail_class,
            hand_over=lambda: outbox.hand_over(control, lease, clock(), patience),
            accepted=lambda: _accepted(control, lease, clock(), done),
        )
    except NotSentError as failure:
        if failure.permanent:
            outbox.give_up(control, lease, clock(), failure.reason)
            done.given_up += 1
        else:
            outbox.put_off(
                control,
                lease,
                clock(),
                failure.reason,
                unreachable=failure.unreachable,
                may_have_arrived=failure.may_have_arrived,
                patience=patience,
            )
            done.put_off += 1
        return not failure.unreachable
    return True


def _message(
    home: Home, control: sqlite3.Connection, vault: Vault, sender: str, lease: Lease, now: datetime
) -> EmailMessage | None:
    """A leased mail; None where nobody is to be told any more. What it says is of one moment of the store."""
    if notice.is_one(control, lease):
        told = notice.opened(control, vault, lease, now)
        return None if told is None else notice_mail.message(home, told, sender=sender, message_id=lease.message_id)
    if lease.mail_class == letter.MAIL_CLASS:
        said = letter.opened(control, vault, lease, now)
        return None if said is None else letter_mail.message(home, said, sender=sender, message_id=lease.message_id)
    control.execute("BEGIN")
    try:
        return _written(home, control, vault, sender, lease)
    finally:
        control.execute("COMMIT")


def _written(home: Home, control: sqlite3.Connection, vault: Vault, sender: str, lease: Lease) -> EmailMessage | None:
    if lease.mail_class == refusal.MAIL_CLASS:
        operator, refused = operator_address(), refusal.told_by(control, lease)
        if operator is None or refused is None:
            return None
        holder = _holder(control, vault, refused) or operator
        return security_mail.message(
            refused, sender=sender, receiver=holder, message_id=lease.message_id, sandbox=home.is_sandbox
        )
    if lease.mail_class == balance_watch.MAIL_CLASS:
        return _balance(home, control, vault, sender, lease)
    alert = outbox.alert_of(control, lease)
    if alert is None:
        return None
    try:
        receiver = budgets.address_of(control, vault, alert.budget_no)
    except KeyUnavailableError:
        # The master key opened the vault: it is this account's own key that is gone, and with it the account.
        receiver = None
    if receiver is None:
        return None
    return budget_mail.message(
        telling(home, control, alert), sender=sender, receiver=receiver, message_id=lease.message_id
    )


def _balance(home: Home, control: sqlite3.Connection, vault: Vault, sender: str, lease: Lease) -> EmailMessage | None:
    notice = balance_watch.notice_of(control, lease)
    if notice is None:
        return None
    receiver = balance_watch.receiver(control, vault, notice.account_no, operator_address())
    if receiver is None:
        return None
    told = balance_mail.Telling(
        prepaid.name(control, notice.account_no),
        notice.balance_usd,
        notice.low_usd,
        notice.crossed_at,
        home.is_sandbox,
    )
    return balance_mail.message(told, sender=sender, receiver=receiver, message_id=lease.message_id)


def _holder(control: sqlite3.Connection, vault: Vault, refused: Refusal) -> str | None:
    """Whose key it was: the address of the account's first owner who has one; None for the environment's."""
    if refused.holder_no is None:
        return None
    owners = [one for one in members.of_account(control, refused.holder_no) if one.is_owner]
    return next((email for one in owners if (email := members.email_of(control, vault, one))), None)


def _accepted(control: sqlite3.Connection, lease: Lease, now: datetime, done: Round) -> None:
    outbox.sent(control, lease, now)
    notice.sent(control, lease, now)
    _put_away(control, lease)
    done.sent += 1


def _put_away(control: sqlite3.Connection, lease: Lease) -> None:
    """Nothing stays of a letter or a notice that is done with."""
    notice.put_away(control, lease)
    letter.put_away(control, lease)


def telling(home: Home, control: sqlite3.Connection, alert: Alert) -> Telling:
    """What the mail of an alert tells, under the names of today."""
    budget = budgets.version_of(control, alert.budget_no, alert.budget_version)
    place = budgets.scope_of(control, budget)
    return Telling(
        kind="account" if place.project is None else "project",
        name=place.name,
        account=place.account,
        monthly_usd=budget.monthly_usd,
        spent_usd=alert.spent_usd,
        unpriced_requests=alert.unpriced_requests,
        thresholds=alert.thresholds,
        period_start=alert.period_start,
        crossed_at=alert.crossed_at,
        sandbox=home.is_sandbox,
    )


def told(home: Home) -> Iterator[str]:
    """Tell what the outbox still holds, a line where it holds anything."""
    if not home.control_file.exists():
        return
    with database.control(home) as control:
        unsent = outbox.unsent(control)
    words = (("queued", "waiting"), ("dead", "given up"))
    parts = [
        f"{count} {word}{f' ({reason})' if reason else ''}"
        for state, word in words
        for count, reason in [unsent.get(state, (0, None))]
        if count
    ]
    if parts:
        yield f"Mail           {'; '.join(parts)}"


def send_test(home: Home, found: MailServer, told: Telling, receiver: str, message_id: str) -> None:
    """Send a mail as a budget's would be, now and past the outbox; NotSentError where the server does not take it."""
    message = budget_mail.message(told, sender=found.sender, receiver=receiver, message_id=message_id)
    subject = message["Subject"]
    del message["Subject"]
    message["Subject"] = mail.one_line(f"[test] {subject}")
    found.send(mail.signed(message, branding.shown(home).sender_name), budget_mail.MAIL_CLASS)
