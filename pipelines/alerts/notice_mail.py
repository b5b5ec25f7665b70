"""What a notice to a member says: what happened to their account, or will, and what to do; in plain text and in HTML.

No address, key, password or token is ever in one, and no link: who gets such a mail goes where they always go.
"""

from email.message import EmailMessage
from html import escape

from pipelines.alerts import mail, mail_sheet
from pipelines.bills.biller import billers
from warehouse.control.notice import MAIL_CLASSES, Kind, Notice
from warehouse.home import Home

_LINE = "margin:0 0 12px;font-size:15px;line-height:23px"
_FEET = {
    "security": "You get this because it concerns the security of your account; mails of this kind cannot be ended.",
    "policy": "You get this once, because you are a member and the privacy policy changes; it is no advertisement.",
    "account": "You get this because it concerns your account; it is no advertisement.",
}
_LOOK = (
    "If it was not you: change your password on the page Account, sign out everywhere there, and tell your operator."
)
_KEY = "If it was none of you: look at the page Connections, revoke the key at the provider, and tell your operator."
# Of what happened and needs no more than its moment: the headline and its lines.
_SAID: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "sign_in": (
        "Somebody signed in to your account from a new place",
        ("It is a place from which you did not sign in within the last 30 days.", "If it was you, all is well.", _LOOK),
    ),
    "password_changed": (
        "Your password was changed",
        (
            "Every session that the one before had begun was ended.",
            "If it was you, all is well.",
            "If it was not you: ask for a new one under Forgotten password, where you sign in, and tell your operator.",
        ),
    ),
    "address_changed": (
        "You sign in with this address now",
        ("It took the place of the one before, which was told as well.", _LOOK),
    ),
}
_OLD_ADDRESS = (
    "Your account has another address now",
    (
        "Members sign in with their new address; this one is no part of the account any more.",
        "If it was not you, tell your operator at once: with this address you cannot undo it yourself.",
    ),
)


def message(home: Home, said: Notice, *, sender: str, message_id: str) -> EmailMessage:
    """The mail of a notice; the same notice gives the same words."""
    mail_class, (headline, lines) = MAIL_CLASSES[said.kind], _told(said)
    moment = f"It happened on {said.happened_at:%d %b %Y at %H:%M} UTC."
    lines = lines if said.kind in {"policy_changed", "account_idle"} else (moment, *lines)
    foot = _FEET[mail_class]
    made_up = ["Made-up data: this is the sandbox.", ""] if home.is_sandbox else []
    return mail.compose(
        mail_class,
        sender=sender,
        receiver=said.receiver,
        subject=f"{'[made-up data] ' if home.is_sandbox else ''}{headline}",
        message_id=message_id,
        dated=said.happened_at,
        text="\n".join([*made_up, f"{headline}.", "", *lines, "", foot]) + "\n",
        html=mail_sheet.page(
            headline,
            "".join(f'<p style="{_LINE}">{escape(line)}</p>' for line in lines),
            foot,
            sandbox=home.is_sandbox,
        ),
    )


def _told(said: Notice) -> tuple[str, tuple[str, ...]]:
    """The headline and the lines of a notice."""
    if said.kind == "failed_sign_ins":
        return _failed(said)
    if said.kind in {"key_added", "key_replaced", "key_removed"}:
        return _of_key(said)
    if said.kind == "policy_changed":
        return _of_policy(said)
    if said.kind == "account_idle":
        return _of_idle(said)
    if said.kind == "request_answered":
        page = "Help" if said.is_question else "Your rights"
        lines = (f"The answer stands on the page {page} of your account, beside your request {said.number}.",)
        return f"Your request {said.number} is answered", lines
    return _OLD_ADDRESS if said.is_old_address else _SAID[said.kind]


def _failed(said: Notice) -> tuple[str, tuple[str, ...]]:
    return f"{said.times} sign-ins to your account failed", (
        "Somebody tried passwords at your address that were wrong; from now on each further try waits longer.",
        "If you mistyped yours, there is nothing to do.",
        "If it was not you, nobody came in; a password that you use nowhere else keeps it so.",
        "As long as it goes on no further mail is sent about it, and within a day at most one.",
    )


def _of_key(said: Notice) -> tuple[str, tuple[str, ...]]:
    found = billers().get(said.source)
    title = said.source if found is None else found.title
    label = mail.one_line(said.label)
    if said.kind == "key_removed":
        return f"The key of {title} was removed", (
            f"The connection's name is {label}. The key is destroyed here, and no bill is read with it any more.",
            "The provider does not know that: revoke it there, too.",
            _KEY,
        )
    if said.kind == "key_replaced":
        return f"The key of {title} was replaced", (
            f"The connection's name is {label}. The key before is destroyed here; revoke it at the provider, too.",
            _KEY,
        )
    return f"A key of {title} was added", (f"The connection's name is {label}. Its bills are read from now on.", _KEY)


def _of_policy(said: Notice) -> tuple[str, tuple[str, ...]]:
    text = said.text
    if text is None:
        raise ValueError("a notice of the policy has its text")
    return f"The privacy policy changes on {text.holds_on:%d %b %Y}", (
        f"What is other in version {mail.one_line(text.version)}: {mail.one_line(text.changed)}",
        "The whole of it stands on the page Privacy. You are asked to accept it when you next sign in.",
        "If you do not want it, the page Account lets you take your data along and delete your account before.",
    )


def _of_idle(said: Notice) -> tuple[str, tuple[str, ...]]:
    return f"Your account will be deleted after {said.unused_until:%d %b %Y}", (
        "Nobody has signed in to it for long, no bill was read for it and no call of it has come in.",
        "To keep it, sign in once before that day; nothing else is needed.",
        "If nobody does, it is deleted for good, with its members, keys, budgets and figures. No further mail is sent.",
        "To take your data along, sign in and make your bundle on the page Your rights.",
    )
