"""What the mail of a low balance says, in plain text and in HTML that fetches nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from html import escape

from pipelines.alerts import mail, mail_sheet
from warehouse.control.balance_watch import MAIL_CLASS
from warehouse.money import shown

_FOOT = "You get this because a line is set for this balance. `apiledger credits watch` changes or ends it."
_LINE = "margin:0 0 12px;font-size:15px;line-height:23px"
_FIGURE = "margin:0 0 14px;font-size:32px;line-height:38px;font-weight:650;letter-spacing:-0.5px"
_SUBJECT_NAME = 60
_WORD_JOINER = "\u2060"


@dataclass(frozen=True)
class Telling:
    """Everything the mail tells: whose credits, what was left and the line it fell below, in USD; when, in UTC."""

    account: str
    balance_usd: Decimal
    low_usd: Decimal
    crossed_at: datetime
    sandbox: bool


def message(told: Telling, *, sender: str, receiver: str, message_id: str) -> EmailMessage:
    """The mail to `receiver`; the same telling gives the same bytes but for the parts' boundary."""
    made_up = "[made-up data] " if told.sandbox else ""
    name = mail.one_line(told.account)
    name = name if len(name) <= _SUBJECT_NAME else f"{name[: _SUBJECT_NAME - 1]}…"
    return mail.compose(
        MAIL_CLASS,
        sender=sender,
        receiver=receiver,
        subject=f"{made_up}{name}: {shown(told.balance_usd)} of credits left",
        message_id=message_id,
        dated=told.crossed_at,
        text=text(told),
        html=html(told),
    )


def _headline(told: Telling) -> str:
    # No mail program makes a link of a name.
    name = "".join(f"{c}{_WORD_JOINER}" if c in ".:/@" else c for c in mail.one_line(told.account))
    if told.balance_usd < 0:
        return f"The credits of {name} are used up"
    return f"The credits of {name} are below {shown(told.low_usd)}"


def _lines(told: Telling) -> list[str]:
    over = told.balance_usd < 0
    return [
        f"More was used than was paid in, by {shown(abs(told.balance_usd))}." if over else "Top up in time.",
        f"As of {told.crossed_at:%d %b %Y, %H:%M} UTC, as far as its calls are read.",
        "No further mail comes until the balance was well above that line again.",
    ]


def text(told: Telling) -> str:
    """The plain text."""
    made_up = ["Made-up data: this is the sandbox.", ""] if told.sandbox else []
    left = f"Left: {shown(told.balance_usd)}"
    return "\n".join([*made_up, f"{_headline(told)}.", "", left, "", *_lines(told), "", _FOOT]) + "\n"


def html(told: Telling) -> str:
    """The HTML, on the sheet of every mail; every text from outside is escaped."""
    body = f'<p style="{_FIGURE}">{escape(shown(told.balance_usd))}</p>'
    body += "".join(f'<p style="{_LINE}">{escape(line)}</p>' for line in _lines(told))
    return mail_sheet.page(_headline(told), body, _FOOT, sandbox=told.sandbox)
