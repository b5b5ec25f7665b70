"""What a security mail says: a provider refuses a key, and what to do; in plain text and in HTML."""

from email.message import EmailMessage
from html import escape

from pipelines.alerts import mail, mail_sheet
from pipelines.bills.biller import billers
from warehouse.control.refusal import MAIL_CLASS, Refusal

_FOOT = "You get this because your address is set as the operator's of this site (APILEDGER_OPERATOR_MAIL)."
_HOLDERS_FOOT = "You get this because the key is a connection's of your account; mails of this kind cannot be ended."
_LINE = "margin:0 0 12px;font-size:15px;line-height:23px"


def message(told: Refusal, *, sender: str, receiver: str, message_id: str, sandbox: bool) -> EmailMessage:
    """The mail to `receiver`; the same refusal gives the same bytes but for the parts' boundary."""
    lines = _lines(told)
    made_up = ["Made-up data: this is the sandbox.", ""] if sandbox else []
    return mail.compose(
        MAIL_CLASS,
        sender=sender,
        receiver=receiver,
        subject=f"{'[made-up data] ' if sandbox else ''}{_title(told)} refuses the key: its bills are not read",
        message_id=message_id,
        dated=told.refused_at,
        text="\n".join([*made_up, f"{_headline(told)}.", "", *lines, "", _foot(told)]) + "\n",
        html=mail_sheet.page(
            _headline(told),
            "".join(f'<p style="{_LINE}">{escape(line.replace("`", ""))}</p>' for line in lines),
            _foot(told),
            sandbox=sandbox,
        ),
    )


def _title(told: Refusal) -> str:
    biller = billers().get(told.source)
    return told.source if biller is None else biller.title


def _foot(told: Refusal) -> str:
    return _FOOT if told.holder_no is None else _HOLDERS_FOOT


def _headline(told: Refusal) -> str:
    return f"{_title(told)} refuses the key to its bills"


def _lines(told: Refusal) -> list[str]:
    biller = billers().get(told.source)
    key = "key" if biller is None else biller.key_variable
    instead = f"set another {key} and start apiledger again"
    if told.holder_no is not None:
        instead = f"give the connection another, on the page Connections or with `apiledger connect {told.source}`"
    read = "No day of its bills was read before."
    if told.read_until is not None:
        read = f"Its bills are read up to {told.read_until:%d %b %Y}, that day not included."
    return [
        f"It was refused on {told.refused_at:%d %b %Y at %H:%M} UTC: revoked, expired, or without the right to read.",
        f"{read} Other sources go on.",
        "If you did not revoke it yourself, look at who did, and at what the key was used for.",
        f"Then {instead}; what was missed is read by itself.",
        "Until then this key is tried once a day, and no further mail is sent about it.",
    ]
